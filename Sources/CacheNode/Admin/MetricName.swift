/// What a statistic is called in Prometheus' text format, and in which unit: base units, `_total` behind what only grows.
///
/// Source: prometheus.io/docs/practices/naming; `promtool check metrics` holds the page to it.
struct MetricName: Equatable {
    enum Kind: String {
        case counter, gauge
    }

    /// Without the prefix.
    var name: String
    var kind: Kind
    /// What the number is multiplied with.
    var scale = 1.0
    var labels: [(name: String, value: String)] = []

    static let prefix = "sojourn_"

    static func == (one: MetricName, other: MetricName) -> Bool {
        one.name == other.name && one.kind == other.kind && one.scale == other.scale
            && one.labels.elementsEqual(other.labels) { $0 == $1 }
    }

    /// Nothing of a statistic that is no number, or that is there for memcached's tools only and never changes.
    init?(_ statistic: Statistic) {
        guard statistic.kind != .text, !Self.isConstant(statistic.help) else { return nil }
        var words = statistic.name.split(whereSeparator: { $0 == "_" || $0 == ":" || $0 == "." })
            .map { String($0.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }) }
        kind = statistic.kind == .counter ? .counter : .gauge
        for (prefix, label) in Self.labelled where statistic.name.hasPrefix(prefix) {
            labels = [(label, String(statistic.name.dropFirst(prefix.count)))]
            words = prefix.split(separator: "_").map(String.init)
        }
        if words.first == "items", words.dropFirst().first == "1" { words.remove(at: 1) }
        if words.first == "rusage" { kind = .counter }
        words.removeAll { $0 == "total" }
        // That is a histogram's.
        if words.last == "count" { words[words.count - 1] = "number" }
        if let place = words.firstIndex(where: { Self.units[$0] != nil }) {
            scale = Self.units[words[place]] ?? 1
            words.remove(at: place)
            words.append("seconds")
        } else if let unit = Self.unitsByName[statistic.name], words.last != unit {
            words.removeAll { $0 == unit || $0 == "max\(unit)" }
            words.append(unit)
        }
        if words.first == "time", words.dropFirst().first == "in" { kind = .counter }
        if kind == .counter { words.append("total") }
        name = words.joined(separator: "_")
    }

    private static func isConstant(_ help: String) -> Bool {
        ["lways 0", "without effect", "Of memcached's slab mover"].contains { help.contains($0) }
    }

    /// Statistics of one for each member.
    private static let labelled = [
        ("link_version_", "member"), ("clock_skew_ms_", "member"),
    ]
    /// Words that say a unit, and what of them a second has.
    private static let units = ["us": 1e-6, "ms": 1e-3]
    /// Of names that do not say it.
    private static let unitsByName = [
        "uptime": "seconds", "time": "seconds", "rusage_user": "seconds",
        "rusage_system": "seconds", "bytes": "bytes", "limit_maxbytes": "bytes",
        "bytes_read": "bytes", "bytes_written": "bytes", "hash_bytes": "bytes",
        "read_buf_bytes_free": "bytes", "items:1:age": "seconds", "items:1:evicted_time": "seconds",
        "items:1:mem_requested": "bytes", "catchup_bytes": "bytes",
        "members_cert_seconds_left": "seconds", "ssl_cert_seconds_left": "seconds",
    ]

    /// What is the node's, whatever the space on whose page it stands.
    static let ofNode: Set<String> = [
        "time", "threads", "rusage_user", "rusage_system", "read_buf_count", "read_buf_bytes",
        "read_buf_bytes_free", "log_lines_dropped", "watchdog_late", "uptime", "admin_requests",
        "admin_login_failures",
    ]
}
