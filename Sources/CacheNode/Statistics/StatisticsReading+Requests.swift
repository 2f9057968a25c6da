/// `stats requests` and `stats latency`: what was asked for in which protocol, and how long it took.
extension StatisticsReading {
    func addRequests(to list: inout StatisticsList) {
        for kind in RequestKind.allCases {
            let count = space.requests.reduce(0) { $0 &+ $1.count(kind) }
            let protocolName = kind.requestProtocol.rawValue
            list.counter(
                "\(protocolName):\(kind.command)", count,
                "Requests of this command in the \(protocolName) protocol, whatever came of them")
        }
        list.counter("get_hits", self[.getHits], "Keys that were asked for and there")
        list.counter("get_misses", self[.getMisses], "Keys that were asked for and not there")
        list.counter("touch_hits", self[.touchHits], "Exptimes that were set, by gat, too")
        list.counter("touch_misses", self[.touchMisses], "Exptimes of keys that were not there")
        list.counter("delete_hits", self[.deleteHits], "Deletions of items")
        list.counter("delete_misses", self[.deleteMisses], "Deletions of keys that were not there")
        let longest =
            space.locks?.longest(at: NodeClock.nanoseconds(), now: now) ?? (waited: 0, held: 0)
        list.gauge("lock_waiting", locks.waiting, "Connections that wait for a lock")
        list.gauge(
            "lock_waited_us", longest.waited / 1_000,
            "Microseconds that one waits who is the first in line, and still does")
        list.gauge(
            "lock_held_seconds", longest.held,
            "Seconds since an awaited lock was taken, of that which was taken first")
        list.counter("bytes_read", self[.bytesRead], "Bytes received from clients")
        list.counter("bytes_written", self[.bytesWritten], "Bytes sent to clients")
    }

    func addLatencies(to list: inout StatisticsList) {
        for times in space.latencies() {
            let name = "\(times.protocolName):\(times.family)"
            // Read with a zero of its own.
            list.gauge("\(name):count", times.count, "Requests of this family that were timed")
            list.gauge(
                "\(name):mean_us", times.meanMicroseconds, digits: 1,
                "Microseconds from receiving a request to having sent its reply, on average")
            for (quantile, word) in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p999")] {
                list.gauge(
                    "\(name):\(word)_us", times.microseconds(quantile: quantile),
                    "Microseconds that this part of the requests took at most")
            }
            list.gauge(
                "\(name):max_us", times.maxMicroseconds,
                "Microseconds of the longest, to a sixteenth")
        }
    }
}
