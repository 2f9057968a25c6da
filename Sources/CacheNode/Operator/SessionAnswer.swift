import Cluster
import Glibc
import Logging
import SessionMap
import SessionValues

/// What comes of an operator's question about the sessions of a space: a walk, what is ended on its way, and lines that
/// tell of it.
final class SessionAnswer {
    private let query: SessionQuery
    private let space: Space
    private let context: NodeContext
    private let ending: SessionEnding
    private let rule: UserRule?
    private let walk: SessionWalk
    /// Seconds since 2025, by the clock that births are told by.
    private let began: UInt32
    private let start = ContinuousClock.now
    private let cpuMicrosecondsAtStart = SessionAnswer.cpuMicroseconds
    /// Of members that are there, the first that has a key counts it.
    private let presence: MemberPresence?

    private static let progressEvery: Duration = .milliseconds(250)
    /// How often, and how many microseconds later, it is looked whether this node knows of what has changed elsewhere.
    private static let changeAttempts = 50
    private static let changePause: UInt32 = 2_000

    init(
        _ query: SessionQuery, _ space: Space, context: NodeContext, ending: SessionEnding
    ) throws(SessionQuery.Mistake) {
        self.query = query
        self.space = space
        self.context = context
        self.ending = ending
        let rule = query.rule ?? space.configuration.userRule
        guard rule != nil || query.user == nil else {
            throw SessionQuery.Mistake(
                "nobody has said how a user is found in what is stored in space \(space.name): "
                    + "give a rule, or the node '-o user_rule=RULE'")
        }
        let hasBirths = space.map.configuration.features.contains(.births)
        guard query.olderThanSeconds == nil || hasBirths else {
            throw SessionQuery.Mistake(
                "older_than: it is not kept in space \(space.name) when a session began")
        }
        // Whose it is matters where a user is meant, and where it is told.
        self.rule = query.user != nil || query.command != .revoke ? rule : nil
        began =
            space.peers?.clockOfVersions.map { UInt32(clamping: $0 / 1_000_000) }
            ?? UInt32(
                clamping: Int64(space.clock.now().seconds) + space.map.lifetimes.lead)
        presence = space.peers?.presence
        walk = SessionWalk(space, query, rule: self.rule, began: began)
    }

    /// - Parameter who: for the log.
    func give(
        to who: String, write: ([UInt8]) throws(OperatorConversation.Gone) -> Void,
        isWanted: () -> Bool
    ) throws(OperatorConversation.Gone) {
        ending.count(.operatorCommands, of: space)
        try write(head)
        var told = ContinuousClock.now
        var hasMore = true
        while hasMore {
            var lines: [UInt8] = []
            var found: [SessionWalk.Found] = []
            hasMore = walk.turn { found.append($0) }
            take(found, &lines)
            if !lines.isEmpty { try write(lines) }
            guard ContinuousClock.now - told >= Self.progressEvery else { continue }
            told = .now
            guard isWanted() else { throw OperatorConversation.Gone() }
            try write(progress)
        }
        ending.count(.sessionsLookedAt, walk.tally.itemCount, of: space)
        log(who)
        if query.command == .count { try tellUsers(write) }
        try write(result)
    }

    // MARK: What was found

    private func take(_ found: [SessionWalk.Found], _ lines: inout [UInt8]) {
        switch query.command {
        case .spaces: break
        case .list: for session in found { lines += line(of: session) }
        case .count:
            for session in found where isCountedHere(session.key) {
                walk.note { tally in
                    tally.countedCount += 1
                    if let user = session.user { tally.count(user) }
                }
            }
        case .revoke:
            for start in stride(from: 0, to: found.count, by: SessionEnding.countMax) {
                let end = min(found.count, start + SessionEnding.countMax)
                revoke(Array(found[start..<end]), &lines)
            }
        }
    }

    private func isCountedHere(_ key: [UInt8]) -> Bool { presence?.counts(key) ?? true }

    private func revoke(_ sessions: [SessionWalk.Found], _ lines: inout [UInt8]) {
        for (session, outcome) in zip(sessions, ending.end(sessions, of: space)) {
            let end = outcome == .changed ? endAsItIsNow(session) : outcome
            walk.note { tally in
                switch end {
                case .ended: tally.endedCount += 1
                case .gone: tally.goneCount += 1
                case .changed: tally.changedElsewhere += 1
                case .failed: tally.failedCount += 1
                }
            }
            if end == .ended { ending.count(.sessionsRevoked, of: space) }
            lines += line(of: session, end)
        }
    }

