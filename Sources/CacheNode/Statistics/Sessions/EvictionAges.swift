import Histogram
import SessionMap

/// How old items were that were evicted alive, and how long nobody had used them.
///
/// Of one on probation it is known since when it is there. Of a proven one, when it was used last; and its age where
/// births are kept: with `absolute`, an operator's socket, or in a cluster.
final class EvictionAges: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case probationAge = "evicted_probation_age"
        case provenIdle = "evicted_proven_idle"
        case provenAge = "evicted_proven_age"

        var help: String {
            switch self {
            case .probationAge: "Seconds since they were stored, of items evicted unread"
            case .provenIdle: "Seconds since their last use, of evicted items that were in use"
            case .provenAge: "Seconds since they were born, of these; where births are kept"
            }
        }
    }

    private let distributions = Kind.allCases.map { _ in SharedDistribution() }

    private subscript(kind: Kind) -> SharedDistribution {
        distributions[Kind.allCases.firstIndex(of: kind) ?? 0]
    }

    /// Called with the item's shard locked.
    func note(_ hit: Hit, _ lifetimes: Lifetimes) {
        guard hit.isProven else {
            return self[.probationAge].add(UInt64(hit.secondsSinceAccess))
        }
        self[.provenIdle].add(UInt64(hit.secondsSinceAccess))
        if let age = lifetimes.age(of: hit) { self[.provenAge].add(UInt64(age)) }
    }

    var readings: [Distribution] { distributions.map(\.reading) }
}

/// Ages of one kind, since the start or the last `stats reset`.
struct AgeSnapshot: Sendable {
    let kind: EvictionAges.Kind
    let count: UInt64
    let sumSeconds: UInt64
    /// So many were younger than this, those of the bounds before it included; the last one is all.
    let buckets: [(boundSeconds: UInt64, count: UInt64)]
    private let ages: Distribution

    /// Powers of two: four seconds to 48 days.
    static let boundsSeconds: [UInt64] = (2...22).map { 1 << UInt64($0) }

    init(_ kind: EvictionAges.Kind, _ ages: Distribution) {
        self.kind = kind
        self.ages = ages
        count = ages.count
        sumSeconds = ages.sum
        buckets =
            Self.boundsSeconds.map { ($0, ages.count(upTo: $0 - 1)) } + [(.max, ages.count)]
    }

    /// So old were at most so many of them, from the youngest on; 0 where there was none.
    func seconds(quantile: Double) -> UInt64 {
        count == 0 ? 0 : ages.histogram.valueAtPercentile(quantile * 100)
    }
}
