import HashRing

/// Random numbers that a seed repeats.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = SplitMix64.mixed(seed) }

    @inline(__always)
    mutating func next() -> UInt64 {
        state &+= SplitMix64.step
        return SplitMix64.mixed(state)
    }

    /// Less than `count`, without a division. The bias is below one in 2^32.
    @inline(__always)
    mutating func below(_ count: Int) -> Int {
        Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(count)) >> 32)
    }
}
