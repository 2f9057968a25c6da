import Reports

/// What all nodes have answered together.
struct SessionReport {
    let command: String
    let options: SessionsOptions
    let topCount: Int
    let answers: [NodeAnswer]

    private func total(_ value: (OperatorLine) -> Int?) -> Int {
        answers.reduce(0) { $0 + ($1.result.flatMap(value) ?? 0) }
    }

    /// Of the copies of a session that members have one is shown.
    private var sessions: [(node: String, line: OperatorLine)] {
        var places: [String: Int] = [:]
        var all: [(node: String, line: OperatorLine)] = []
        for answer in answers {
            for line in answer.sessions {
                guard let name = line.session else { continue }
                if let place = places[name] {
                    // Whoever has ended it tells more than who has found it gone.
                    if line.outcome == "ended" { all[place] = (answer.name, line) }
                } else {
                    places[name] = all.count
                    all.append((answer.name, line))
                }
            }
        }
        return all
    }

    private var users: [(user: String, count: Int)] {
        var counts: [String: Int] = [:]
        for line in answers.flatMap(\.users) {
            counts[line.user ?? "", default: 0] += line.sessions ?? 0
        }
        return counts.map { ($0.key, $0.value) }.sorted {
            $0.count > $1.count || $0.count == $1.count && $0.user < $1.user
        }
    }

    private var foundCount: Int {
        switch command {
        case "list": sessions.count
        case "count": total(\.counted)
        default: total(\.ended)
        }
    }

    var status: Int32 {
        if !troubles.isEmpty { return 2 }
        return foundCount > 0 ? 0 : 1
    }

    // MARK: What was not right

    /// A line for each node that did not answer, and for what could not be done.
    var troubles: [String] {
        var lines = answers.compactMap { answer in answer.trouble.map { "\(answer.name): \($0)" } }
        if answers.contains(where: { $0.trouble != nil }) {
            lines.append("sessions that only these nodes have are not among them")
        }
        let failed = total(\.failed)
        if failed > 0 {
            lines.append(
                "\(failed) sessions could not be ended: no majority of the members, or no answer")
        }
        let changed = unfinished
        if changed > 0 {
            lines.append(
                "\(changed) sessions were stored anew at another node, which did not end them: once more"
            )
        }
        return lines
    }

    /// Those that another node has a later one of, and that no other node has ended.
    private var unfinished: Int {
        sessions.count { $0.line.outcome == "changed_elsewhere" }
    }

    // MARK: Texts

    var text: String {
        var parts: [String] = []
        switch command {
        case "list", "revoke": if !sessions.isEmpty { parts.append(sessionTable) }
        default: if !users.isEmpty, topCount > 0 { parts.append(userTable) }
        }
        parts.append(summary)
        parts += notes
        return parts.joined(separator: "\n")
    }

    private var sessionTable: String {
        var headings = ["session", "node", "bytes", "began", "unused for", "ends in"]
        if command == "revoke" { headings.append("outcome") }
        headings.append("user")
        if options.showKeys { headings.append("key") }
        var table = TextTable(headings, endsWithText: true)
        for (node, line) in sessions {
            var row = [line.session ?? "", node, (line.bytes ?? 0).grouped]
            row += [
                line.age.map { Self.span($0) + " ago" } ?? "-", line.idle.map(Self.span) ?? "-",
            ]
            row.append(line.left.map(Self.span) ?? "never")
            if command == "revoke" { row.append(line.outcome ?? "-") }
            row.append(Self.printable(line.user ?? "-"))
            if options.showKeys { row.append(line.key ?? "") }
            table.add(row)
        }
        return table.text + "\n"
    }

    private var userTable: String {
        var table = TextTable(["sessions", "user"], endsWithText: true)
        for (user, count) in users.prefix(topCount) {
            table.add([count.grouped, Self.printable(user)])
        }
        return table.text + "\n"
    }

    private var summary: String {
        let whose = options.user.map { " of \(Self.printable($0))" } ?? ""
        let noun = foundCount == 1 ? "session" : "sessions"
        let what = command == "revoke" ? "\(noun)\(whose) ended" : "\(noun)\(whose)"
        let places = answers.compactMap { answer -> String? in
            guard let result = answer.result else { return nil }
            let count =
                command == "revoke"
                ? result.ended : command == "count" ? result.counted : result.found
            return (count ?? 0) > 0 ? "\(answer.name) \((count ?? 0).grouped)" : nil
        }
        let milliseconds = Double(answers.compactMap { $0.result?.microseconds }.max() ?? 0) / 1_000
        let rate =
            answers.compactMap { answer -> Double? in
                guard let result = answer.result, let time = result.microseconds, time > 0 else {
                    return nil
                }
                return Double(result.valueBytes ?? 0) / Double(time) * 1e6
            }.max() ?? 0
        return
            "\(foundCount.grouped) \(what)\(places.isEmpty ? "" : " (\(places.joined(separator: ", ")))"); "
            + "\(total(\.lookedAt).grouped) looked at on \(answers.count { $0.result != nil }) nodes in "
            + "\(milliseconds.short) ms" + (rate > 1e8 ? ", \((rate / 1e9).short) GB/s" : "")
    }

