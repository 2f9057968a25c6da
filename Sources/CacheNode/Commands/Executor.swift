import EventLoop
import MemcacheProtocol
import SessionMap
import Synchronization

/// Carries commands out: on the map, and on all that counts and tells what is done to it.
///
/// Goals: what a command does stands once, in whichever words it was asked for: a file for each
/// family of commands. Not goals: lines, buffers, and the order of replies, which are the conversation's.
///
/// Each connection has one. Never copied, so that nothing it refers to is retained on a request's way.
struct Executor: ~Copyable {
    let context: NodeContext
    /// The context's: what every command needs is at hand.
    let map: SessionMap
    let rule: ExptimeRule
    let worker: WorkerRecord
    let counters: Counters
    /// The connection's socket, which watchers are told of; -1 where there is none.
    let descriptor: Int32
    private let watchers: Watchers
    /// What watchers want to be told of, as of this turn.
    private var watched = WatchedEvents()

    init(context: NodeContext, worker: WorkerRecord, descriptor: Int32) {
        self.context = context
        map = context.map
        rule = context.configuration.exptimeRule
        self.worker = worker
        counters = worker.counters
        self.descriptor = descriptor
        watchers = context.watchers
    }

    @inline(__always)
    mutating func beginTurn() { watched = watchers.wantedEvents }

    @inline(__always)
    func wants(_ events: WatchedEvents) -> Bool { watched.rawValue & events.rawValue != 0 }

    /// Counts for `stats detail`, if that is on.
    @inline(__always)
    func notePrefix(_ operation: PrefixStatistics.Operation, key: Span<UInt8>) {
        if context.prefixes.isCollecting { context.prefixes.note(operation, key: key) }
    }

    /// Whether commands that show keys may do so on this connection: a Unix socket's mode says who may
    /// use it. Session keys are secrets: whoever has one is logged in.
    var areKeysShown: Bool {
        let configuration = context.configuration
        guard configuration.isDumpAllowed else { return false }
        return configuration.showsKeys || SocketAddress.local(of: descriptor).isUnix
    }
}
