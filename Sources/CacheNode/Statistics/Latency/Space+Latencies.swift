import Synchronization

/// What the times of requests were at the last `stats reset`, by `RequestKind.timedPlace`.
typealias LatencyZero = [Distribution]

extension Space {
    /// How long requests took, since the start or the last `stats reset`: for each protocol and family that was ever
    /// asked for. Some thousands of loads; workers are not kept from anything.
    func latencies() -> [LatencySnapshot] {
        // Before anything is read: a zero that another thread takes later would be above it.
        let zero = latencyZero.withLock { $0 }
        var all: [LatencySnapshot] = []
        for requestProtocol in RequestProtocol.allCases {
            for family in RequestFamily.allCases {
                let place = RequestKind.timedPlace(requestProtocol, family)
                let times = times(at: place)
                guard times.count > 0 else { continue }
                all.append(
                    LatencySnapshot(
                        family: family.rawValue, protocolName: requestProtocol.rawValue,
                        place < zero.count ? times.since(zero[place]) : times))
            }
        }
        return all
    }

    /// For `stats reset`.
    func resetLatencies() {
        latencyZero.withLock { zero in
            zero = (0..<RequestKind.timedPlaceCount).map { times(at: $0) }
        }
    }

    /// Since the start, whatever was reset.
    func times(at place: Int) -> Distribution {
        var sum = Distribution()
        for tally in requests { sum.add(tally.times(at: place)) }
        return sum
    }
}
