/// The kernel's large pages that a region lies in.
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
