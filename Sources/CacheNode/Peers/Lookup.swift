import EventLoop
import Synchronization

/// A name that is being looked up, on a thread of its own.
final class Lookup: Sendable {
    private let result: Outcome
    private let thread: NodeThread

    /// The thread's own hold of it.
    private final class Outcome: Sendable {
        let value = Mutex<Result<HostAddresses, SocketError>?>(nil)
    }

    /// - Parameter completed: is called on that thread, once there is an outcome.
    init(
        _ address: PeerDefinition.Member, completed: @escaping @Sendable () -> Void
    ) throws {
        let result = Outcome()
        self.result = result
        thread = try NodeThread {
            let found: Result<HostAddresses, SocketError>
            do throws(SocketError) {
                found = .success(try HostAddresses(host: address.host, port: address.port))
            } catch {
                found = .failure(error)
            }
            result.value.withLock { $0 = found }
            completed()
        }
    }

    /// Nil as long as nobody has answered.
    var found: Result<HostAddresses, SocketError>? { result.value.withLock(\.self) }

    func join() { thread.join() }
}
