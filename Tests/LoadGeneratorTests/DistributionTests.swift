import Glibc
import HashRing
import Testing

@testable import LoadGenerator

@Suite(.timeLimit(.minutes(10)))
struct DistributionTests {
    @Test("Sizes are read as written, and nothing else is")
    func reading() {
        #expect(ByteCounts("600") == .fixed(600))
        #expect(ByteCounts("0") == .fixed(0))
        #expect(ByteCounts("100-900") == .uniform(100...900))
        #expect(ByteCounts("5-5") == .uniform(5...5))
        #expect(ByteCounts("lognormal:600,1.5") == .logNormal(median: 600, sigma: 1.5))
        for text in [
            "", "-", "-5", "5-", "9-5", "1-2-3", "x", "1e3", "+5", "lognormal:", "lognormal:600",
            "lognormal:0,1", "lognormal:600,-1", "lognormal:600,4.1", "lognormal:600,1,1",
            "lognormal:1e9,1", "99999999999999999999",
        ] {
            #expect(ByteCounts(text) == nil, "\(text)")
        }
    }

    private func sizes(_ counts: ByteCounts, limit: Int = 1 << 20) -> [Int] {
        let table = QuantileTable(counts, limit: limit)
        return (0..<100_000).map { table.count(of: SplitMix64.mixed($0)) }.sorted()
    }

    @Test("A uniform range is used from end to end, evenly")
    func uniform() {
        let sizes = sizes(.uniform(100...199))
        #expect(sizes.first == 100)
        #expect(sizes.last == 199)
        let mean = Double(sizes.reduce(0, +)) / Double(sizes.count)
        #expect(abs(mean - 149.5) < 0.5)
    }

    @Test(
        "A log-normal distribution has its median, its spread and its mean, and is cut at the limit"
    )
    func logNormal() {
        let sizes = sizes(.logNormal(median: 600, sigma: 1))
        #expect(abs(sizes[50_000] - 600) < 15)
        // One standard deviation up and down.
        #expect(abs(Double(sizes[84_134]) - 600 * M_E) < 50)
        #expect(abs(Double(sizes[15_866]) - 600 / M_E) < 10)
        let mean = Double(sizes.reduce(0, +)) / Double(sizes.count)
        #expect(abs(mean / (600 * exp(0.5)) - 1) < 0.03)
        #expect(self.sizes(.logNormal(median: 600, sigma: 1), limit: 2_000).last == 2_000)
    }

    @Test("Keys are as long as asked for, differ, and keep their number at the end")
    func keys() {
        let format = KeyFormat(prefix: "s:", lengths: .uniform(12...40))
        let keys = (0..<1_000).map { format.key($0) }
        #expect(Set(keys).count == 1_000)
        #expect(Set(keys.map(\.count)).count == 29)
        #expect(keys.allSatisfy { (12...40).contains($0.count) })
        let text = String(decoding: format.key(987), as: UTF8.self)
        #expect(text.hasPrefix("s:0"))
        #expect(text.hasSuffix("0987"))
    }

    @Test("Values of different numbers and revisions differ; a value is what its parts are")
    func values() {
        let values = ValueMaker(lengths: .fixed(300_000), limit: 1 << 20)
        let value = values.value(5, 0)
        #expect(value.count == 300_000)
        #expect(value != values.value(6, 0))
        #expect(value != values.value(5, 1))
        #expect(Set(value).count == 256)
        for (offset, count) in [(0, 300_000), (0, 3), (5, 10), (8, 1), (262_000, 38_000)] {
            value.withUnsafeBytes { bytes in
                let part = UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
                #expect(values.matches(5, 0, from: offset, part))
                #expect(!values.matches(5, 0, from: offset + 1, part))
                #expect(!values.matches(5, 1, from: offset, part))
            }
        }
    }

    @Test("A rewritten session is 0.6 to 1.6 times as long, another value's length stays")
    func revisions() {
        let values = ValueMaker(lengths: .fixed(1_000), limit: 1 << 20, variesWithRevision: true)
        let counts = (0..<500).map { values.byteCount(7, $0) }
        #expect((counts.min() ?? 0) >= 600)
        #expect((counts.max() ?? 0) <= 1_600)
        #expect(Set(counts).count > 100)
        let plain = ValueMaker(lengths: .fixed(1_000), limit: 1 << 20)
        #expect(Set((0..<500).map { plain.byteCount(7, $0) }) == [1_000])
    }
}
