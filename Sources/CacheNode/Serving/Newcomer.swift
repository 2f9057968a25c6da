import EventLoop
import Synchronization

/// A space that has come while the node runs. It is made on a thread of its own: to take a memory file over may take a
/// second, in which the main thread would accept nobody.
///
/// It stays to the end, also when it is over: were its descriptor closed in the turn in which another one takes its number,
/// libevent would take the one's end and the other's beginning for no change, and the kernel would watch neither.
///
/// Confined to the main thread, but for what its own thread hands over.
final class Newcomer {
    let name: String
    private let outcome = Outcome()
    private var thread: NodeThread?
    private var wakeUp: WakeUp?

    private final class Outcome: Sendable {
        let result = Mutex<Result<Space, NodeError>?>(nil)
    }

    /// - Parameter made: called once, on the loop's thread.
    init(
        _ configuration: SpaceConfiguration, of node: NodeConfiguration, loop: Loop,
        made: @escaping (Newcomer, Result<Space, NodeError>) -> Void
    ) throws {
        name = configuration.name
        let maker = try SpaceMaker(node, configuration)
        let wakeUp = try WakeUp(loop: loop) { [unowned self] in
            guard let result = outcome.result.withLock({ $0.take() }) else { return }
            made(self, result)
        }
        self.wakeUp = wakeUp
        thread = try NodeThread { [outcome] in
            do throws(NodeError) {
                let space = try maker.make()
                outcome.result.withLock { $0 = .success(space) }
            } catch {
                outcome.result.withLock { $0 = .failure(error) }
            }
            wakeUp.wake()
        }
    }

    /// Its thread has ended, or is about to.
    func join() {
        thread?.join()
        thread = nil
    }

    /// Whether it was made, or could not be.
    var isOver: Bool { thread == nil }
}
