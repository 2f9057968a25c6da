import MemcacheProtocol
import Synchronization

/// A connection's place among the watchers, which it gives up when it lets go of this.
final class Watching {
    private let watchers: Watchers
    private let id: UInt64

    init(_ watchers: Watchers, id: UInt64) {
        self.watchers = watchers
        self.id = id
    }

    deinit { watchers.remove(id) }

    /// The peer has ended its sending, and may have gone.
    func noteHalfClosed() { watchers.noteHalfClosed(id) }

    /// Moves lines to the output, as far as it has room.
    func takeLines(into output: inout OutputBuffer) -> Watchers.Taking {
        let room = OutputBuffer.highWaterByteCount - output.pendingByteCount
        return watchers.take(id, atMost: room) { output.append($0) }
    }
}

/// `watch`: from here on the connection tells of events, and its input is not read.
extension Executor {
    /// - Parameter events: nothing where an unknown one was asked for.
    func watch(_ events: WatchedEvents?, owesReplies: Bool) -> Answer {
        guard listener.rules.isWatchAllowed else { return .refusal(.watchNotAllowed) }
        guard !owesReplies else { return .refusal(.watchPipelined) }
        guard let events else { return .refusal(.error) }
        if !events.isDisjoint(with: .ofItems), !areKeysShown {
            context.noteKeysRefused()
            return .refusal(.watchNotAllowed)
        }
        let wakeUp = worker.attention.withLock { $0 }
        guard let id = space.watchers.add(events, wakeUp: wakeUp) else {
            return .refusal(.tooManyWatchers)
        }
        return .watching(Watching(space.watchers, id: id))
    }
}