    /// What somebody should know who expected more.
    private var notes: [String] {
        var notes: [String] = []
        if command == "count", let further = Optional(total(\.sessionsOfFurtherUsers)),
            further > 0
        {
            notes.append(
                "\(further.grouped) sessions are of users beyond the first 100,000 of a node")
        }
        let unreadable = Self.sum(answers.compactMap { $0.result?.unreadable })
        for (name, count) in unreadable {
            notes.append("\(count.grouped) could not be looked into: \(Self.reason(name))")
        }
        if total(\.createdSince) > 0 {
            notes.append(
                "\(total(\.createdSince).grouped) began after the command, and were left alone")
        }
        if total(\.ageUnknown) > 0 {
            notes.append(
                "of \(total(\.ageUnknown).grouped) nobody knows when they began: they were left alone"
            )
        }
        let kinds = Self.sum(answers.compactMap { $0.result?.kinds })
        // A rule that finds nobody at all is the wrong one, or there is nobody.
        if answers.contains(where: { $0.head?.rule != nil }), total(\.withUser) == 0,
            !kinds.isEmpty
        {
            let rule = answers.compactMap { $0.head?.rule }.first ?? ""
            notes.append(
                "the rule '\(rule)' has found a user in none of them. What the first of them look like: "
                    + kinds.map { "\($0.count.grouped) \($0.name)" }.joined(separator: ", "))
        }
        return notes
    }

    static func sum(_ counts: [[String: Int]]) -> [(name: String, count: Int)] {
        var sum: [String: Int] = [:]
        for (name, count) in counts.flatMap({ $0 }) { sum[name, default: 0] += count }
        return sum.map { ($0.key, $0.value) }.sorted {
            $0.count > $1.count || $0.count == $1.count && $0.name < $1.name
        }
    }

    private static func reason(_ name: String) -> String {
        switch name {
        case "other_form": "in another form than the rule says"
        case "compressed": "compressed by the client"
        case "encrypted": "encrypted by the client"
        case "cut_off": "cut off"
        case "malformed": "damaged, or in another form than the rule says"
        case "too_deep": "nested too deeply"
        case "too_long": "of too many parts"
        case "no_user": "what is there is no text and no number"
        case "reference": "what is there refers to another part of the value"
        case "user_too_long": "a user of more than 256 bytes"
        case "no_memory": "too large for the memory that was free"
        default: name
        }
    }

    private static func span(_ seconds: Int) -> String {
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400)
        if days > 0 { return "\(days) d \(hours % 24) h" }
        if hours > 0 { return "\(hours) h \(minutes % 60) min" }
        return minutes > 0 ? "\(minutes) min" : "\(seconds) s"
    }

    /// A user's name is a user's: no control bytes reach a terminal.
    private static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    scalar.value < 32 || (127..<160).contains(scalar.value) ? "\u{FFFD}" : scalar
                }))
    }

    // MARK: JSON

    var json: String {
        let nodes = answers.map { answer -> JSON in
            var members: [(String, JSON)] = [("node", .text(answer.name))]
            if let trouble = answer.trouble { members.append(("trouble", .text(trouble))) }
            if let result = answer.result {
                members += [
                    ("looked_at", .integer(result.lookedAt ?? 0)),
                    ("value_bytes", .integer(result.valueBytes ?? 0)),
                    ("found", .integer(result.found ?? 0)), ("ended", .integer(result.ended ?? 0)),
                    ("microseconds", .integer(result.microseconds ?? 0)),
                    ("cpu_microseconds", .integer(result.cpuMicroseconds ?? 0)),
                ]
            }
            return .object(members)
        }
        var members: [(String, JSON)] = [
            ("command", .text(command)),
            (command == "revoke" ? "ended" : "found", .integer(foundCount)),
            ("looked_at", .integer(total(\.lookedAt))),
            ("with_user", .integer(total(\.withUser))),
            ("without_user", .integer(total(\.withoutUser))),
            ("unreadable", Self.object(answers.compactMap { $0.result?.unreadable })),
            ("kinds", Self.object(answers.compactMap { $0.result?.kinds })),
            ("created_since", .integer(total(\.createdSince))),
            ("failed", .integer(total(\.failed))),
            ("changed_elsewhere", .integer(unfinished)), ("nodes", .list(nodes)),
        ]
        if command == "count" {
            members.append(
                (
                    "users",
                    .list(
                        users.prefix(topCount).map {
                            .object([("user", .text($0.user)), ("sessions", .integer($0.count))])
                        })
                ))
        } else {
            members.append(("sessions", .list(sessions.map { Self.object($0.node, $0.line) })))
        }
        members.append(("troubles", .list(troubles.map { .text($0) })))
        return JSON.object(members).text
    }

    private static func object(_ counts: [[String: Int]]) -> JSON {
        .object(sum(counts).map { ($0.name, .integer($0.count)) })
    }

    private static func object(_ node: String, _ line: OperatorLine) -> JSON {
        func number(_ value: Int?) -> JSON { value.map { .integer($0) } ?? .null }
        var members: [(String, JSON)] = [
            ("session", .text(line.session ?? "")), ("node", .text(node)),
        ]
        if let key = line.key { members.append(("key", .text(key))) }
        members += [
            ("user", line.user.map { .text($0) } ?? .null), ("bytes", number(line.bytes)),
            ("age", number(line.age)),
            ("idle", number(line.idle)), ("left", number(line.left)),
        ]
        if let outcome = line.outcome { members.append(("outcome", .text(outcome))) }
        return .object(members)
    }
}
