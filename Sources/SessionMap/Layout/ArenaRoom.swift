/// How much of each region of an arena is in use; the rest is room to grow, without memory.
///
/// In the first page, by one store, as it changes while a process runs:
///
///     byte 160  units of each region that are in use (27) · 0 (4)
///               · memory behind them may not have been given back (1) · check (32)
///
/// 0 stands for all of them: so it is in an arena without room, and earlier versions, which have none,
/// leave it.
struct ArenaRoom: Equatable {
    var unitCount: UInt32
    /// Whether all memory behind these units has been given back, so that what the file has can be
    /// told by how much it has.
    var isSettled: Bool

    static let offset = 160
    private static let unsettledBit: UInt32 = 1 << 31

    init(unitCount: UInt32, isSettled: Bool) {
        self.unitCount = unitCount
        self.isSettled = isSettled
    }

    /// Nothing where all is in use, or what was stored is damaged.
    init?(_ page: UnsafeRawBufferPointer) {
        let word = page.load(fromByteOffset: Self.offset, as: UInt64.self)
        let low = UInt32(truncatingIfNeeded: word)
        guard word != 0, UInt32(word >> 32) == Self.check(low) else { return nil }
        unitCount = low & ~Self.unsettledBit
        isSettled = low & Self.unsettledBit == 0
    }

    func write(to page: UnsafeMutableRawPointer) {
        let low = unitCount | (isSettled ? 0 : Self.unsettledBit)
        Region.order()
        page.storeBytes(
            of: UInt64(low) | UInt64(Self.check(low)) << 32, toByteOffset: Self.offset,
            as: UInt64.self)
        Region.order()
    }

    private static func check(_ low: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: ~(UInt64(low) &* 0x9E37_79B9_7F4A_7C15) >> 32)
    }
}

extension ArenaHeader {
    /// Regions with room begin and end with pages.
    private static let pageByteCount = byteCount

    /// Bytes of each region that are in use.
    package var limitByteCount: Int {
        room.map { Int($0.unitCount) * Region.unitByteCount } ?? regionByteCount
    }

    /// Whether what a file has is told by how much it has.
    package var isSettled: Bool { room?.isSettled ?? true }

    /// What needs memory, in bytes from the arena's beginning: of each region what is in use, and its
    /// last border.
    package var usedRanges: [Range<Int>] {
        guard room != nil else { return [0..<arenaByteCount] }
        var ranges = [0..<Self.byteCount]
        func add(_ range: Range<Int>) {
            let page = Self.pageByteCount
            let whole =
                range.lowerBound / page
                * page..<min(
                    (range.upperBound + page - 1) / page * page, arenaByteCount)
            if whole.lowerBound <= ranges[ranges.count - 1].upperBound {
                let last = ranges.removeLast()
                ranges.append(last.lowerBound..<max(last.upperBound, whole.upperBound))
            } else {
                ranges.append(whole)
            }
        }
        for number in 0..<regionCount {
            let start = Self.byteCount + number * regionByteCount
            add(start..<start + limitByteCount)
            add(start + regionByteCount - Region.unitByteCount..<start + regionByteCount)
        }
        add(arenaByteCount - Region.guardByteCount..<arenaByteCount)
        return ranges
    }

    package var usedByteCount: Int { usedRanges.reduce(0) { $0 + $1.count } }

    /// The page of a map of this configuration in memory that outlives it.
    package static func planned(for configuration: MapConfiguration) -> ArenaHeader {
        planned(for: configuration, hashSeed: configuration.hashSeed)
    }

    static func planned(for configuration: MapConfiguration, hashSeed: UInt64) -> ArenaHeader {
        let share = SessionMap.share(
            of: configuration.byteCount, shardCount: configuration.shardCount)
        let most = Int(Region.unitCountMax) * Region.unitByteCount
        let whole = min(most, share * configuration.growth) / pageByteCount * pageByteCount
        let hasRoom = whole > share
        return ArenaHeader(
            arenaByteCount: hasRoom
                ? byteCount + whole * configuration.shardCount + byteCount
                : SessionMap.arenaByteCount(forMapOf: configuration.byteCount),
            regionCount: configuration.shardCount, regionByteCount: hasRoom ? whole : share,
            hashSeed: hashSeed, features: configuration.features,
            room: hasRoom
                ? ArenaRoom(unitCount: UInt32(share / Region.unitByteCount), isSettled: true)
                : nil)
    }

    /// The same, with so much of each region in use.
    package func with(limitByteCount: Int) -> ArenaHeader {
        var header = self
        header.room?.unitCount = UInt32(limitByteCount / Region.unitByteCount)
        return header
    }
}
