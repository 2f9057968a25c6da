import Testing

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
    func setFence(_ unit: UInt32) { extents.setFence(unit) }
    func takeFenced(_ length: UInt32) -> Extent? { extents.takeFenced(length) }
    var isEmptyBehindFence: Bool { extents.isEmptyBehindFence }

    /// Walks the region and checks what the allocator promises about it; a promise that is broken is an
    /// issue, and the walk ends where it cannot go on.
    func walk() -> [WalkedExtent] {
        var all: [WalkedExtent] = []
        var extent = Extent(ExtentAllocator.headUnitCount)
        var previousIsFree = false
        var freeUnitCount: UInt32 = 0
        var fencedUnitCount: UInt32 = 0
        while extent.unit < extents.end - 1 {
            let length = region.length(extent)
            guard length > 0, length <= extents.end - 1 - extent.unit else {
                require(false, "an extent that is no unit long, or longer than the region")
                return all
            }
            let isFree = region.kind(extent) == .free
            require(!(isFree && previousIsFree), "free neighbours that were not joined")
            require(region.previousIsFree(extent) == previousIsFree, "a wrong bit")
            if isFree {
                require(region.freeLength(before: extent + length) == length, "a wrong footer")
                let usable =
                    extent.unit < extents.fence ? min(length, extents.fence - extent.unit) : 0
                freeUnitCount += length == 1 ? 1 : usable
                fencedUnitCount += length == 1 ? 0 : length - usable
            }
            all.append(WalkedExtent(extent: extent, length: length, isFree: isFree))
            previousIsFree = isFree
            extent = extent + length
        }
        require(region.kind(extent) == .border, "the last border is none")
        require(region.previousIsFree(extent) == previousIsFree, "a wrong bit in the border")
        require(freeUnitCount == self.freeUnitCount, "free units are counted wrongly")
        require(
            fencedUnitCount == extents.fencedUnitCount, "fenced units are counted wrongly")
        var listed: Set<Extent> = []
        extents.forEachFree { listed.insert($0) }
        require(
            listed == Set(all.filter { $0.isFree && $0.length > 1 }.map(\.extent)),
            "the lists differ from the walk")
        return all
    }

    private func require(_ claim: Bool, _ sentence: String) {
        if !claim { Issue.record("extents: \(sentence)") }
    }

    var lengths: [UInt32] { walk().map(\.length) }
}
