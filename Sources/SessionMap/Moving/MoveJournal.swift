/// How far the items of one arena have moved to another, in the first page of the new one; and a mark
/// in the first page of the old one, which says that it is no longer whole.
///
/// Both are far behind what any layout has in that page. In the new arena's, from byte 3,072 on:
///
///     byte 0    magic, which says whether there is one lane, written last (64)
///     byte 8    the move's number, which the old arena's mark repeats (64)
///     byte 16   the first lane
///     byte 40   what CAS uniques begin with (64)
///     byte 48   when a flush that was asked for in advance is due (32) · stamp rule (32)
///     byte 56   bytes of the new arena · regions · bytes of a region · hash seed · features (320)
///     byte 96   the second lane, if there are two
///     byte 120  units of each new region that are in use; 0 for all of them (64)
///
/// A lane, each field of 64 bits: the cursor, which is the region · unit of the old arena below which
/// everything of the lane has moved; the cursor of the step that began last; that step's target, which
/// is a region · its frontier before.
///
/// At the end of the first 64 bytes of each new region: its frontier, the unit behind its last item.
/// In the old arena's page, at byte 4,032: magic and the move's number.
struct MoveJournal {
    private let page: UnsafeMutableRawPointer

    static let laneCountMax = 2
    private static let laneOffsets = [16, 96]

    private static let offset = 3_072
    private static let markOffset = 4_032
    private static let magic: UInt64 = 0x534F_4A4D_4F56_4521
    /// A build that knows but one lane must not go on with two.
    private static let laneMagic: UInt64 = 0x534F_4A4D_4F56_4532

    /// For tests: told before every store, so that they can look at both arenas as a death of the
    /// process would leave them.
    private let willStore: (() -> Void)?

    /// A place in the old arena, or a region of the new one and its frontier.
    struct Place: Equatable {
        var region: Int
        var unit: Unit

        var bits: UInt64 { UInt64(region) << 32 | UInt64(unit) }

        static func start(of region: Int) -> Place {
            Place(region: region, unit: ExtentAllocator.headUnitCount)
        }

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
        let magic = page.load(fromByteOffset: offset, as: UInt64.self)
        guard magic == Self.magic || magic == laneMagic else { return nil }
        return page.load(fromByteOffset: offset + 8, as: UInt64.self)
    }

    func begin(
        number: UInt64, header: ArenaHeader, laneCount: Int, casBase: UInt64,
        flushDeadline: Deadline, stampRule: StampRule
    ) {
        set(8, number)
        for (lane, offset) in Self.laneOffsets.prefix(laneCount).enumerated() {
            set(offset, Place.start(of: lane).bits)
            set(offset + 8, .max)
            set(offset + 16, 0)
        }
        set(40, casBase)
        set(48, UInt64(flushDeadline.seconds) | UInt64(stampRule.rawValue) << 32)
        set(56, UInt64(header.arenaByteCount))
        set(64, UInt64(header.regionCount))
        set(72, UInt64(header.regionByteCount))
        set(80, header.hashSeed)
        set(88, UInt64(header.features.rawValue))
        set(120, UInt64(header.room?.unitCount ?? 0))
        set(0, laneCount == 1 ? Self.magic : Self.laneMagic)
    }

    // MARK: What it says

    var header: ArenaHeader {
        ArenaHeader(
            arenaByteCount: Int(clamping: word(56)), regionCount: Int(clamping: word(64)),
            regionByteCount: Int(clamping: word(72)), hashSeed: word(80),
            features: ArenaFeatures(rawValue: UInt8(clamping: word(88))).intersection(.known),
            room: word(120) == 0
                ? nil : ArenaRoom(unitCount: UInt32(clamping: word(120)), isSettled: true))
    }
    var casBase: UInt64 { word(40) }
    var flushDeadline: Deadline { Deadline(stored: UInt32(truncatingIfNeeded: word(48))) }
    var stampRule: StampRule { StampRule(rawValue: UInt32(word(48) >> 32)) ?? .unknown }
    var laneCount: Int { word(0) == Self.laneMagic ? 2 : 1 }

    func lane(_ number: Int) -> Lane { Lane(self, number) }

    /// How far one lane is.
    struct Lane {
        private let journal: MoveJournal
        private let number: Int
        private let offset: Int

        fileprivate init(_ journal: MoveJournal, _ number: Int) {
            self.journal = journal
            self.number = number
            offset = MoveJournal.laneOffsets[number]
        }

        var cursor: Place { Place(bits: journal.word(offset)) }

        /// The step that has begun and not been completed, by the region it writes to.
        var brokenStep: Place? {
            journal.word(offset + 8) == journal.word(offset)
                ? Place(bits: journal.word(offset + 16)) : nil
        }

        /// Says where the next step will write, before it does.
        func beginStep(to target: Place) {
            journal.set(offset + 8, .max)
            journal.set(offset + 16, target.bits)
            journal.set(offset + 8, journal.word(offset))
        }

        /// Says that everything below has moved, or need not.
        func advance(to place: Place) { journal.set(offset, place.bits) }

        /// Whether these are places of the old arena and of the new one.
        func isSound(_ old: ArenaHeader, _ targets: MoveTargets) -> Bool {
            let cursor = cursor
            let end = UInt32(old.regionByteCount / Region.unitByteCount)
            guard cursor.region % journal.laneCount == number,
                cursor.region < old.regionCount + journal.laneCount,
                cursor.unit >= ExtentAllocator.headUnitCount, cursor.unit < end
            else { return false }
            return brokenStep.map { targets.isPlace($0) } ?? true
        }
    }
}