    /// Somebody has stored it anew. If it is still one of those that are meant, it is ended as it is by now.
    private func endAsItIsNow(_ session: SessionWalk.Found) -> SessionEnding.Outcome {
        var known = session.casUnique
        for _ in 0..<Self.changeAttempts {
            guard let now = walk.lookOnceMore(at: session.key) else { return .gone }
            if now.casUnique == known {
                // Whoever decides has a later one, which is on its way here.
                usleep(Self.changePause)
                continue
            }
            known = now.casUnique
            let outcome = ending.end([now], of: space).first ?? .failed
            if outcome != .changed { return outcome }
        }
        return .changed
    }

    // MARK: Lines

    private var head: [UInt8] {
        var line = ResultLine()
        line.add("space", space.name)
        if let peers = space.peers { line.add("node", peers.ownName) }
        line.add("command", query.command.rawValue)
        if let rule { line.add("rule", rule.description) }
        line.add("births", space.map.configuration.features.contains(.births))
        return line.bytes
    }

    private var progress: [UInt8] {
        var line = ResultLine()
        line.add("progress_percent", Int(walk.progress * 100))
        line.add("looked_at", walk.tally.itemCount)
        line.add("found", walk.tally.foundCount)
        return line.bytes
    }

    private func line(
        of session: SessionWalk.Found, _ outcome: SessionEnding.Outcome? = nil
    ) -> [UInt8] {
        var line = ResultLine()
        line.add("session", name(of: session.key))
        if query.showsKeys { line.add("key", PercentEncoding.encoded(session.key)) }
        if let user = session.user { line.add("user", String(decoding: user, as: UTF8.self)) }
        line.add("bytes", session.valueByteCount)
        line.add("age", session.birth.map { Int(began) - min(Int(began), Int($0)) })
        line.add("idle", Int(session.secondsIdle))
        line.add("left", session.secondsLeft.map { Int($0) })
        switch outcome {
        case nil: break
        case .ended?: line.add("outcome", "ended")
        case .gone?: line.add("outcome", "gone")
        case .changed?: line.add("outcome", "changed_elsewhere")
        case .failed?: line.add("outcome", "failed")
        }
        return line.bytes
    }

    /// A key is a secret: who has it is logged in. Members call a session by the same name.
    private func name(of key: [UInt8]) -> String {
        let digits = String(key.withUnsafeBytes { walk.nameHash(of: $0) }, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private func tellUsers(
        _ write: ([UInt8]) throws(OperatorConversation.Gone) -> Void
    ) throws(OperatorConversation.Gone) {
        var lines: [UInt8] = []
        for (user, count) in walk.tally.users {
            var line = ResultLine()
            line.add("user", String(decoding: user, as: UTF8.self))
            line.add("sessions", count)
            lines += line.bytes
            if lines.count > 1 << 16 {
                try write(lines)
                lines = []
            }
        }
        try write(lines)
    }

    private var result: [UInt8] {
        var line = ResultLine()
        line.add("result", query.command.rawValue)
        walk.tally.add(to: &line)
        switch query.command {
        case .revoke: walk.tally.addEnds(to: &line)
        case .count: walk.tally.addCounts(to: &line)
        case .list, .spaces: break
        }
        line.add("microseconds", Int((ContinuousClock.now - start) / .microseconds(1)))
        line.add("cpu_microseconds", Self.cpuMicroseconds - cpuMicrosecondsAtStart)
        return line.bytes
    }

    /// Of the thread that walks: others' work comes before it.
    private static var cpuMicroseconds: Int {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
    }

    /// What was ended by whom is worth a line of the log; whose it was is not the log's business.
    private func log(_ who: String) {
        guard query.command == .revoke else { return }
        let tally = walk.tally
        context.logger.notice(
            """
            an operator, \(who), ended \(tally.endedCount) of \(tally.itemCount) sessions of space \
            \(space.name)\(tally.failedCount > 0 ? "; \(tally.failedCount) could not be ended" : "")
            """)
    }
}
