import EventLoop
import Logging
import Synchronization

/// The thread that asks a space's predecessor, and stores what it finds.
///
/// `@unchecked Sendable`: everything in it is confined to the thread that runs it, or happens before that. Other threads reach it by
/// the wake-up that it lends to `Predecessor`.
final class PredecessorThread: @unchecked Sendable {
    private let predecessor: Predecessor
    private let loop: Loop
    private var links: [PredecessorLink] = []
    private var wakeUp: WakeUp?
    private var timer: Timer?
    private let logger: Logger

    private static let tickMilliseconds = 100

    init(_ predecessor: Predecessor, space: Space, logger: Logger) throws(EventLoopError) {
        self.predecessor = predecessor
        self.logger = logger
        loop = try Loop()
        links = predecessor.configuration.servers.indices.map {
            PredecessorLink($0, of: predecessor, space: space, loop: loop, logger: logger)
        }
        wakeUp = try WakeUp(loop: loop) { [unowned self] in attend() }
        timer = try Timer(loop: loop) { [unowned self] in tick() }
    }

    func run() {
        predecessor.attend(by: wakeUp)
        tick()
        // Who ends it from now on wakes the loop up; before, that would be lost.
        if !predecessor.isOver { loop.run() }
        predecessor.attend(by: nil)
        for link in links { link.close() }
        links = []
        timer = nil
        wakeUp = nil
    }

    private func attend() {
        guard !predecessor.isOver else { return loop.stop() }
        for link in links { link.attend() }
    }

    private func tick() {
        guard !predecessor.isOver else { return loop.stop() }
        let now = NodeClock.nanoseconds()
        for link in links { link.tick(at: now) }
        attend()
        do {
            try timer?.start(afterMilliseconds: Self.tickMilliseconds)
        } catch {
            logger.critical(
                "the predecessor's timer failed, it is not connected to again: \(error)")
        }
    }
}
