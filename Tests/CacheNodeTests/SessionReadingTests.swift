import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// What `stats sessions` says of how sessions come and go.
@Suite(.timeLimit(.minutes(10)))
struct SessionReadingTests {
    private func node(_ change: (inout NodeConfiguration) -> Void = { _ in }) throws
        -> InProcessNode
    {
        var configuration = NodeConfiguration.small
        change(&configuration)
        return try InProcessNode(configuration)
    }

    private func counts(_ node: InProcessNode) -> [String: Int] {
        var all: [String: Int] = [:]
        for statistic in node.context.statistics(.sessions, of: node.space, now: node.now) {
            all[statistic.name] = Int(statistic.text)
        }
        return all
    }

    /// What has ended, by the way in which it did.
    private func ends(_ node: InProcessNode) -> [String: Int] {
        counts(node).filter { $0.key.hasPrefix("ended_") && $0.value > 0 }
    }

    private func advance(_ node: InProcessNode, seconds: Int64) {
        node.space.clock.advance(seconds: seconds)
        for shard in 0..<node.map.shardCount {
            while node.map.maintain(shard: shard, now: node.now.seconds, itemBudget: 100) {}
        }
    }

    private static let set = "set a 0 0 1\r\nx\r\n"

    @Test("A session is born once, whatever is stored in its place, and ends as what has ended it")
    func ends() throws {
        let loggedOut = try node()
        _ = try loggedOut.reply(to: Self.set + Self.set + "append a 0 0 1\r\ny\r\nincr a 1\r\n")
        #expect(counts(loggedOut)["born"] == 1 && counts(loggedOut)["live"] == 1)
        #expect(ends(loggedOut).isEmpty)
        _ = try loggedOut.reply(to: "delete a\r\ndelete a\r\nmd a\r\n")
        #expect(ends(loggedOut) == ["ended_logout": 1] && counts(loggedOut)["live"] == 0)
        _ = try loggedOut.reply(to: Self.set)
        #expect(counts(loggedOut)["born"] == 2)

        let expired = try node()
        _ = try expired.reply(to: "set a 0 10 1\r\nx\r\nset b 0 10 1\r\nx\r\n")
        expired.space.clock.advance(seconds: 10)
        _ = try expired.reply(to: "get a\r\n")
        #expect(ends(expired) == ["ended_expired": 1])
        advance(expired, seconds: 0)
        #expect(ends(expired) == ["ended_expired": 2])

        let idle = try node { $0.timeouts.idleSeconds = 5 }
        _ = try idle.reply(to: "set a 0 0 1\r\nx\r\nset b 0 2 1\r\nx\r\n")
        advance(idle, seconds: 6)
        #expect(ends(idle) == ["ended_idle": 1, "ended_expired": 1])

        let absolute = try node { $0.timeouts.absoluteSeconds = 5 }
        _ = try absolute.reply(to: Self.set)
        advance(absolute, seconds: 6)
        #expect(ends(absolute) == ["ended_absolute": 1])

        let revoked = try node()
        _ = try revoked.reply(to: Self.set + "set b 0 0 1\r\nx\r\ndelete a\r\ndelete b\r\n")
        // As the operator's socket does it: a deletion, and this.
        revoked.space.counters[0].add(.sessionsRevoked)
        #expect(ends(revoked) == ["ended_logout": 1, "ended_revoked": 1])
    }

    @Test("A flush ends all that are there, at once and once")
    func flush() throws {
        let node = try node()
        for key in ["a", "b", "c"] { _ = try node.reply(to: "set \(key) 0 10 1\r\nx\r\n") }
        _ = try node.reply(to: "flush_all\r\n")
        #expect(ends(node) == ["ended_flushed": 3] && counts(node)["live"] == 0)
        _ = try node.reply(to: "get a\r\nset b 0 0 1\r\nx\r\n")
        advance(node, seconds: 20)
        #expect(ends(node) == ["ended_flushed": 3] && counts(node)["born"] == 4)
        _ = try node.reply(to: "flush_all\r\n")
        #expect(ends(node) == ["ended_flushed": 4])
    }

