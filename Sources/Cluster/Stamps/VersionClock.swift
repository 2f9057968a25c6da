/// Makes versions: numbers that go up, whatever the machine's clock does, and that no two nodes make alike.
///
/// A version is microseconds since 2025 (50 bits), the member (8) and the shard (6) that made it. It is the
/// item's CAS unique, too. The clock is hybrid: never behind what it has made or seen, so a change of something
/// that is known has a higher version than what it changes.
package struct VersionClock: Sendable {
    private let maker: UInt64
    /// The microseconds of the last version that was made or followed.
    private(set) package var lastMicroseconds: UInt64

    private static let makerBitCount: UInt64 = 14
    /// In the year 2060. Whoever gets there has been told nonsense.
    private static let lastOfAll: UInt64 = (1 << 50) - 1
    private static let shardBitCount: UInt64 = 6
    /// A peer's clock that is ahead by more than this is not followed: one wrong clock must not set all.
    package static let microsecondsAheadMax: UInt64 = 86_400_000_000

    /// - Parameter lastMicroseconds: where an earlier process of this member has stopped.
    package init(member: UInt8, lastMicroseconds: UInt64 = 0) {
        maker = UInt64(member) << Self.shardBitCount
        self.lastMicroseconds = lastMicroseconds
    }

    /// A version above all that were made here, and above `known`.
    ///
    /// - Parameters:
    ///   - shard: below 64.
    ///   - now: microseconds since 2025, by this machine's clock.
    package mutating func make(above known: UInt64 = 0, shard: Int = 0, now: UInt64) -> UInt64 {
        precondition((0..<64).contains(shard), "a shard's number has 6 bits")
        lastMicroseconds = min(
            max(now, lastMicroseconds + 1, Self.microseconds(of: known) + 1), Self.lastOfAll)
        return lastMicroseconds << Self.makerBitCount | maker | UInt64(shard)
    }

    /// Goes on from a peer's clock, unless that is far ahead.
    package mutating func follow(microseconds: UInt64, now: UInt64) {
        guard microseconds <= now + Self.microsecondsAheadMax else { return }
        lastMicroseconds = max(lastMicroseconds, microseconds)
    }

    /// Whether anything can be above it.
    package static func isPossible(_ version: UInt64) -> Bool {
        microseconds(of: version) < lastOfAll
    }

    /// The highest version of a microsecond.
    package static func last(of microseconds: UInt64) -> UInt64 {
        min(microseconds, lastOfAll - 1) << makerBitCount | (1 << makerBitCount - 1)
    }

    package static func microseconds(of version: UInt64) -> UInt64 { version >> makerBitCount }

    /// Who has made it.
    package static func member(of version: UInt64) -> Int {
        Int(version >> shardBitCount & 0xFF)
    }

    /// The birth of what begins with this version, after something that was born at `earlier`.
    package static func birth(of version: UInt64, notBefore earlier: UInt32 = 0) -> UInt32 {
        max(UInt32(clamping: microseconds(of: version) / 1_000_000), earlier)
    }
}
