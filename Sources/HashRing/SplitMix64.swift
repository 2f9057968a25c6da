/// SplitMix64, by Steele, Lea and Flood (public domain): unrelated numbers of neighbouring ones.
///
/// Public, though no application needs it: what is `package` is never inlined into other modules (Swift
/// 6.3), and a load draws ten of these for each request.
public enum SplitMix64 {
    /// What a sequence of numbers is apart.
    @inlinable public static var step: UInt64 { 0x9E37_79B9_7F4A_7C15 }

    /// Scrambles 64 bits: different numbers give different ones.
    @inlinable @inline(__always)
    public static func mixed(_ number: UInt64) -> UInt64 {
        var bits = number &+ step
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }
}