    @Test("What is evicted tells how old it was, and whether its user was logged out by us")
    func evictions() throws {
        let node = try node { $0.eviction = .probation(sharePercent: 50, proofAgeSeconds: 1) }
        let value = String(repeating: "x", count: 20_000)
        func store(_ name: String) throws {
            _ = try node.reply(to: "set \(name) 0 0 20000\r\n\(value)\r\n")
        }
        for number in 0..<20 { try store("user\(number)") }
        advance(node, seconds: 100)
        for number in 0..<20 { _ = try node.reply(to: "get user\(number)\r\n") }
        #expect(counts(node)["became_proven"] == 20 && counts(node)["proven"] == 20)
        for number in 0..<100 { try store("bot\(number)") }
        advance(node, seconds: 40)
        for number in 100..<300 { try store("bot\(number)") }
        var found = counts(node)
        #expect(found["ended_evicted_probation"].map { $0 > 80 } == true)
        #expect(found["ended_evicted_proven"] == 0)
        #expect(found["evicted_probation_age_count"] == found["ended_evicted_probation"])
        #expect(found["evicted_probation_age_p90"].map { (40...42).contains($0) } == true)
        // All that is there is in use, and it is too much.
        advance(node, seconds: 60)
        for number in 0..<300 { _ = try node.reply(to: "get bot\(number)\r\n") }
        for number in 300..<600 {
            try store("user\(number)")
            node.space.clock.advance(seconds: 2)
            _ = try node.reply(to: "get user\(number)\r\n")
        }
        found = counts(node)
        #expect(found["ended_evicted_proven"].map { $0 > 50 } == true)
        #expect(found["evicted_proven_idle_count"] == found["ended_evicted_proven"])
        #expect(found["evicted_proven_idle_p90"].map { $0 >= 60 } == true)
        // Births are not kept.
        #expect(found["evicted_proven_age_count"] == 0)
        let ages = try #require(node.space.evictionAges().first)
        #expect(ages.buckets.last?.count == ages.count && ages.kind == .probationAge)
        #expect(ages.buckets.first { $0.boundSeconds == 32 }?.count == 0 || ages.sumSeconds > 0)
        _ = try node.reply(to: "stats reset\r\n")
        found = counts(node)
        #expect(found["evicted_proven_idle_count"] == 0 && found["ended_evicted_proven"] == 0)
        #expect(found["live"].map { $0 > 0 } == true)
    }

    @Test("However sessions come and go, those born are those that ended and those that live")
    func balance() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        let node = try node {
            $0.timeouts.idleSeconds = 6
            $0.timeouts.absoluteSeconds = 60
        }
        let value = String(repeating: "x", count: 9_000)
        for step in 0..<4_000 {
            if step % 1_500 == 1_400 { _ = try node.reply(to: "flush_all\r\n") }
            let key = "k\(Int.random(in: 0..<700, using: &generator))"
            switch Int.random(in: 0..<40, using: &generator) {
            case 0..<24: _ = try node.reply(to: "set \(key) 0 0 9000\r\n\(value)\r\n")
            case 24..<26: _ = try node.reply(to: "add \(key) 0 5 1\r\nx\r\n")
            case 26..<28: _ = try node.reply(to: "delete \(key)\r\n")
            case 28: _ = try node.reply(to: "mg \(key) N0 v\r\n")
            case 29: advance(node, seconds: 1)
            default: _ = try node.reply(to: "get \(key)\r\n")
            }
        }
        let found = counts(node)
        let ended = found.filter { $0.key.hasPrefix("ended_") }.values.reduce(0, +)
        #expect(found["born"] == ended + (found["live"] ?? -1), "seed \(seed): \(found)")
        for end in ["logout", "idle", "flushed"] {
            #expect(found["ended_\(end)"].map { $0 > 0 } == true, "\(end) of seed \(seed)")
        }
    }

    @Test("Locks are sessions to the map, and told apart where it is known what one is")
    func locks() throws {
        let node = try node { $0.locks.keys = [LockKeys("lock.")].compactMap(\.self) }
        _ = try node.reply(
            to:
                "add lock.a 0 30 1\r\n1\r\nset a 0 0 1\r\nx\r\ndelete lock.a\r\nadd b 0 0 1\r\nx\r\n"
                + "delete b\r\n")
        let found = counts(node)
        #expect(found["born"] == 3 && found["lock_born"] == 1)
        #expect(found["ended_logout"] == 2 && found["lock_deleted"] == 1)
    }
}

