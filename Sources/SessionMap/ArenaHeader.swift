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
///     byte 48   clock: seconds of the node (32) · of the boot-time clock (32), by one store
///     byte 56   clock: seconds of the node (32) · of the wall clock (32), by one store
///     byte 64   boot ID (128)
package struct ArenaHeader: Equatable, Sendable {
    package static let byteCount = 4_096
    /// Changes whenever a region's layout, an item's or this page's does.
    package static let layoutVersion: UInt32 = 3
    private static let magic: UInt64 = 0x534F_4A4F_5552_4E21
    private static let byteOrder: UInt32 = 0x0102_0304

    package var arenaByteCount: Int
    package var regionCount: Int
    package var regionByteCount: Int
    package var hashSeed: UInt64

    /// How a page that cannot be taken over differs.
    package enum Mismatch: Error, Equatable, Sendable {
        case foreign
        case otherByteOrder
        case otherVersion(UInt32)
    }

    /// Reads a page.
    package static func read(_ page: UnsafeRawBufferPointer) -> Result<ArenaHeader, Mismatch> {
        do throws(Mismatch) {
            return .success(try ArenaHeader(page))
        } catch {
            return .failure(error)
        }
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
        arenaByteCount = Int(clamping: page.load(fromByteOffset: 16, as: UInt64.self))
        regionCount = Int(clamping: page.load(fromByteOffset: 24, as: UInt64.self))
        regionByteCount = Int(clamping: page.load(fromByteOffset: 32, as: UInt64.self))
        hashSeed = page.load(fromByteOffset: 40, as: UInt64.self)
        let (regionBytes, overflow) = regionCount.multipliedReportingOverflow(by: regionByteCount)
        guard regionCount > 0, regionCount.nonzeroBitCount == 1, !overflow,
            regionBytes <= arenaByteCount - Self.byteCount - Region.guardByteCount,
            regionByteCount >= MapConfiguration.byteCountMin / 64,
            regionByteCount % Region.unitByteCount == 0,
            regionByteCount / Region.unitByteCount <= Int(Region.unitCountMax)
        else { throw .foreign }
    }

    init(arenaByteCount: Int, regionCount: Int, regionByteCount: Int, hashSeed: UInt64) {
        self.arenaByteCount = arenaByteCount
        self.regionCount = regionCount
        self.regionByteCount = regionByteCount
        self.hashSeed = hashSeed
    }

    /// Writes the page of a new arena, whose regions are laid out.
    func write(to page: UnsafeMutableRawPointer) {
        page.storeBytes(of: Self.layoutVersion, toByteOffset: 8, as: UInt32.self)
        page.storeBytes(of: Self.byteOrder, toByteOffset: 12, as: UInt32.self)
        page.storeBytes(of: UInt64(arenaByteCount), toByteOffset: 16, as: UInt64.self)
        page.storeBytes(of: UInt64(regionCount), toByteOffset: 24, as: UInt64.self)
        page.storeBytes(of: UInt64(regionByteCount), toByteOffset: 32, as: UInt64.self)
        page.storeBytes(of: hashSeed, toByteOffset: 40, as: UInt64.self)
        Region.order()
        page.storeBytes(of: Self.magic, toByteOffset: 0, as: UInt64.self)
    }
}

/// The node's clock beside two others, at one moment: what lets time go on after a restart.
package struct SavedClock: Equatable, Sendable {
    package var nodeSeconds: UInt32
    /// Seconds since the machine started, its sleep included.
    package var bootSeconds: UInt32
    package var wallSeconds: UInt32
    /// Which start of the machine `bootSeconds` belong to.
    package var bootID: [UInt8]

    package init(
        nodeSeconds: UInt32, bootSeconds: UInt32, wallSeconds: UInt32, bootID: [UInt8]
    ) {
        self.nodeSeconds = nodeSeconds
        self.bootSeconds = bootSeconds
        self.wallSeconds = wallSeconds
        self.bootID = bootID
    }

    /// Reads the clock of a page. The node's seconds are those of the boot-time clock's pair.
    package init(_ page: UnsafeRawBufferPointer) {
        let boot = page.load(fromByteOffset: 48, as: UInt64.self)
        let wall = page.load(fromByteOffset: 56, as: UInt64.self)
        nodeSeconds = UInt32(truncatingIfNeeded: boot >> 32)
        bootSeconds = UInt32(truncatingIfNeeded: boot)
        wallSeconds = UInt32(truncatingIfNeeded: wall)
        // The pairs are a store apart: what passed on the node's clock between them passed on the
        // wall clock, too.
        wallSeconds &-= UInt32(truncatingIfNeeded: wall >> 32) &- nodeSeconds
        bootID = Array(page[64..<80])
    }

    func write(to page: UnsafeMutableRawPointer) {
        var id: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &id) { $0.copyBytes(from: bootID.prefix(16)) }
        let isSameBoot =
            page.load(fromByteOffset: 64, as: UInt64.self) == id.0
            && page.load(fromByteOffset: 72, as: UInt64.self) == id.1
        // In between, the seconds of one start of the machine must not seem to be another's.
        if !isSameBoot { page.storeBytes(of: 0, toByteOffset: 64, as: UInt64.self) }
        Region.order()
        let node = UInt64(nodeSeconds) << 32
        page.storeBytes(of: node | UInt64(bootSeconds), toByteOffset: 48, as: UInt64.self)
        page.storeBytes(of: node | UInt64(wallSeconds), toByteOffset: 56, as: UInt64.self)
        Region.order()
        if !isSameBoot {
            page.storeBytes(of: id.1, toByteOffset: 72, as: UInt64.self)
            Region.order()
            page.storeBytes(of: id.0, toByteOffset: 64, as: UInt64.self)
        }
    }
}
