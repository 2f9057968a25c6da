/// The first page of an arena that outlives its process: what is needed to take it over.
///
/// Layout, in the machine's byte order:
///
///     byte 0    magic, written last when an arena is made (64)
///     byte 8    layout version (32) · 0x01020304 (32), which tells the byte order
///     byte 16   bytes of the whole arena, this page included (64)
///     byte 24   regions (64)
///     byte 32   bytes of a region (64)
///     byte 40   hash seed (64)
///     byte 48   clock, see `SavedClock` (256)
///     byte 80   features, see `ArenaFeatures` (64)
///     byte 88   arena ID, random (128)
///     byte 104  check over bytes 8 to 47 and 80 to 103, which never change (64)
///     byte 112  state: closed in order, or open under which start of the machine (64)
///     byte 120  by how many seconds the clock of births is ahead of the node's; 0 if none was kept (64)
///
/// What several nodes will need; 0 as long as there is only one:
///
///     byte 128  flush stamp: version (64) · birth (32) · 0 (32)
///     byte 144  floor: until when deletions were made that were forgotten early (64)
///     byte 152  the last moment at which the node was current (64)
///     byte 160  how much of each region is in use, see `ArenaRoom` (64); also of a node by itself
///     byte 168  how often it was taken over (64); also by a node by itself
///     byte 176  0 (128)
///     byte 192  when each member left: 64 times member (64) · clock (64)
///
///     byte 2048 whose it is, see `ArenaName` (320)
///
/// Each field of 64 bits is stored alone and aligned: a death of the process leaves it old or new.
///
/// Layout version 3 differed in this: the page ended with the clock, nothing was checked, and there was
/// no state. An item's head had no features: client flags or key started at its byte 44; its byte 4 held
/// link (27), "has client flags" (1) and the epoch (4), its byte 36 the value's bytes (27) and all five
/// marks. Behind a region's border the word at byte 24 was the epoch and nothing else. All the rest is
/// as it was, kinds, units and sizes of extents included.
package struct ArenaHeader: Equatable, Sendable {
    package static let byteCount = 4_096
    /// Changes whenever a region's layout, an item's or this page's does.
    package static let layoutVersion: UInt32 = 4
    private static let magic: UInt64 = 0x534F_4A4F_5552_4E21
    private static let byteOrder: UInt32 = 0x0102_0304

    package var arenaByteCount: Int
    package var regionCount: Int
    package var regionByteCount: Int
    package var hashSeed: UInt64
    package var features: ArenaFeatures
    package var arenaID: [UInt64]
    /// There where regions have room to grow.
    var room: ArenaRoom?

    static let arenaIDOffset = 88
    static let birthClockLead = 120
    /// Where the flush stamp is.
    static let flushStamp = 128
    /// Where it is until when deletions were forgotten.
    static let floor = 144
    static let takeoverCount = 168

    private enum Offset {
        static let features = 80
        static let arenaID = arenaIDOffset
        static let check = 104
    }

    /// How a page that cannot be taken over differs.
    package enum Mismatch: Error, Equatable, Sendable {
        case foreign
        case otherByteOrder
        case otherVersion(UInt32)
        /// What never changes has changed: no death of a process explains that.
        case damaged
        /// The machine stopped while a node used the arena: what had been written to disk by then does
        /// not fit together.
        case interrupted
    }

    /// Reads a page. `bootID` is this start of the machine; without it, whether the arena fits together
    /// is not asked.
    package static func read(
        _ page: UnsafeRawBufferPointer, bootID: [UInt8]? = nil
    ) -> Result<ArenaHeader, Mismatch> {
        do throws(Mismatch) {
            let header = try ArenaHeader(page)
            if let bootID, !ArenaState(page).fitsTogether(bootID: bootID) { throw .interrupted }
            return .success(header)
        } catch {
            return .failure(error)
        }
    }

    /// By how many seconds the clock of births was ahead of the node's; nothing if that was not kept.
    package static func birthClockLead(_ page: UnsafeRawBufferPointer) -> Int64? {
        guard page.count >= byteCount, (try? ArenaHeader(page)) != nil else { return nil }
        let lead = page.load(fromByteOffset: birthClockLead, as: Int64.self)
        return (1...Int64(UInt32.max)).contains(lead) ? lead : nil
    }

    private init(_ page: UnsafeRawBufferPointer) throws(Mismatch) {
        precondition(page.count >= Self.byteCount)
        let magic = page.load(fromByteOffset: 0, as: UInt64.self)
        guard magic != Self.magic.byteSwapped else { throw .otherByteOrder }
        guard magic == Self.magic else { throw .foreign }
        guard page.load(fromByteOffset: 12, as: UInt32.self) == Self.byteOrder else {
            throw .otherByteOrder
        }
        let version = page.load(fromByteOffset: 8, as: UInt32.self)
        guard version == Self.layoutVersion else { throw .otherVersion(version) }
        guard page.load(fromByteOffset: Offset.check, as: UInt64.self) == Self.check(page) else {
            throw .damaged
        }
        arenaByteCount = Int(clamping: page.load(fromByteOffset: 16, as: UInt64.self))
        regionCount = Int(clamping: page.load(fromByteOffset: 24, as: UInt64.self))
        regionByteCount = Int(clamping: page.load(fromByteOffset: 32, as: UInt64.self))
        hashSeed = page.load(fromByteOffset: 40, as: UInt64.self)
        features = ArenaFeatures(
            rawValue: UInt8(
                clamping: page.load(fromByteOffset: Offset.features, as: UInt64.self)))
        arenaID = (0..<2).map {
            page.load(fromByteOffset: Offset.arenaID + $0 * 8, as: UInt64.self)
        }
        room = ArenaRoom(page)
        guard isSound else { throw .foreign }
    }

    /// Whether its numbers can be an arena's.
    var isSound: Bool {
        let (regionBytes, overflow) = regionCount.multipliedReportingOverflow(by: regionByteCount)
        return regionCount > 0 && regionCount.nonzeroBitCount == 1 && !overflow
            && regionBytes <= arenaByteCount - Self.byteCount - Region.guardByteCount
            && regionByteCount >= MapConfiguration.byteCountMin / 64
            && regionByteCount % Region.unitByteCount == 0
            && regionByteCount / Region.unitByteCount <= Int(Region.unitCountMax)
            && features.isSubset(of: .known)
            && limitByteCount <= regionByteCount
            && limitByteCount >= MapConfiguration.byteCountMin / 64
    }

    init(
        arenaByteCount: Int, regionCount: Int, regionByteCount: Int, hashSeed: UInt64,
        features: ArenaFeatures,
        arenaID: [UInt64] = [.random(in: 1 ... .max), .random(in: 1 ... .max)],
        room: ArenaRoom? = nil
    ) {
        self.room = room
        self.arenaByteCount = arenaByteCount
        self.regionCount = regionCount
        self.regionByteCount = regionByteCount
        self.hashSeed = hashSeed
        self.features = features
        self.arenaID = arenaID
    }

    /// Writes the page of a new arena, whose regions are laid out.
    func write(to page: UnsafeMutableRawPointer) {
        page.storeBytes(of: Self.layoutVersion, toByteOffset: 8, as: UInt32.self)
        page.storeBytes(of: Self.byteOrder, toByteOffset: 12, as: UInt32.self)
        page.storeBytes(of: UInt64(arenaByteCount), toByteOffset: 16, as: UInt64.self)
        page.storeBytes(of: UInt64(regionCount), toByteOffset: 24, as: UInt64.self)
        page.storeBytes(of: UInt64(regionByteCount), toByteOffset: 32, as: UInt64.self)
        page.storeBytes(of: hashSeed, toByteOffset: 40, as: UInt64.self)
        page.storeBytes(
            of: UInt64(features.rawValue), toByteOffset: Offset.features, as: UInt64.self)
        for (number, part) in arenaID.enumerated() {
            page.storeBytes(of: part, toByteOffset: Offset.arenaID + number * 8, as: UInt64.self)
        }
        let bytes = UnsafeRawBufferPointer(start: page, count: Self.byteCount)
        page.storeBytes(of: Self.check(bytes), toByteOffset: Offset.check, as: UInt64.self)
        room?.write(to: page)
        Region.order()
        page.storeBytes(of: Self.magic, toByteOffset: 0, as: UInt64.self)
    }

    private static func check(_ page: UnsafeRawBufferPointer) -> UInt64 {
        let hash = KeyHash(seed: magic)
        let first = hash.hash(UnsafeRawBufferPointer(rebasing: page[8..<48]))
        return first
            ^ hash.hash(UnsafeRawBufferPointer(rebasing: page[Offset.features..<Offset.check]))
    }
}

/// What the items of an arena have besides what all have. An arena keeps those it was made with.
package struct ArenaFeatures: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Each item has a checksum, so that recovery drops what is damaged; see `ItemChecksum`.
    package static let checksums = ArenaFeatures(rawValue: 1 << 0)
    /// Each item remembers when it was born.
    package static let births = ArenaFeatures(rawValue: 1 << 1)
    static let known: ArenaFeatures = [.checksums, .births]
}
