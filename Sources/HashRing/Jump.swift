/// Jump consistent hashing.
///
/// Source: Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014. Its one division in
/// floats is exact enough everywhere: 64-bit IEEE floats give the same buckets in every language.
enum Jump {
    /// The bucket of a hash, of `count`, at least one.
    static func bucket(of hash: UInt64, count: Int) -> Int {
        var state = hash
        var bucket = 0
        var next = 0
        while next < count {
            bucket = next
            state = state &* 2_862_933_555_777_941_757 &+ 1
            next = Int(Double(bucket + 1) * (Double(1 << 31) / Double((state >> 33) + 1)))
        }
        return bucket
    }

    /// Another hash for each further try, from the first one on.
    static func mixed(_ hash: UInt64, tryNumber: Int) -> UInt64 {
        SplitMix64.mixed(hash &+ UInt64(tryNumber) &* SplitMix64.step &- SplitMix64.step)
    }
}
