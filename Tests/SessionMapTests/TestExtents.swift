@testable import SessionMap

/// An extent as a walk from border to border meets it.
struct WalkedExtent: Equatable {
    let extent: Extent
    let length: UInt32
    let isFree: Bool
}

/// An allocator with memory of its own, in a class: the macros of the tests copy what they look at.
final class TestExtents {
    private let memory: TestRegion
    var extents: ExtentAllocator

    var region: Region { memory.region }
    var capacity: UInt32 { extents.capacity }
    var freeUnitCount: UInt32 { extents.freeUnitCount }

    /// Lays out `unitCount` units of a region that may grow to `unitCountMax`.
    init(unitCount: UInt32, unitCountMax: UInt32? = nil) {
        memory = TestRegion(unitCount: unitCountMax ?? unitCount)
        extents = ExtentAllocator(region: memory.region, unitCount: unitCount)
    }

    func take(_ length: UInt32) -> Extent? { extents.take(length) }

    func takeLargest(atMost length: UInt32, atLeast minimum: UInt32) -> Extent? {
        extents.takeLargest(atMost: length, atLeast: minimum)
    }

    func reach(ofPieces count: Int) -> UInt32 { extents.reach(ofPieces: count) }
    func give(_ extent: Extent) { extents.give(extent) }
    func shorten(_ extent: Extent, to length: UInt32) { extents.shorten(extent, to: length) }
    func extend(to unitCount: UInt32) { extents.extend(to: unitCount) }

    /// Walks the region and checks what the allocator promises about it.
    func walk() -> [WalkedExtent] {
        var all: [WalkedExtent] = []
        var extent = Extent(ExtentAllocator.headUnitCount)
        var previousIsFree = false
        var freeUnitCount: UInt32 = 0
        while extent.unit < extents.end - 1 {
            let length = region.length(extent)
            precondition(length > 0, "an extent without length")
            let isFree = region.kind(extent) == .free
            precondition(!(isFree && previousIsFree), "free neighbours that were not joined")
            precondition(region.previousIsFree(extent) == previousIsFree, "a wrong bit")
            if isFree {
                precondition(region.freeLength(before: extent + length) == length, "a wrong footer")
                freeUnitCount += length
            }
            all.append(WalkedExtent(extent: extent, length: length, isFree: isFree))
            previousIsFree = isFree
            extent = extent + length
        }
        precondition(extent.unit == extents.end - 1, "the walk misses the last border")
        precondition(region.kind(extent) == .border, "the last border is none")
        precondition(region.previousIsFree(extent) == previousIsFree, "a wrong bit in the border")
        precondition(freeUnitCount == self.freeUnitCount, "free units are counted wrongly")
        var listed: Set<Extent> = []
        extents.forEachFree { listed.insert($0) }
        precondition(
            listed == Set(all.filter { $0.isFree && $0.length > 1 }.map(\.extent)),
            "the lists differ from the walk")
        return all
    }

    var lengths: [UInt32] { walk().map(\.length) }
}
