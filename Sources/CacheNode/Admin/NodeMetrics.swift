import Cluster
import SessionMap
import Synchronization

/// What `/metrics` has of a node.
struct NodeMetrics {
    let context: NodeContext
    /// Of a cluster's definition.
    let ownName: String?

    func text(_ standing: NodeStanding) -> String {
        var text = MetricsText()
        var build = [("version", context.rules.version)]
        if let ownName { build.append(("node", ownName)) }
        text.add(
            "sojourn_build_info", .gauge, "Which program this is; always 1", 1, labels: build)
        text.add(
            "sojourn_healthy", .gauge, "Whether every thread comes around (/healthz)",
            standing.isHealthy ? 1 : 0)
        text.add(
            "sojourn_ready", .gauge, "Whether requests are answered from memory (/readyz)",
            standing.isReady ? 1 : 0)
        text.add(
            "sojourn_admin_cpu_seconds_total", .counter,
            "Processor seconds that the operator's port has taken",
            Double(context.admin.processorMicroseconds.load(ordering: .relaxed)) / 1e6)
        for (place, space) in context.spaces.all.enumerated() {
            add(space, isFirst: place == 0, to: &text)
        }
        return text.text
    }

    private func add(_ space: Space, isFirst: Bool, to text: inout MetricsText) {
        let reading = StatisticsReading(context, space, now: space.clock.now())
        let own = [("space", space.name)]
        for page in [StatisticsPage.general, .items] {
            for statistic in reading.list(page).since([:]) {
                let isOfNode = page == .general && MetricName.ofNode.contains(statistic.name)
                if isOfNode, !isFirst { continue }
                text.add(statistic, labels: isOfNode ? [] : own)
            }
        }
        for statistic in reading.list(.settings).since([:]) {
            guard let (name, help) = Self.limits[statistic.name],
                case .gauge(let number) = statistic.value
            else { continue }
            text.add(name, .gauge, help, Double(number), labels: own)
        }
        addRequests(reading, own, to: &text)
        addSessions(reading, own, to: &text)
        for times in space.latenciesSinceStart() {
            text.addHistogram(
                "sojourn_request_duration_seconds",
                "From receiving a request to having sent its reply",
                labels: own + [("family", times.family), ("protocol", times.protocolName)],
                buckets: times.buckets.filter { $0.boundMicroseconds != .max }.map {
                    (Double($0.boundMicroseconds) / 1e6, $0.count)
                }, sum: Double(times.sumMicroseconds) / 1e6, count: times.count)
        }
        if let view = space.peers?.view() { add(view, own, to: &text) }
    }

    /// Each command of each protocol.
    private func addRequests(
        _ reading: StatisticsReading, _ own: [(name: String, value: String)],
        to text: inout MetricsText
    ) {
        for statistic in reading.list(.requests).since([:]) {
            let words = statistic.name.split(separator: ":").map(String.init)
            guard words.count == 2, case .counter(let count) = statistic.value else { continue }
            text.add(
                "sojourn_requests_total", .counter, "Requests by protocol and command",
                Double(count), labels: own + [("protocol", words[0]), ("command", words[1])])
        }
    }

    /// How they come and go, by the reason of their end.
    private func addSessions(
        _ reading: StatisticsReading, _ own: [(name: String, value: String)],
        to text: inout MetricsText
    ) {
        for statistic in reading.list(.sessions).since([:]) {
            if case .counter(let count) = statistic.value {
                let isEnd = statistic.name.hasPrefix("ended_")
                let reason = String(statistic.name.dropFirst("ended_".count))
                text.add(
                    isEnd
                        ? "sojourn_sessions_ended_total"
                        : "sojourn_sessions_\(statistic.name)_total", .counter,
                    isEnd ? "Sessions that have ended, by the reason" : statistic.help,
                    Double(count), labels: isEnd ? own + [("reason", reason)] : own)
            }
            if statistic.name == "expiry_lag_max", case .gauge(let seconds) = statistic.value {
                text.add(
                    "sojourn_expiry_lag_seconds", .gauge, statistic.help, Double(seconds),
                    labels: own)
            }
        }
    }

    /// What members are, which is a word elsewhere.
    private func add(
        _ view: PeersView, _ own: [(name: String, value: String)], to text: inout MetricsText
    ) {
        for peer in view.peers {
            text.add(
                "sojourn_member_current", .gauge,
                "Whether a member has the same as this one, by member",
                (view.isFront ? peer.isHeard : peer.standing == .together) ? 1 : 0,
                labels: own + [("member", peer.name)])
        }
        text.add(
            "sojourn_cluster_serving", .gauge,
            "Whether the node answers from its memory, and does not pass everything on",
            view.isServing ? 1 : 0, labels: own)
    }

    /// Settings that alarms are compared with.
    private static let limits: [String: (name: String, help: String)] = [
        "item_size_max": ("sojourn_item_size_limit_bytes", "The largest item (-I)"),
        "idle": (
            "sojourn_idle_timeout_seconds",
            "Seconds that an item lives after its last access; 0: as its client says"
        ),
        "absolute": (
            "sojourn_absolute_timeout_seconds",
            "Seconds that an item lives after its key was first stored; 0: as its client says"
        ),
        "exptime_max": (
            "sojourn_exptime_limit_seconds", "The most seconds that a client can ask for; 0: any"
        ),
        "lock_waiters": (
            "sojourn_lock_waiters_limit", "Connections that may wait for one lock at a time"
        ),
    ]
}
