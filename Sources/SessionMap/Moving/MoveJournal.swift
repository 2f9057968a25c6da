/// How far the items of one arena have moved to another, in the first page of the new one; and a mark
/// in the first page of the old one, which says that it is no longer whole.
///
/// Both are far behind what any layout has in that page. In the new arena's, from byte 3,072 on:
///
///     byte 0    magic, written last (64)
///     byte 8    the move's number, which the old arena's mark repeats (64)
///     byte 16   cursor: region · unit of the old arena below which everything has moved (64)
///     byte 24   the cursor of the step that began last (64)
///     byte 32   that step's target: region · its frontier before (64)
///     byte 40   what CAS uniques begin with (64)
///     byte 48   when a flush that was asked for in advance is due (32) · stamp rule (32)
///     byte 56   bytes of the new arena · regions · bytes of a region · hash seed · features (320)
///
/// At the end of the first 64 bytes of each new region: its frontier, the unit behind its last item.
/// In the old arena's page, at byte 4,032: magic and the move's number.
struct MoveJournal {
    private let page: UnsafeMutableRawPointer

    private static let offset = 3_072
    private static let markOffset = 4_032
    private static let magic: UInt64 = 0x534F_4A4D_4F56_4521

    /// For tests: told before every store, so that they can look at both arenas as a death of the
    /// process would leave them.
    private let willStore: (() -> Void)?

    /// A place in the old arena, or a region of the new one and its frontier.
    struct Place: Equatable {
        var region: Int
        var unit: Unit

        var bits: UInt64 { UInt64(region) << 32 | UInt64(unit) }

        init(region: Int, unit: Unit) {
            self.region = region
            self.unit = unit
        }

        init(bits: UInt64) {
            self.init(region: Int(bits >> 32), unit: Unit(truncatingIfNeeded: bits))
        }
    }

    init(page: UnsafeMutableRawPointer, willStore: (() -> Void)?) {
        self.page = page
        self.willStore = willStore
    }

    private func word(_ place: Int) -> UInt64 {
        page.load(fromByteOffset: Self.offset + place, as: UInt64.self)
    }

    /// Every store is ordered with those before and after.
    private func set(_ place: Int, _ value: UInt64) {
        willStore?()
        Region.order()
        page.storeBytes(of: value, toByteOffset: Self.offset + place, as: UInt64.self)
        Region.order()
    }

    // MARK: Beginning

    /// Which move, if any, an old arena is in the middle of.
    static func mark(of page: UnsafeRawBufferPointer) -> UInt64? {
        guard page.load(fromByteOffset: markOffset, as: UInt64.self) == magic else { return nil }
        return page.load(fromByteOffset: markOffset + 8, as: UInt64.self)
    }

    /// From here on only who has both arenas has all items.
    func setMark(of old: UnsafeMutableRawPointer, number: UInt64) {
        willStore?()
        old.storeBytes(of: number, toByteOffset: Self.markOffset + 8, as: UInt64.self)
        Region.order()
        willStore?()
        old.storeBytes(of: Self.magic, toByteOffset: Self.markOffset, as: UInt64.self)
        Region.order()
    }

    /// The move whose journal is in this page, if one is.
    static func number(of page: UnsafeRawBufferPointer) -> UInt64? {
        guard page.load(fromByteOffset: offset, as: UInt64.self) == magic else { return nil }
        return page.load(fromByteOffset: offset + 8, as: UInt64.self)
    }

    func begin(
        number: UInt64, header: ArenaHeader, casBase: UInt64, flushDeadline: Deadline,
        stampRule: StampRule
    ) {
        set(8, number)
        set(16, Place(region: 0, unit: Layout3.headUnitCount).bits)
        set(24, .max)
        set(32, 0)
        set(40, casBase)
        set(48, UInt64(flushDeadline.seconds) | UInt64(stampRule.rawValue) << 32)
        set(56, UInt64(header.arenaByteCount))
        set(64, UInt64(header.regionCount))
        set(72, UInt64(header.regionByteCount))
        set(80, header.hashSeed)
        set(88, UInt64(header.features.rawValue))
        set(0, Self.magic)
    }

    // MARK: What it says

    var header: ArenaHeader {
        ArenaHeader(
            arenaByteCount: Int(clamping: word(56)), regionCount: Int(clamping: word(64)),
            regionByteCount: Int(clamping: word(72)), hashSeed: word(80),
            features: ArenaFeatures(rawValue: UInt8(clamping: word(88))).intersection(.known))
    }
    var casBase: UInt64 { word(40) }
    var flushDeadline: Deadline { Deadline(stored: UInt32(truncatingIfNeeded: word(48))) }
    var stampRule: StampRule { StampRule(rawValue: UInt32(word(48) >> 32)) ?? .unknown }
    var cursor: Place { Place(bits: word(16)) }

    /// The step that has begun and not been completed, by the region it writes to.
    var brokenStep: Place? { word(24) == word(16) ? Place(bits: word(32)) : nil }

    /// Says where the next step will write, before it does.
    func beginStep(to target: Place) {
        set(24, .max)
        set(32, target.bits)
        set(24, word(16))
    }

    /// Says that everything below has moved, or need not.
    func advance(to place: Place) { set(16, place.bits) }
}
