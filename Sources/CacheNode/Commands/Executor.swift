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
    /// The one that the peer came by: its space, and what may be done there.
    let listener: ListenerIdentity
    /// The space's: what every command needs is at hand.
    let map: SessionMap
    let prefixes: PrefixStatistics
    /// The map's, for replies that tell how long an item lives.
    let lifetimes: Lifetimes
    let rule: ExptimeRule
    let worker: WorkerRecord
    let counters: Counters
    let requests: RequestTally
    /// The connection's socket, which watchers are told of; -1 where there is none.
    let descriptor: Int32
    private let watchers: Watchers
    /// There where keys may be locks that are counted.
    let latestCount: LatestCount?

    init(
        context: NodeContext, listener: ListenerIdentity, worker: WorkerRecord, descriptor: Int32
    ) {
        self.context = context
        self.listener = listener
        map = listener.space.map
        prefixes = listener.space.prefixes
        lifetimes = listener.space.map.lifetimes
        rule = listener.space.configuration.exptimeRule
        self.worker = worker
        counters = listener.space.counters[worker.number]
        requests = listener.space.requests[worker.number]
        self.descriptor = descriptor
        watchers = listener.space.watchers
        latestCount =
            listener.space.locks?.rules.hasCountedLocks == true ? LatestCount() : nil
    }

    /// Whether a watcher wants to be told of such events.
    @inline(__always)
    func wants(_ events: WatchedEvents) -> Bool { watchers.want(events) }

    /// Counts for `stats detail`, if that is on.
    @inline(__always)
    func notePrefix(_ operation: PrefixStatistics.Operation, key: Span<UInt8>) {
        if prefixes.isCollecting { prefixes.note(operation, key: key) }
    }

    var space: Space { listener.space }

    /// Whether commands that show keys may do so on this connection. Session keys are secrets: whoever has
    /// one is logged in.
    var areKeysShown: Bool { listener.areKeysShown }
}
