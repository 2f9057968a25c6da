import Testing

@testable import SessionMap

/// How long items live where the map has rules on that.
@Suite(.timeLimit(.minutes(10))) struct TimeoutTests {
    private static let idle: UInt32 = 1_800
    private static let absolute: UInt32 = 28_800

    private func makeMap(
        idle: UInt32 = 0, absolute: UInt32 = 0, fallback: UInt32 = 0, max: UInt32 = 0,
        lead: Int64 = 60_000_000
    ) throws -> SessionMap {
        try SessionMap(
            Self.configuration(
                idle: idle, absolute: absolute, fallback: fallback, max: max, lead: lead),
            now: 10)
    }

    private static func configuration(
        idle: UInt32 = 0, absolute: UInt32 = 0, fallback: UInt32 = 0, max: UInt32 = 0,
        lead: Int64 = 60_000_000, checksums: Bool = true
    ) -> MapConfiguration {
        var rules = TimeoutRules()
        rules.idleSeconds = idle
        rules.absoluteSeconds = absolute
        rules.defaultSeconds = fallback
        rules.maxSeconds = max
        var features: ArenaFeatures = absolute == 0 ? [] : .births
        if checksums { features.insert(.checksums) }
        return MapConfiguration(
            byteCount: 1 << 20, itemByteCountMax: 100_000, shardCount: 2, hashSeed: 42,
            features: features, lifetimes: Lifetimes(rules, birthClockLead: lead))
    }

    private let key = Array("session:1".utf8)

    /// Seconds that the item has left, looked at without an access; nil where there is none, -1 for ever.
    private func left(_ map: SessionMap, now: UInt32, key: [UInt8]? = nil) -> Int? {
        var left: Int?
        let key = key ?? self.key
        _ = map.peek(key.span, now: now) { hit in
            left = hit.secondsLeft.map { Int($0) } ?? -1
        }
        return left
    }

    private func get(_ map: SessionMap, now: UInt32) -> Bool { map.get(key, now: now).hit != nil }

    // MARK: What clients ask for

    @Test("What is stored for ever gets the default, what is stored for a time keeps that")
    func defaults() throws {
        let map = try makeMap(fallback: 600)
        #expect(map.set(key, [1]) == .stored)
        #expect(left(map, now: 10) == 600)
        #expect(map.set(key, [1], deadline: .at(40)) == .stored)
        #expect(left(map, now: 10) == 30)
        #expect(map.get(key, touch: .never).hit != nil)
        #expect(left(map, now: 10) == 600)
        #expect(map.statistics(now: 10).exptimeDefaultedCount == 2)
        #expect(left(map, now: 609) == 1 && left(map, now: 610) == nil)
    }

    @Test("Nothing is stored or touched for longer than the rules let anybody ask for")
    func caps() throws {
        let map = try makeMap(max: 600)
        for wish in [Deadline.never, .at(611), .at(1 << 40)] {
            #expect(map.set(key, [1], deadline: wish) == .stored)
            #expect(left(map, now: 10) == 600)
            #expect(map.get(key, touch: wish).hit != nil)
            #expect(left(map, now: 10) == 600)
        }
        #expect(map.set(key, [1], deadline: .at(610)) == .stored)
        #expect(left(map, now: 10) == 600)
        #expect(map.statistics(now: 10).exptimeCappedCount == 6)
        #expect(map.set(key, [1], deadline: .past) == .stored)
        #expect(left(map, now: 10) == nil)
    }

    @Test("A number that is counted and an empty item that is made for its reader keep the rules")
    func madeItems() throws {
        let map = try makeMap(idle: Self.idle, fallback: 7_200)
        var request = ArithmeticRequest(delta: 1, increments: true)
        request.initial = .init(number: 1, deadline: .never)
        #expect(map.arithmetic(key.span, request, now: 10) == .created)
        #expect(left(map, now: 10) == 1_800)
        #expect(map.arithmetic(key.span, request, now: 110) == .value(2))
        #expect(left(map, now: 110) == 1_800)
        let other = Array("lease".utf8)
        _ = map.retrieve(other.span, now: 10, creating: Vivification(deadline: .never)) { _ in
            .copied
        }
        #expect(left(map, now: 10, key: other) == 1_800)
        #expect(map.statistics(now: 10).exptimeDefaultedCount == 2)
        map.checkInvariants(now: 110)
    }

    // MARK: Idle

    @Test("Each access puts off the end of what its client lets live as long as idle, or for ever")
    func renewal() throws {
        let map = try makeMap(idle: Self.idle)
        for wish in [Deadline.never, .at(1_810), .at(90_000)] {
            #expect(map.set(key, [1], deadline: wish) == .stored)
            #expect(left(map, now: 10) == 1_800)
            #expect(get(map, now: 1_000) && left(map, now: 1_000) == 1_800)
            #expect(get(map, now: 2_799) && left(map, now: 2_799) == 1_800)
            map.maintainFully(now: 4_598)
            #expect(left(map, now: 4_598) == 1)
            #expect(!get(map, now: 4_599))
        }
        #expect(map.statistics(now: 4_599).expiredIdleCount == 3)
        map.checkInvariants(now: 4_599)
    }

    @Test("An access within the second of the one before stores nothing")
    func renewalBySeconds() throws {
        let map = try makeMap(idle: Self.idle)
        #expect(map.set(key, [1]) == .stored)
        for _ in 0..<5 { #expect(get(map, now: 10)) }
        #expect(map.statistics(now: 10).idleRenewedCount == 0)
        for _ in 0..<5 { #expect(get(map, now: 11)) }
        #expect(map.statistics(now: 11).idleRenewedCount == 1)
    }

    @Test("A look that is no access puts nothing off")
    func looks() throws {
        let map = try makeMap(idle: Self.idle)
        #expect(map.set(key, [1]) == .stored)
        #expect(map.retrieve(key.span, now: 100, isAccess: false) { _ in .copied }.outcome == .hit)
        #expect(map.retrieve(key.span, now: 100) { _ in .none }.outcome == .hit)
        #expect(map.set(key, [1], mode: .add, now: 100) == .notStored)
        #expect(left(map, now: 100) == 1_710)
    }

    @Test("A client's shorter time is kept, until it asks for a longer one")
    func clientsTime() throws {
        let map = try makeMap(idle: Self.idle)
        #expect(map.set(key, [1], deadline: .at(40)) == .stored)
        #expect(get(map, now: 30) && left(map, now: 30) == 10)
        #expect(map.get(key, now: 30, touch: .at(30 + 1_799)).hit != nil)
        #expect(get(map, now: 40) && left(map, now: 40) == 1_789)
        #expect(map.get(key, now: 50, touch: .at(50 + 1_800)).hit != nil)
        #expect(get(map, now: 60) && left(map, now: 60) == 1_800)
        #expect(map.get(key, now: 70, touch: .at(100)).hit != nil)
        #expect(get(map, now: 99) && left(map, now: 99) == 1)
        #expect(!get(map, now: 100))
        // It was its client's time.
        #expect(map.statistics(now: 100).expiredIdleCount == 0)
    }

    @Test("What is appended to, or counted, was accessed; what was the client's time stays that")
    func changes() throws {
        let map = try makeMap(idle: Self.idle)
        #expect(map.set(key, Array("1".utf8)) == .stored)
        #expect(map.set(key, Array("2".utf8), mode: .append, now: 500) == .stored)
        #expect(left(map, now: 500) == 1_800)
        let up = ArithmeticRequest(delta: 1, increments: true)
        #expect(map.arithmetic(key.span, up, now: 900) == .value(13))
        #expect(left(map, now: 900) == 1_800)
        #expect(map.set(key, Array("1".utf8), deadline: .at(950), now: 900) == .stored)
        #expect(map.arithmetic(key.span, up, now: 920) == .value(2))
        #expect(left(map, now: 920) == 30)
    }

    // MARK: Absolute

    @Test("No access, touch or overwrite lets a session live beyond the absolute timeout")
    func absolute() throws {
        let map = try makeMap(idle: Self.idle, absolute: Self.absolute)
        #expect(map.set(key, [1]) == .stored)
        let end = 10 + Self.absolute
        var now: UInt32 = 10
        while now + 900 < end {
            now += 900
            switch now / 900 % 4 {
            case 0: #expect(map.set(key, [2], deadline: .at(90_000), now: now) == .stored)
            case 1: #expect(map.set(key, [3], mode: .append, now: now) == .stored)
            case 2: #expect(map.get(key, now: now, touch: .never).hit != nil)
            default: #expect(get(map, now: now))
            }
            #expect(left(map, now: now).map { now + UInt32($0) <= end } == true)
        }
        #expect(map.set(key, [1], mode: .replace, now: end - 1) == .stored)
        #expect(left(map, now: end - 1) == 1)
        #expect(!get(map, now: end))
        let counts = map.statistics(now: end)
        #expect(counts.expiredAbsoluteCount == 1 && counts.expiredIdleCount == 0)
        #expect(counts.absoluteCappedCount > 0)
        // What is stored again begins anew.
        #expect(map.set(key, [1], now: end) == .stored)
        #expect(left(map, now: end) == Int(Self.idle))
        map.checkInvariants(now: end)
    }

    @Test("A deleted session that is stored again begins anew, and so does another key")
    func newSessions() throws {
        let map = try makeMap(absolute: 100)
        #expect(map.set(key, [1]) == .stored)
        #expect(map.set(key, [1], now: 60) == .stored && left(map, now: 60) == 50)
        #expect(map.remove(key, now: 60))
        #expect(map.set(key, [1], now: 60) == .stored && left(map, now: 60) == 100)
        let other = Array("session:2".utf8)
        #expect(map.set(other, [1], now: 80) == .stored && left(map, now: 80, key: other) == 100)
    }

    @Test("A value that arrives in parts keeps the rules, by the birth of what it replaces")
    func parts() throws {
        let map = try makeMap(idle: 60, absolute: 100)
        let value = [UInt8](repeating: 7, count: 40_000)
        func receive(now: UInt32) throws {
            let request = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)
            guard
                case .pending(var pending) = map.begin(
                    key.span, request, valueByteCount: value.count, now: now)
            else {
                Issue.record("it was refused")
                return
            }
            while pending.bytesLeft > 0 {
                let count = min(pending.target.count, pending.bytesLeft)
                pending.target.copyBytes(from: value.prefix(count))
                #expect(map.received(count, in: &pending, now: now))
            }
            #expect(map.commit(pending, now: now) == .stored)
        }
        try receive(now: 10)
        #expect(left(map, now: 10) == 60)
        try receive(now: 60)
        #expect(left(map, now: 60) == 50)
        #expect(get(map, now: 61) && left(map, now: 61) == 49)
        map.checkInvariants(now: 61)
    }

    // MARK: Other processes

    @Test(
        "All rules hold over a restart, and nothing lives longer for it", arguments: [true, false])
    func restart(checksums: Bool) throws {
        let memory = OutlivingMemory(
            Self.configuration(idle: 600, absolute: 1_000, checksums: checksums))
        let short = Array("lock".utf8)
        do {
            let map = try memory.makeMap()
            #expect(map.set(key, [1], now: 10) == .stored)
            #expect(map.set(short, [1], deadline: .at(600), now: 10) == .stored)
            #expect(get(map, now: 300))
        }
        let (map, report) = try memory.recover(now: 310)
        #expect(report.itemCount == 2 && report.damagedCount == 0)
        #expect(left(map, now: 310) == 590 && left(map, now: 310, key: short) == 290)
        #expect(get(map, now: 500) && left(map, now: 500) == 510)
        #expect(map.get(short, now: 500).hit != nil && left(map, now: 500, key: short) == 100)
        map.checkInvariants(now: 500)
        map.maintainFully(now: 1_009)
        #expect(left(map, now: 1_009) == 1 && left(map, now: 1_010) == nil)
    }

    @Test("What was stored under no rules comes under those of the next process")
    func newRules() throws {
        let memory = OutlivingMemory(
            MapConfiguration(
                byteCount: 1 << 20, shardCount: 2, hashSeed: 42, features: .checksums))
        let short = Array("short".utf8)
        let long = Array("long".utf8)
        do {
            let map = try memory.makeMap()
            #expect(map.set(key, [1]) == .stored)
            #expect(map.set(short, [1], deadline: .at(100)) == .stored)
            #expect(map.set(long, [1], deadline: .at(90_000)) == .stored)
        }
        let header = try ArenaHeader.read(memory.page).get()
        var report = RecoveryReport()
        let map = try SessionMap(
            Self.configuration(idle: 600), recovering: memory.bytes, header: header, now: 20,
            report: &report)
        #expect(report.itemCount == 3 && report.damagedCount == 0)
        #expect(left(map, now: 20) == 600 && left(map, now: 20, key: long) == 600)
        #expect(left(map, now: 20, key: short) == 80)
        #expect(map.get(short, now: 50).hit != nil && left(map, now: 50, key: short) == 50)
        #expect(get(map, now: 300) && left(map, now: 300) == 600)
        map.checkInvariants(now: 300)
        #expect(left(map, now: 620, key: long) == nil)
    }

    @Test("Rules can be changed while the map serves, unless births would be needed")
    func changedRules() throws {
        let map = try makeMap()
        #expect(map.set(key, [1]) == .stored)
        var rules = TimeoutRules()
        rules.absoluteSeconds = 100
        #expect(!map.setTimeouts(rules) && left(map, now: 10) == -1)
        rules.absoluteSeconds = 0
        rules.idleSeconds = 60
        #expect(map.setTimeouts(rules))
        #expect(get(map, now: 10) && left(map, now: 10) == -1)
        #expect(map.get(key, touch: .never).hit != nil)
        #expect(get(map, now: 50) && left(map, now: 50) == 60)
        #expect(map.setTimeouts(TimeoutRules()))
        #expect(get(map, now: 70) && left(map, now: 70) == 40)
        let born = try makeMap(absolute: 100)
        #expect(born.set(key, [1]) == .stored && left(born, now: 10) == 100)
        rules.absoluteSeconds = 200
        #expect(born.setTimeouts(rules) && left(born, now: 10) == 100)
        #expect(born.get(key, touch: .at(500)).hit != nil && left(born, now: 10) == 60)
    }

    // MARK: What is told

    @Test("Age and the time since the last access are told of an item on probation, too")
    func told() throws {
        let map = try makeMap(idle: Self.idle, absolute: Self.absolute)
        #expect(map.set(key, [1]) == .stored)
        var told: (age: UInt32?, idle: UInt32)?
        func look(at now: UInt32) {
            _ = map.peek(key.span, now: now) {
                told = (map.lifetimes.age(of: $0), map.lifetimes.secondsSinceAccess(of: $0))
            }
        }
        look(at: 25)
        #expect(told?.age == 15 && told?.idle == 15)
        #expect(get(map, now: 30))
        look(at: 37)
        #expect(told?.age == 27 && told?.idle == 7)
        let plain = try makeMap(idle: Self.idle)
        #expect(plain.set(key, [1]) == .stored)
        _ = plain.peek(key.span, now: 20) { #expect(plain.lifetimes.age(of: $0) == nil) }
    }

    @Test("Rules that leave one another nothing are told apart from those that do not")
    func contradictions() {
        var rules = TimeoutRules()
        #expect(!rules.areOn && rules.contradiction == nil)
        rules.idleSeconds = 60
        rules.absoluteSeconds = 60
        rules.maxSeconds = 60
        rules.defaultSeconds = 60
        #expect(rules.areOn && rules.contradiction == nil)
        for path in [\TimeoutRules.absoluteSeconds, \.maxSeconds] {
            var wrong = rules
            wrong[keyPath: path] = 59
            #expect(wrong.contradiction != nil)
        }
        var wrong = rules
        wrong.defaultSeconds = 61
        #expect(wrong.contradiction != nil)
    }
}
