import ClusterFile
import Glibc
import HashRing
import Reports

extension ClusterStatus {
    /// A line about the cluster, and a table with a row for each node.
    var text: String {
        let isDown = downCount > 0
        var table = TextTable(
            ["node", "state", "version", "up for", "items", "used", "of", "conns", "gets/s"]
                + ["sets/s", "hits", "evictions", "logged out"]
                + (hasPeers ? ["away", "one copy"] : []) + ["share"] + (isDown ? ["why"] : []),
            endsWithText: true)
        for report in reports { table.add(cells(of: report) + (isDown ? [report.reason] : [])) }
        let copies =
            definition.copyCount > 1 ? ", each item on \(definition.copyCount)" : ""
        return "\(definition.name): \(reports.count - downCount) of \(reports.count) nodes up, "
            + "\(definition.strategy.rawValue)\(copies)\n\n" + table.text
    }

    /// Whether the nodes keep the copies themselves, and tell how that goes.
    private var hasPeers: Bool { definition.peers != nil }

    private func cells(of report: Report) -> [String] {
        let share = report.share.percent
        guard let now = report.statistics else {
            return [report.node.name, "down"] + Array(repeating: "-", count: hasPeers ? 13 : 11)
                + [share]
        }
        func count(_ name: String) -> String { now.number(name)?.grouped ?? "-" }
        func rate(_ name: String) -> String {
            report.perSecond(name).map { Int($0.rounded()).grouped } ?? "-"
        }
        let limit = now.number("limit_maxbytes") ?? 0
        let used = now.number("bytes").flatMap { limit > 0 ? Double($0) / Double(limit) : nil }
        let copies = hasPeers ? [count("members_away"), count("writes_single_copy")] : []
        return [
            report.node.name, now["cluster_state"] ?? "up", now.program ?? "-",
            now.number("uptime").map(Self.age) ?? "-", count("curr_items"),
            used?.percent ?? "-", limit > 0 ? Self.size(limit) : "-", count("curr_connections"),
            rate("cmd_get"), rate("cmd_set"), now.hitRatio?.percent ?? "-", count("evictions"),
            count("evicted_live_proven"),
        ] + copies + [share]
    }

    private static func age(_ seconds: Int) -> String {
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400)
        if days > 0 { return "\(days) d \(hours % 24) h" }
        if hours > 0 { return "\(hours) h \(minutes % 60) min" }
        return minutes > 0 ? "\(minutes) min" : "\(seconds) s"
    }

    private static func size(_ byteCount: Int) -> String {
        let megabytes = Double(byteCount) / 1_048_576
        return megabytes < 1_024
            ? megabytes.fixed(0) + " MB" : (megabytes / 1_024).fixed(1) + " GB"
    }

    /// The same as an object on one line. What a node does not tell, or is not known yet, is null.
    var json: String {
        JSON.object([
            ("name", .text(definition.name)), ("unix_time", .integer(time(nil))),
            ("strategy", .text(definition.strategy.rawValue)),
            ("copies", .integer(definition.copyCount)),
            ("up", .integer(reports.count - downCount)), ("down", .integer(downCount)),
            ("nodes", .list(reports.map(\.json))),
        ]).text
    }
}

extension ClusterStatus.Report {
    /// Why it is down; empty if it is not.
    fileprivate var reason: String {
        if case .failure(let trouble) = outcome { trouble.description } else { "" }
    }

    fileprivate var json: JSON {
        func count(_ name: String) -> JSON {
            statistics?.number(name).map { .integer($0) } ?? .null
        }
        func number(_ value: Double?) -> JSON { value.map { .number($0) } ?? .null }
        let address: [(String, JSON)] = [
            ("node", .text(node.name)), ("host", .text(node.host)), ("port", .integer(node.port)),
            ("weight", .integer(node.weight)), ("share", .number(share)),
        ]
        guard let statistics else {
            return .object(address + [("state", .text("down")), ("reason", .text(reason))])
        }
        var copies: [(String, JSON)] = []
        if let state = statistics["cluster_state"] {
            copies = [
                ("cluster_state", .text(state)), ("members_away", count("members_away")),
                ("writes_single_copy", count("writes_single_copy")),
            ]
        }
        return .object(
            address + [
                ("state", .text("up")),
                ("version", statistics.program.map { .text($0) } ?? .null),
                ("uptime_seconds", count("uptime")), ("items", count("curr_items")),
                ("bytes", count("bytes")), ("limit_bytes", count("limit_maxbytes")),
                ("connections", count("curr_connections")),
                ("gets_per_second", number(perSecond("cmd_get"))),
                ("sets_per_second", number(perSecond("cmd_set"))),
                ("hit_ratio", number(statistics.hitRatio)), ("evictions", count("evictions")),
                ("evicted_live_proven", count("evicted_live_proven")),
            ] + copies)
    }
}
