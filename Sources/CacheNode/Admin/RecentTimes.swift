/// How long a space's requests took of late: in the last second, and in the last minute or two.
///
/// Confined to one thread.
struct RecentTimes {
    /// Of one family, in all protocols.
    private struct Family {
        var latest = Distribution()
        /// The slowest of 100 in the last second, in microseconds; nothing without a request.
        var slow: Double?
    }

    private var reads = Family()
    private var writes = Family()
    /// Of both, a minute ago at least, and since then.
    private var earlier = Distribution()
    private var later = Distribution()
    private var lookCount = 0
    private var all = Distribution()

    private static let secondsKept = 60

    /// Each second.
    mutating func look(at space: Space) {
        Self.look(&reads, space.times(of: .get))
        Self.look(&writes, space.times(of: .set))
        all = reads.latest
        all.add(writes.latest)
        if lookCount == 0 { (earlier, later) = (all, all) }
        lookCount += 1
        guard lookCount.isMultiple(of: Self.secondsKept) else { return }
        earlier = later
        later = all
    }

    private static func look(_ family: inout Family, _ times: Distribution) {
        family.slow = microseconds(times.since(family.latest), 0.99)
        family.latest = times
    }

    var slowRead: Double? { reads.slow }
    var slowWrite: Double? { writes.slow }

    /// Of the last one or two minutes.
    func microseconds(quantile: Double) -> Double? {
        Self.microseconds(all.since(earlier), quantile)
    }

    private static func microseconds(_ times: Distribution, _ quantile: Double) -> Double? {
        let snapshot = LatencySnapshot(family: "", protocolName: "", times)
        return snapshot.count == 0 ? nil : Double(snapshot.microseconds(quantile: quantile))
    }
}

extension Space {
    /// In all protocols, since the start.
    func times(of family: RequestFamily) -> Distribution {
        var sum = Distribution()
        for requestProtocol in RequestProtocol.allCases {
            sum.add(times(at: RequestKind.timedPlace(requestProtocol, family)))
        }
        return sum
    }

    /// Of each protocol and family that was ever asked for, since the start, whatever was reset.
    func latenciesSinceStart() -> [LatencySnapshot] {
        var all: [LatencySnapshot] = []
        for requestProtocol in RequestProtocol.allCases {
            for family in RequestFamily.allCases {
                let times = times(at: RequestKind.timedPlace(requestProtocol, family))
                guard times.count > 0 else { continue }
                all.append(
                    LatencySnapshot(
                        family: family.rawValue, protocolName: requestProtocol.rawValue, times))
            }
        }
        return all
    }
}