/// What is told of the last minutes.
@Suite(.timeLimit(.minutes(10)))
struct SessionHistoryTests {
    private func history(_ samples: [(UInt64, MapVitals)]) -> SessionHistory {
        let history = SessionHistory()
        for (second, vitals) in samples { history.note(second: second) { vitals } }
        return history
    }

    private func used(_ byteCount: Int, evictions: Int = 0) -> MapVitals {
        MapVitals(usedByteCount: byteCount, evictionCount: evictions)
    }

    @Test("Time to full is what is left, at the rate of the last minutes; never where it shrinks")
    func timeToFull() {
        #expect(SessionHistory().reading(limitByteCount: 1_000).timeToFull == .unknown)
        let young = history([(100, used(0)), (109, used(90))])
        #expect(young.reading(limitByteCount: 1_000).timeToFull == .unknown)
        let growing = history([(100, used(0)), (110, used(100))])
        #expect(growing.reading(limitByteCount: 1_000).timeToFull == .seconds(90))
        #expect(growing.reading(limitByteCount: 1_000).growthBytesPerSecond == 10)
        #expect(growing.reading(limitByteCount: 50).timeToFull == .seconds(0))
        let shrinking = history([(100, used(500)), (110, used(400))])
        #expect(shrinking.reading(limitByteCount: 1_000).timeToFull == .never)
        #expect(shrinking.reading(limitByteCount: 1_000).growthBytesPerSecond == -10)
        let still = history([(100, used(500)), (110, used(500))])
        #expect(still.reading(limitByteCount: 1_000).timeToFull == .never)
        // Full as soon as somebody has to go, whatever is free by now.
        let full = history([(100, used(500)), (101, used(490, evictions: 1))])
        #expect(full.reading(limitByteCount: 1_000).timeToFull == .seconds(0))
    }

    @Test("What was before the last five minutes does not count any more, and takes no memory")
    func window() {
        let history = SessionHistory()
        for second in 0..<1_000 {
            let byteCount = second < 500 ? second * 1_000 : 500_000 + (second - 500)
            history.note(second: UInt64(second)) { used(byteCount) }
            // More often does no harm.
            history.note(second: UInt64(second)) {
                Issue.record("looked at twice in a second")
                return used(0)
            }
        }
        #expect(history.reading(limitByteCount: 1 << 30).growthBytesPerSecond == 1)
        #expect(history.reading(limitByteCount: 1 << 30).usedByteCount == 500_499)
    }

    @Test("Expiry's lag is that of the last minute")
    func lag() {
        func vitals(_ expired: Int, _ lag: Int, _ most: UInt32) -> MapVitals {
            MapVitals(
                usedByteCount: 0, expiredCount: expired, lagSeconds: lag, lagSecondsMax: most)
        }
        let early = history([(100, vitals(10, 5, 3)), (130, vitals(20, 25, 4))])
        #expect(early.reading(limitByteCount: 1).lagSecondsMax == 4)
        #expect(early.reading(limitByteCount: 1).lagSecondsMean == 2)
        let later = history([
            (100, vitals(10, 5, 9)), (159, vitals(20, 25, 2)), (160, vitals(30, 30, 1)),
        ])
        #expect(later.reading(limitByteCount: 1).lagSecondsMax == 2)
        #expect(later.reading(limitByteCount: 1).lagSecondsMean == 1.25)
        #expect(SessionHistory().reading(limitByteCount: 1).lagSecondsMean == 0)
    }

    @Test("An item that is removed three seconds late says so, once")
    func vitals() throws {
        let node = try InProcessNode(.small)
        _ = try node.reply(to: "set a 0 10 1\r\nx\r\nset b 0 12 1\r\nx\r\nset c 0 5 1\r\nx\r\n")
        #expect(node.map.takeVitals().expiredCount == 0)
        node.space.clock.advance(seconds: 5)
        // Met, and not late.
        _ = try node.reply(to: "get c\r\n")
        node.space.clock.advance(seconds: 8)
        for shard in 0..<node.map.shardCount {
            while node.map.maintain(shard: shard, now: node.now.seconds, itemBudget: 100) {}
        }
        let vitals = node.map.takeVitals()
        #expect(vitals.expiredCount == 2 && vitals.lagSeconds == 4 && vitals.lagSecondsMax == 3)
        #expect(vitals.usedByteCount > 0 && vitals.usedByteCount < 4 << 20)
        #expect(node.map.takeVitals().lagSecondsMax == 0)
    }
}
