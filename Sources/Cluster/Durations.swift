/// How long something took, of which percentiles are known within a quarter.
///
/// Counts in classes, four between each power of two and the next, up to some minutes. Costs no allocation.
package struct Durations: Sendable {
    private var counts = [UInt64](repeating: 0, count: Self.classCount)
    private var count: UInt64 = 0

    /// The last class has all that took longer than nine minutes.
    private static let classCount = 116

    package init() {}

    package mutating func note(microseconds: UInt64) {
        counts[Self.number(of: microseconds)] += 1
        count += 1
    }

    /// At most so many microseconds in so many of a hundred cases; 0 if nothing was noted.
    package func percentile(_ percent: UInt64) -> UInt64 {
        var left = (count * percent + 99) / 100
        guard left > 0 else { return 0 }
        for (number, count) in counts.enumerated() {
            guard left > count else { return Self.largest(in: number) }
            left -= count
        }
        return Self.largest(in: Self.classCount - 1)
    }

    private static func number(of microseconds: UInt64) -> Int {
        guard microseconds >= 4 else { return Int(microseconds) }
        let top = 63 - microseconds.leadingZeroBitCount
        return min(4 * (top - 1) + Int(microseconds >> UInt64(top - 2) & 3), classCount - 1)
    }

    private static func largest(in number: Int) -> UInt64 {
        number < 4 ? UInt64(number) : UInt64(number % 4 + 5) << UInt64(number / 4 - 1) - 1
    }
}
