import Glibc

/// How many bytes keys or values have, as the command line says it.
package enum ByteCounts: Equatable, Sendable, CustomStringConvertible {
    /// `600`
    case fixed(Int)
    /// `100-900`, each as likely as the others.
    case uniform(ClosedRange<Int>)
    /// `lognormal:600,1`: the median, and the standard deviation of the natural logarithm.
    case logNormal(median: Double, sigma: Double)

    package init?(_ text: String) {
        if text.hasPrefix("lognormal:") {
            let words = text.dropFirst(10).split(separator: ",", omittingEmptySubsequences: false)
            guard words.count == 2, let median = Double(words[0]), let sigma = Double(words[1]),
                median >= 1, median <= 1e8, sigma >= 0, sigma <= 4
            else { return nil }
            self = .logNormal(median: median, sigma: sigma)
            return
        }
        let words = text.split(separator: "-", omittingEmptySubsequences: false)
        let numbers = words.compactMap { Self.number($0) }
        guard numbers.count == words.count else { return nil }
        switch numbers.count {
        case 1: self = .fixed(numbers[0])
        case 2 where numbers[0] <= numbers[1]: self = .uniform(numbers[0]...numbers[1])
        default: return nil
        }
    }

    private static func number(_ word: Substring) -> Int? {
        guard word.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(word)
    }

    package var description: String {
        switch self {
        case .fixed(let count): "\(count)"
        case .uniform(let range): "\(range.lowerBound)-\(range.upperBound)"
        case .logNormal(let median, let sigma): "lognormal:\(median),\(sigma)"
        }
    }
}

/// A distribution as its quantiles: a number of bytes for every 64-bit seed, always the same.
///
/// 16,384 of them: the rarest value is one in 16,384, which of a log-normal distribution is 4.0
/// standard deviations away. A look-up costs what a load from the first cache does, a logarithm and
/// an exponential ten times that.
package struct QuantileTable: Sendable {
    private let counts: [UInt32]
    private static let quantileBits: UInt64 = 14

    /// - Parameter limit: what is larger is cut to it.
    package init(_ distribution: ByteCounts, limit: Int) {
        let places = 0..<(1 << Self.quantileBits)
        switch distribution {
        case .fixed(let count): counts = [UInt32(min(limit, count))]
        case .uniform(let range):
            counts = places.map { place in
                UInt32(min(limit, range.lowerBound + place * range.count / places.count))
            }
        case .logNormal(let median, let sigma):
            counts = places.map { place in
                let score = Self.standardScore((Double(place) + 0.5) / Double(places.count))
                return UInt32(min(Double(limit), max(1, median * exp(sigma * score))))
            }
        }
    }

    /// Where the normal distribution has that share below: found by halving an interval.
    private static func standardScore(_ share: Double) -> Double {
        var low = -8.0
        var high = 8.0
        for _ in 0..<40 {
            let middle = (low + high) / 2
            if erfc(-middle / 2.0.squareRoot()) / 2 < share {
                low = middle
            } else {
                high = middle
            }
        }
        return (low + high) / 2
    }

    @inline(__always)
    package func count(of seed: UInt64) -> Int {
        if counts.count == 1 { return Int(counts[0]) }
        return Int(counts[Int(truncatingIfNeeded: seed >> (64 - Self.quantileBits))])
    }

    package var longest: Int { Int(counts.max() ?? 0) }
    package var shortest: Int { Int(counts.min() ?? 0) }
    package var mean: Double { counts.reduce(0) { $0 + Double($1) } / Double(counts.count) }
}

extension ByteCounts {
    /// The least and the most it can be; of a log-normal distribution there is no most.
    package var shortest: Int {
        switch self {
        case .fixed(let count): count
        case .uniform(let range): range.lowerBound
        case .logNormal: 1
        }
    }

    package var longest: Double {
        switch self {
        case .fixed(let count): Double(count)
        case .uniform(let range): Double(range.upperBound)
        case .logNormal: .infinity
        }
    }
}
