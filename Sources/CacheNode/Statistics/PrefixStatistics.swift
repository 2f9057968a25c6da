import Synchronization

/// `stats detail`: operations by the part of the key in front of the delimiter.
///
/// Off unless asked for; then every operation takes a lock that all workers share.
final class PrefixStatistics: Sendable {
    struct Counts: Equatable {
        var gets = 0
        var hits = 0
        var sets = 0
        var deletes = 0
    }
    typealias Entry = (prefix: [UInt8], counts: Counts)

    enum Operation {
        case get(isHit: Bool)
        case set
        case delete
    }

    /// Prefixes that are told apart; operations on further ones are not counted.
    static let prefixCountMax = 10_000

    private let delimiter: UInt8
    private let isOn: Atomic<Bool>
    private let counts = Mutex<[[UInt8]: Counts]>([:])

    init(delimiter: UInt8, isOn: Bool) {
        self.delimiter = delimiter
        self.isOn = Atomic(isOn)
    }

    @inline(__always)
    var isCollecting: Bool { isOn.load(ordering: .relaxed) }

    func setCollecting(_ value: Bool) { isOn.store(value, ordering: .relaxed) }

    func clear() { counts.withLock { $0.removeAll() } }

    /// Keys without a delimiter have no prefix, and are not counted.
    func note(_ operation: Operation, key: Span<UInt8>) {
        guard let prefix = prefix(of: key) else { return }
        counts.withLock { counts in
            guard counts[prefix] != nil || counts.count < Self.prefixCountMax else { return }
            var entry = counts[prefix, default: Counts()]
            switch operation {
            case .get(let isHit):
                entry.gets += 1
                entry.hits += isHit ? 1 : 0
            case .set: entry.sets += 1
            case .delete: entry.deletes += 1
            }
            counts[prefix] = entry
        }
    }

    private func prefix(of key: Span<UInt8>) -> [UInt8]? {
        for end in key.indices where key[end] == delimiter {
            return (0..<end).map { key[$0] }
        }
        return nil
    }

    /// All counts, sorted by prefix.
    func all() -> [Entry] {
        counts.withLock { counts in
            counts.map { (prefix: $0.key, counts: $0.value) }
        }.sorted { $0.prefix.lexicographicallyPrecedes($1.prefix) }
    }
}
