import Histogram

/// How long requests of one family in one protocol took, from the moment at which the node found that something had
/// arrived until their replies were sent: those since the start, or the last `stats reset`.
struct LatencySnapshot: Sendable {
    let family: String
    let protocolName: String
    let count: UInt64
    let sumMicroseconds: UInt64
    /// So many took less than this, those of the bounds before it included; the last one is all.
    let buckets: [(boundMicroseconds: UInt64, count: UInt64)]
    private let histogram: Histogram<UInt64>

    /// In which times are counted.
    static let unitNanoseconds: UInt64 = 250
    /// Powers of two, where places of the scale begin: 8 us to 2 s.
    static let boundsMicroseconds: [UInt64] = (3...21).map { 1 << UInt64($0) }

    init(family: String, protocolName: String, _ times: Distribution) {
        self.family = family
        self.protocolName = protocolName
        count = times.count
        sumMicroseconds = times.sum * Self.unitNanoseconds / 1_000
        let unitsPerMicrosecond = 1_000 / Self.unitNanoseconds
        buckets =
            Self.boundsMicroseconds.map { bound in
                (bound, times.count(upTo: bound * unitsPerMicrosecond - 1))
            } + [(.max, times.count)]
        histogram = times.histogram
    }

    /// A request at this place, those that took less in front of it, took so long at most: by less than a sixteenth too
    /// much. 0 where there was none.
    func microseconds(quantile: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        let units = histogram.valueAtPercentile(quantile * 100)
        return (units * Self.unitNanoseconds + 999) / 1_000
    }

    var meanMicroseconds: Double { count == 0 ? 0 : Double(sumMicroseconds) / Double(count) }
    var maxMicroseconds: UInt64 { microseconds(quantile: 1) }
}
