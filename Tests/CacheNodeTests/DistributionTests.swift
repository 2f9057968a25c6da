import Synchronization
import TestSupport
import Testing

@testable import CacheNode

/// Numbers that are counted by how large they are.
@Suite(.timeLimit(.minutes(10)))
struct DistributionTests {
    @Test(
        "Each number has a place, one after the other, whose largest is less than a sixteenth too large"
    )
    func places() {
        var last = -1
        var values = (0..<5_000).map { UInt64($0) }
        for power in 13..<28 {
            let edge = UInt64(1) << UInt64(power)
            values += [edge - 2, edge - 1, edge, edge + 1]
        }
        for value in values {
            let place = CountScale.place(of: value)
            #expect(place == last || place > last, "\(value)")
            last = place
            let largest = CountScale.largest(at: place)
            #expect(largest >= value && (largest - value) * 16 < max(value, 1), "\(value)")
            #expect(CountScale.place(of: largest) == place)
            #expect(
                CountScale.place(of: largest + 1) == place + 1 || largest == CountScale.valueMax)
        }
        #expect(CountScale.place(of: 31) == 31 && CountScale.place(of: 32) == 32)
        #expect(CountScale.place(of: 33) == 32 && CountScale.place(of: 34) == 33)
    }

    @Test("What is beyond the last place counts there")
    func bounds() {
        let last = CountScale.placeCount - 1
        for value in [CountScale.valueMax, CountScale.valueMax + 1, .max] {
            #expect(CountScale.place(of: value) == last)
        }
        #expect(CountScale.largest(at: last) == CountScale.valueMax)
        #expect(CountScale.place(of: 1 << 27 - 1) == last - 16)
    }

    @Test("Quantiles are those of all the numbers, to a sixteenth")
    func quantiles() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        let shared = SharedDistribution()
        var values: [UInt64] = []
        for _ in 0..<20_000 {
            let power = UInt64.random(in: 0...24, using: &generator)
            let value = UInt64.random(in: 0...(1 << power), using: &generator)
            values.append(value)
            shared.add(value)
        }
        values.sort()
        let times = LatencySnapshot(family: "get", protocolName: "text", shared.reading)
        #expect(times.count == 20_000 && shared.reading.sum == values.reduce(0, +))
        for quantile in [0.01, 0.5, 0.9, 0.99, 0.999, 1] {
            let rank = max(1, Int((quantile * 20_000).rounded(.up)))
            let wanted = Double(values[rank - 1]) / 4
            let told = Double(times.microseconds(quantile: quantile))
            // Rounded up to a microsecond.
            #expect(told >= wanted && told <= wanted * 17 / 16 + 1, "\(quantile) of seed \(seed)")
        }
        for (bound, count) in times.buckets.dropLast() {
            #expect(count == values.count { $0 < bound * 4 }, "\(bound) of seed \(seed)")
        }
        #expect(times.buckets.last?.count == 20_000)
    }

    @Test("What was there before a zero does not count, whichever was read first")
    func zero() {
        let shared = SharedDistribution()
        shared.add(7)
        let zero = shared.reading
        shared.add(7)
        shared.add(1_000)
        let later = shared.reading
        #expect(later.since(zero).count == 2 && later.since(zero).sum == 1_007)
        #expect(zero.since(later).count == 0 && zero.since(later).sum == 0)
        let empty = LatencySnapshot(family: "get", protocolName: "text", zero.since(zero))
        #expect(empty.maxMicroseconds == 0 && empty.meanMicroseconds == 0 && empty.count == 0)
    }

    @Test("Several threads count, and another one reads meanwhile")
    func threads() {
        let shared = SharedDistribution()
        let largest = Mutex(UInt64(0))
        NodeThread.each(3, threadCount: 3) { number in
            for value in 0..<5_000 {
                if number == 0 {
                    if value % 500 == 0 {
                        let count = shared.reading.count
                        largest.withLock { $0 = max($0, count) }
                    }
                } else {
                    shared.add(UInt64(value))
                }
            }
        }
        #expect(shared.reading.count == 10_000 && largest.withLock { $0 } <= 10_000)
    }
}
