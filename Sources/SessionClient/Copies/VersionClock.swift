import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Makes versions of items with copies: 64 bits, of which the upper 50 are microseconds since 2025 and the
/// rest tells this writer from others.
///
/// A version is above every one that the writer has seen of the item, so that a slow clock makes no
/// change disappear, and above every one that it has made.
final class VersionClock: Sendable {
    static let writerBitCount: UInt64 = 14
    /// 2025-01-01.
    static let epochMicroseconds: Int64 = 1_735_689_600_000_000

    private let writer: UInt64
    private let microseconds: @Sendable () -> Int64
    private let last = Mutex<UInt64>(0)

    init(
        writer: UInt64 = .random(in: 0..<(1 << writerBitCount)),
        microseconds: @escaping @Sendable () -> Int64 = { VersionClock.wallClock() }
    ) {
        self.writer = writer
        self.microseconds = microseconds
    }

    /// - Returns: nil if there is no later one: somebody has written a version that no clock makes.
    func next(after seen: UInt64) -> UInt64? {
        let now = UInt64(max(0, microseconds() - Self.epochMicroseconds))
        return last.withLock { last in
            let time = max(now, max(last, seen) >> Self.writerBitCount + 1)
            guard time < 1 << (64 - Self.writerBitCount) else { return nil }
            guard time <= now + Self.driftMicrosecondsMax else {
                // From a clock that nobody should follow: it concerns its own item alone.
                return time << Self.writerBitCount | .random(in: 0..<(1 << Self.writerBitCount))
            }
            last = time << Self.writerBitCount | writer
            return last
        }
    }

    /// How far this clock follows others that are fast: a day.
    private static let driftMicrosecondsMax: UInt64 = 86_400_000_000

    static func wallClock() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1_000
    }
}
