import MemcacheProtocol
import Synchronization

/// `watch`: from here on the connection tells of events, and its input is not read.
extension Connection {
    /// - Parameter events: nothing where an unknown one was asked for.
    func startWatching(_ events: WatchedEvents?) -> OperatorReply? {
        guard context.configuration.isWatchAllowed else { return .watchNotAllowed }
        guard output.isEmpty else { return .watchPipelined }
        guard let events else { return .error }
        if !events.isDisjoint(with: .ofItems), !areKeysShown {
            context.noteKeysRefused()
            return .watchNotAllowed
        }
        let wakeUp = worker.attention.withLock { $0 }
        guard let id = context.watchers.add(events, wakeUp: wakeUp) else {
            return .tooManyWatchers
        }
        watcherID = id
        state = .watching
        reply(.ok)
        return nil
    }

    /// Moves lines to the output, as far as it has room.
    func takeLines() -> Watchers.Taking {
        input.use(input.count)
        return context.watchers.take(
            watcherID, atMost: OutputBuffer.highWaterByteCount - output.pendingByteCount
        ) { output.append($0) }
    }
}
