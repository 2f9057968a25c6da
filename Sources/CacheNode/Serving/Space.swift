import SessionMap
import Synchronization

/// A map with all that belongs to it: its limit, its statistics, its dumps and its file.
///
/// A node has one for now. Only `Node`, which makes it, may count on that: everything else is given
/// the space that it works on, a connection by its listener.
final class Space: Sendable {
    let configuration: SpaceConfiguration
    let map: SessionMap
    /// Keeps the file, if there is one: it outlives the map, which lives in it.
    let preparer: MemoryPreparer
    /// As an operator left it.
    let limitByteCount: Atomic<Int>
    /// By worker: each writes its own.
    let counters: [Counters]
    let prefixes: PrefixStatistics
    let dumps: DumpRecord
    /// There where keys are locks.
    let locks: LockQueues?
    /// What the counters on the pages were at the last `stats reset`.
    let zero = Mutex(StatisticsZero())

    init(
        _ configuration: SpaceConfiguration, map: SessionMap, file: MemoryFile? = nil,
        workerCount: Int
    ) {
        self.configuration = configuration
        self.map = map
        preparer = MemoryPreparer(map: map, file: file)
        limitByteCount = Atomic(configuration.memoryByteCount)
        counters = (0..<workerCount).map { _ in Counters() }
        prefixes = PrefixStatistics(
            delimiter: configuration.prefixDelimiter, isOn: configuration.collectsPrefixDetail)
        locks =
            configuration.locks.keys.isEmpty ? nil : LockQueues(configuration.locks, map: map)
        dumps = DumpRecord(isEnabled: configuration.isCrawlerEnabled)
    }
}
