/// Which place of an array counts a number: the layout of HDR histograms with one significant digit.
///
/// Numbers below 32 have a place each; from there on each doubling has 16. So a place stands for numbers that differ
/// by less than a sixteenth, and every power of two begins a place.
enum CountScale {
    private static let linearBitCount = 5
    private static let bitCount = 28
    /// Whatever is larger counts as this.
    static let valueMax: UInt64 = 1 << 28 - 1
    static let placeCount = 2 << 4 + (bitCount - linearBitCount) << 4

    @inline(__always)
    static func place(of value: UInt64) -> Int {
        let value = value < valueMax ? value : valueMax
        // Bits that are not told apart.
        let shift = max(0, UInt64.bitWidth - linearBitCount &- value.leadingZeroBitCount)
        return shift &<< 4 &+ Int(truncatingIfNeeded: value &>> UInt64(truncatingIfNeeded: shift))
    }

    /// The largest number that a place stands for.
    static func largest(at place: Int) -> UInt64 {
        guard place >= 32 else { return UInt64(place) }
        let shift = place / 16 - 1
        return UInt64(place - shift * 16 + 1) << UInt64(shift) - 1
    }
}
