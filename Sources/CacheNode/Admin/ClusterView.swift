import EventLoop
import MemcacheProtocol

/// What the other members say of themselves: each is asked at its own operator's port, when somebody looks, and not more
/// often than once a second.
///
/// Bounded: one question at a time for each member, lines of a small answer, two seconds. A password goes out by TLS, or
/// stays on this machine.
///
/// Confined to its loop's thread.
final class ClusterView {
    private struct Seen {
        let member: AdminRules.Member
        var fetch: HTTPFetch?
        var lines: [(name: String, value: String)] = []
        var at: ContinuousClock.Instant?
        var problem: String? = "not asked yet"
    }

    private let loop: Loop
    private let security: AdminSecurity
    private var members: [Seen]
    private var wantedUntil: ContinuousClock.Instant?

    static let patienceSeconds = 2
    static let path = "/brief"
    private static let lineCountMax = 64
    private static let interest: Duration = .seconds(10)

    init(_ loop: Loop, _ security: AdminSecurity) {
        (self.loop, self.security) = (loop, security)
        members = security.rules.members.map { Seen(member: $0) }
    }

    /// Somebody looks: for a while the others are asked.
    func want() {
        let wasWanted = isWanted
        wantedUntil = .now + Self.interest
        if !wasWanted { ask() }
    }

    private var isWanted: Bool { wantedUntil.map { $0 > .now } ?? false }

    /// Each second, and never from within an answer: what is over is let go here.
    func tick() {
        for place in members.indices {
            guard let fetch = members[place].fetch else { continue }
            let isLate = ContinuousClock.now - fetch.begun > .seconds(Self.patienceSeconds)
            if isLate, !fetch.isOver { note(nil, at: place, "does not answer within 2 s") }
            if isLate || fetch.isOver { members[place].fetch = nil }
        }
        if isWanted { ask() }
    }

    private func ask() {
        for place in members.indices where members[place].fetch == nil {
            let member = members[place].member
            let tls = security.clientContext
            let isLocal = AdminRules.Place.tcp(host: member.host, port: member.port).isLocal
            guard tls != nil || isLocal else {
                members[place].problem = "not asked: this node's operator's port has no TLS"
                continue
            }
            members[place].fetch = HTTPFetch(
                loop: loop, HTTPFetch.Target(host: member.host, port: member.port), tls: tls,
                path: Self.path, headers: credentials, seconds: Self.patienceSeconds
            ) { [unowned self] reply in take(reply, at: place) }
        }
    }

    /// Those of the file's first user, whom the others know, too.
    private var credentials: [(name: String, value: String)] {
        guard let (user, password) = security.authentication?.first else { return [] }
        var text: [UInt8] = []
        Base64.encode((user + Array(":".utf8) + password).span) { text.append($0) }
        return [("Authorization", "Basic \(String(decoding: text, as: UTF8.self))")]
    }

    private func take(_ reply: HTTPFetch.Reply?, at place: Int) {
        guard let reply else { return note(nil, at: place, "cannot be reached") }
        guard reply.status == 200 else {
            return note(
                nil, at: place,
                reply.status == 401
                    ? "does not know this node's first user" : "answers with \(reply.status)")
        }
        let lines = String(decoding: reply.body, as: UTF8.self).split(separator: "\n")
        note(
            lines.prefix(Self.lineCountMax).compactMap { line in
                let words = line.split(separator: " ", maxSplits: 1)
                return words.count == 2 ? (String(words[0]), String(words[1])) : nil
            }, at: place, nil)
    }

    private func note(
        _ lines: [(name: String, value: String)]?, at place: Int, _ problem: String?
    ) {
        members[place].problem = problem
        guard let lines else { return }
        members[place].lines = lines
        members[place].at = .now
    }

    /// - Parameter own: this node's lines.
    func document(_ ownName: String?, _ own: [(name: String, value: String)]) -> JSON {
        var rows: [JSON] = [
            .object([
                ("name", .text(ownName ?? "this node")), ("own", .flag(true)),
                ("problem", .null), ("seconds", .count(0)), ("says", Self.object(own)),
            ])
        ]
        for seen in members {
            rows.append(
                .object([
                    ("name", .text(seen.member.name)), ("own", .flag(false)),
                    ("problem", seen.problem.map { .text($0) } ?? .null),
                    (
                        "seconds",
                        .maybe(seen.at.map { ((ContinuousClock.now - $0) / .seconds(1)).rounded() })
                    ),
                    ("says", Self.object(seen.lines)),
                ]))
        }
        return .object([("members", .list(rows))])
    }

    private static func object(_ lines: [(name: String, value: String)]) -> JSON {
        .object(lines.map { ($0.name, .text($0.value)) })
    }
}
