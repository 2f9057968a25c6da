import MemcacheProtocol

/// A lock for which somebody waits, as `stats locks` tells of it.
struct AwaitedLock: Sendable {
    let key: [UInt8]
    let waiterCount: Int
    /// When the first of them came.
    let began: UInt64

    func statistics(at nanoseconds: UInt64) -> [Statistic] {
        let name = name
        let microseconds = (max(nanoseconds, began) - began) / 1_000
        return [
            Statistic(
                name: "\(name):waiting", value: .gauge(waiterCount),
                help: "Connections that wait for this lock"),
            Statistic(
                name: "\(name):longest_us", value: .gauge(Int(microseconds)),
                help: "Microseconds that the first of them has waited"),
        ]
    }

    /// The key, in which no byte ends a line.
    private var name: String {
        var bytes = [UInt8](repeating: 0, count: 3 * key.count)
        let count = bytes.withUnsafeMutableBytes { target in
            var writer = ReplyWriter(target)
            key.withUnsafeBytes { writer.write(lineSafe: $0) }
            return writer.count
        }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
