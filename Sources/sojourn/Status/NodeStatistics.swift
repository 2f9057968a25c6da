/// What a node answered to `stats`, and when.
struct NodeStatistics: Sendable {
    /// Names beyond this many are no statistics of a node.
    static let nameCountMax = 10_000

    let moment: ContinuousClock.Instant
    private let values: [String: String]

    init(_ values: [String: String], at moment: ContinuousClock.Instant = .now) {
        self.values = values
        self.moment = moment
    }

    subscript(name: String) -> String? { values[name] }

    func number(_ name: String) -> Int? { values[name].flatMap { Int($0) } }

    /// The version of Sojourn, or what else it is.
    var program: String? {
        values["sojourn_version"] ?? values["version"].map { "memcached \($0)" }
    }

    /// Hits among the keys asked for since the node's counters were 0; nil if there were none.
    var hitRatio: Double? {
        guard let hits = number("get_hits"), let misses = number("get_misses"), hits + misses > 0
        else { return nil }
        return Double(hits) / Double(hits + misses)
    }

    /// How fast a counter grew; nil if the process is another now, or its counters were reset.
    func perSecond(_ name: String, since earlier: NodeStatistics?) -> Double? {
        guard let earlier, self["pid"] == earlier["pid"], let now = number(name),
            let before = earlier.number(name), now >= before, moment > earlier.moment
        else { return nil }
        return Double(now - before) / ((moment - earlier.moment) / .seconds(1))
    }
}
