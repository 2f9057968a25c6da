/// Memory that comes into use for the first time.
///
/// Its first touch takes the kernel long: it has to find a large page and to empty it, 8 to 10 ms on
/// a virtual machine. So the page behind the one that is in use is wanted once half of that one is.
extension Shard {
    /// Tells `observer`, with the shard's lock held, whenever another page should be made present.
    mutating func observeGrowth(_ observer: @escaping () -> Void) {
        growthObserver = observer
        growthMark = max(Int(extents.frontier), region.middleOfPage(extents.frontier))
    }

    mutating func noteGrowth() {
        let middle = region.middleOfPage(extents.frontier)
        // Behind the middle the next page is wanted now, and the one after it from its middle on.
        growthMark = Int(extents.frontier) > middle ? middle + Region.pageUnitCount : middle
        growthObserver?()
    }

    /// The page that is wanted, as far as it is the region's and in use.
    var wantedPage: UnsafeMutableRawBufferPointer {
        guard growthObserver != nil else {
            return UnsafeMutableRawBufferPointer(start: nil, count: 0)
        }
        let start = growthMark - Region.pageUnitCount / 2
        return region.memory(start..<start + Region.pageUnitCount, end: extents.end)
    }
}

extension Region {
    private static let pageByteCount = Arena.largePageByteCount
    static let pageUnitCount = pageByteCount / unitByteCount

    /// The middle of the page that `unit` is in, which may lie before the region.
    func middleOfPage(_ unit: Unit) -> Int {
        let address = Int(bitPattern: base) + Int(unit) * Region.unitByteCount
        let start = address & ~(Region.pageByteCount - 1)
        return (start + Region.pageByteCount / 2 - Int(bitPattern: base)) / Region.unitByteCount
    }

    /// The memory of those of `units` that are there and lie before `end`.
    func memory(_ units: Range<Int>, end: Unit) -> UnsafeMutableRawBufferPointer {
        precondition(end <= unitCount)
        let inside = units.clamped(to: 0..<Int(end))
        return UnsafeMutableRawBufferPointer(
            start: base + inside.lowerBound * Region.unitByteCount,
            count: inside.count * Region.unitByteCount)
    }
}
