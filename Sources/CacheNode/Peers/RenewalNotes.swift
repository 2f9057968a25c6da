import Synchronization

/// Keys of items that were proven, or renewed, without the member's being asked: its other owner is told before long.
final class RenewalNotes: Sendable {
    private let keys = Mutex<[[UInt8]]>([])
    private static let countMax = 10_000

    /// False if too many wait to be told.
    func add(_ key: Span<UInt8>) -> Bool {
        let key = key.withUnsafeBytes { Array($0) }
        return keys.withLock { keys in
            guard keys.count < Self.countMax else { return false }
            keys.append(key)
            return true
        }
    }

    var hasRoom: Bool { keys.withLock { $0.count < Self.countMax } }

    func take() -> [[UInt8]] {
        keys.withLock { keys in
            defer { keys = [] }
            return keys
        }
    }
}
