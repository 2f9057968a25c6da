import Cluster
import SessionMap
import Synchronization

/// The fences of a node by itself, in a file beside the memory file: a process that is killed leaves them to the next one.
///
/// One write for each deletion that fences, some microseconds. As long as the machine runs, what was written is there.
final class FenceLog: Sendable {
    /// Its entries stand for keys by their hashes in the map, whose seed is kept with it.
    private let log: Mutex<DeletionLog>
    private let failed: @Sendable () -> Void

    private static let halfByteCountMax = 16 << 20

    /// - Parameters:
    ///   - map: whose keys these are.
    ///   - failed: is told once that nothing can be written any more.
    init(
        _ path: String, map: SessionMap, failed: @escaping @Sendable () -> Void
    ) throws(NodeError) {
        let halfByteCount = min(Self.halfByteCountMax, map.configuration.byteCount / 40)
        log = Mutex(
            try DeletionLog(
                path, cluster: 0, arenaID: [map.configuration.hashSeed, 0],
                halfByteCount: halfByteCount))
        self.failed = failed
    }

    /// What an earlier process has left. To be called once, before anything is added.
    func load() -> [(hash: UInt64, end: UInt32)] {
        log.withLock { log in
            let entries = log.load()
            if log.isBroken { failed() }
            return entries.compactMap { entry in
                guard entry.kind == .change, entry.tombstone.key.count == 8 else { return nil }
                let hash = entry.tombstone.key.reversed().reduce(0) { $0 << 8 | UInt64($1) }
                return (hash, entry.tombstone.madeSeconds)
            }
        }
    }

    /// - Parameter all: what there is, asked for where it has to be written anew.
    func append(hash: UInt64, end: UInt32, _ all: () -> [(hash: UInt64, end: UInt32)]) {
        log.withLock { log in
            guard !log.isBroken else { return }
            let entry = Self.entry(hash, end)
            if log.hasRoom(for: entry.tombstone) {
                log.append(entry)
            } else {
                // It is among them.
                log.rewrite(all().map { Self.entry($0.hash, $0.end) })
            }
            if log.isBroken { failed() }
        }
    }

    /// Hashes by the arena's seed, which it keeps when its items move: without it they mean nothing.
    private static func entry(_ hash: UInt64, _ end: UInt32) -> DeletionLog.Entry {
        .init(
            kind: .change,
            tombstone: Tombstones.Tombstone(
                key: withUnsafeBytes(of: hash.littleEndian) { Array($0) }, stamp: .none,
                madeSeconds: end))
    }
}
