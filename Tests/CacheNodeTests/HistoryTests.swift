import Testing

@testable import CacheNode
@testable import NodeStage

@Suite(.timeLimit(.minutes(10)))
struct HistoryTests {
    private func sample(_ value: Float) -> [Float] { Series.allCases.map { _ in value } }

    @Test("A ring keeps so many, the latest, and no more")
    func ring() {
        var ring = History.Ring(capacity: 3, width: 2)
        #expect(ring.last(5, of: 0) == [])
        for number in 1...5 {
            ring.append([Float(number), Float(-number)])
            #expect(ring.count == min(3, number))
            #expect(ring.last(1, of: 1) == [Float(-number)])
        }
        #expect(ring.last(9, of: 0) == [3, 4, 5] && ring.last(2, of: 1) == [-4, -5])
        #expect(ring.last(0, of: 0) == [] && ring.last(-1, of: 0) == [])
        #expect(ring.byteCount == 24)
    }

    @Test("Ten seconds become one of hours, by their mean; what is not known has no part in it")
    func coarse() {
        var history = History()
        let size = history.byteCount
        for number in 0..<25 { history.append(sample(number == 3 ? .nan : Float(number))) }
        #expect(history.fine.count == 25 && history.coarse.count == 2)
        #expect(history.coarse.last(2, of: 0) == [42.0 / 9, 14.5])
        for _ in 0..<30_000 { history.append(sample(1)) }
        #expect(history.fine.count == 600 && history.coarse.count == 2_160)
        // Bounded, and as much as is said.
        #expect(history.byteCount == size && size < 300_000)
        #expect(history.sum(.gets) == 600 && history.sum(.gets, lastSeconds: 10) == 10)
        var rare = History()
        rare.append(sample(0))
        #expect(rare.sum(.loggedOut) == 0)
        rare.append(sample(0.01))
        #expect(rare.sum(.loggedOut) == 1)
        #expect(history.mean(.gets) == 1 && history.growth(.usedBytes) == 0)
    }

    @Test("Growth is told by a gauge's ends, once there are ten of them")
    func growth() {
        var history = History()
        #expect(history.growth(.usedBytes) == nil && history.mean(.gets) == nil)
        for number in 0..<9 { history.append(sample(Float(number) * 100)) }
        #expect(history.growth(.usedBytes) == nil)
        history.append(sample(900))
        #expect(history.growth(.usedBytes) == 100)
    }

    @Test("Rates are of counters, gauges as they are, and a share of a processor is a percentage")
    func rates() {
        func reading(_ value: Double) -> SeriesReading { SeriesReading { _ in value } }
        let since = reading(3_000_000).since(reading(2_000_000), seconds: 2)
        func value(_ series: Series) -> Float { since[SeriesReading.places[series] ?? 0] }
        #expect(value(.gets) == 500_000 && value(.items) == 3_000_000)
        #expect(value(.processorPercent) == 50)
        let back = reading(1).since(reading(2), seconds: 1)
        #expect(back[SeriesReading.places[.gets] ?? 0] == 0)
        let atOnce = reading(1).since(reading(1), seconds: 0)
        #expect(atOnce.filter { !$0.isNaN }.isEmpty)
    }

    @Test(
        "With one LRU queue nobody is said to be safe: what had been read, and was evicted, may have been in use"
    )
    func lru() throws {
        var configuration = NodeConfiguration.small
        configuration.setEviction(probationPercent: nil, proofAgeSeconds: nil)
        let node = try InProcessNode(configuration)
        let watch = SpaceWatch(node.space, node.context)
        watch.look()
        let value = String(repeating: "x", count: 1_000)
        for number in 0..<4_000 {
            _ = try node.reply(to: "set k\(number) 0 0 1000\r\n\(value)\r\nget k\(number)\r\n")
        }
        watch.look()
        let facts = watch.facts(StatisticsReading(node.context, node.space, now: node.now))
        #expect(facts.loggedOut > 0 && !facts.tellsProven)
        #expect(facts.verdict(.loggedOut).light == .red)
    }

    @Test("A space's watch sees what its node does")
    func watch() throws {
        let node = try InProcessNode()
        let watch = SpaceWatch(node.space, node.context)
        watch.look()
        #expect(watch.history.fine.count == 0)
        _ = try node.reply(to: "set a 0 0 1\r\nx\r\nget a\r\n")
        watch.look()
        #expect(watch.history.fine.count == 1 && watch[.items] == 1 && watch[.gets] > 0)
        let document = StatusDocument.history(watch).text
        #expect(document.contains("\"items\":[1]") && document.contains("\"titles\""))
    }
}

/// The rules by which the page is green, amber or red.
@Suite(.timeLimit(.minutes(10)))
struct VerdictTests {
    private func light(
        _ question: Verdict.Question, _ change: (inout Facts) -> Void
    ) -> Verdict.Light {
        var facts = Facts()
        change(&facts)
        return facts.verdict(question).light
    }

    @Test("Each question has a sentence, a rule and what to do, and nothing is red by itself")
    func all() {
        let verdicts = Facts().verdicts
        #expect(verdicts.map(\.question) == Verdict.Question.allCases)
        for verdict in verdicts {
            #expect(verdict.light == .green || verdict.light == .off, "\(verdict)")
            #expect(!verdict.sentence.isEmpty && verdict.question.title.hasSuffix("?"))
            #expect(verdict.question.advice.hasSuffix(".") && verdict.question.rule.hasSuffix("."))
        }
    }

    @Test("Lights change where their rules say")
    func rules() {
        #expect(light(.loggedOut) { $0.loggedOut = 1 } == .amber)
        #expect(light(.loggedOut) { ($0.loggedOut, $0.loggedOutRecently) = (1, 1) } == .red)
        var facts = Facts()
        (facts.loggedOut, facts.loggedOutRecently, facts.tellsProven) = (1, 1, false)
        #expect(facts.verdict(.loggedOut).light == .red)
        #expect(facts.verdict(.loggedOut).sentence.contains("it is not known"))
        func fill(_ rate: Double) -> Verdict.Light {
            light(.room) { ($0.usedBytes, $0.limitBytes, $0.bytesPerSecond) = (0, 3_600_000, rate) }
        }
        #expect(fill(1_000) == .green && fill(1_001) == .amber)
        #expect(light(.room) { $0.refusedForRoomRecently = 1 } == .red)
        func evicted(_ age: Int) -> Verdict.Light {
            light(.evicted) { ($0.evictedRecently, $0.evictedAgeSeconds) = (5, age) }
        }
        #expect(evicted(59) == .amber && evicted(60) == .green)
        #expect(light(.evicted) { $0.evicts = false } == .off)
        func slow(_ microseconds: Double) -> Verdict.Light {
            light(.speed) { $0.slowMicroseconds = microseconds }
        }
        #expect(slow(5_000) == .green && slow(5_001) == .amber)
        #expect(slow(50_000) == .amber && slow(50_001) == .red)
        func heavy(_ count: UInt64, of total: UInt64) -> Verdict.Light {
            light(.load) { $0.heaviest = ("a", "reads", count, total) }
        }
        #expect(heavy(250, of: 1_000) == .green && heavy(251, of: 1_000) == .amber)
        #expect(heavy(999, of: 999) == .green)
        func waiting(_ count: Int, _ late: Double) -> Verdict.Light {
            light(.locks) {
                ($0.hasLocks, $0.waiting, $0.lockTimeoutsRecently) = (true, count, late)
            }
        }
        #expect(waiting(20, 0) == .green && waiting(21, 0) == .amber && waiting(0, 1) == .amber)
        #expect(waiting(0, 60) == .amber && waiting(0, 61) == .red)
        func copies(_ change: (inout Facts.Members) -> Void) -> Verdict.Light {
            var members = Facts.Members()
            change(&members)
            return light(.copies) { $0.members = members }
        }
        #expect(copies { _ in } == .green && copies { $0.away = ["b"] } == .amber)
        #expect(copies { $0.singleCopiesRecently = 1 } == .red)
        #expect(copies { $0.refusesChanges = true } == .red)
        #expect(light(.restart) { $0.start = Facts.Start(items: 1) } == .green)
        #expect(light(.restart) { $0.start = Facts.Start(items: 1, damaged: 1) } == .amber)
        func open(_ count: Int) -> Verdict.Light {
            light(.connections) { ($0.connections, $0.connectionsMax) = (count, 100) }
        }
        #expect(open(80) == .green && open(81) == .amber)
        #expect(light(.connections) { $0.isAccepting = false } == .red)
        #expect(light(.connections) { $0.turnedAwayRecently = 1 } == .red)
        #expect(light(.connections) { $0.brokenRecently = 1 } == .amber)
        func lag(_ seconds: Double) -> Verdict.Light {
            light(.expiry) { $0.expiryLagSeconds = seconds }
        }
        #expect(lag(2) == .green && lag(3) == .amber && lag(10) == .amber && lag(11) == .red)
    }

    @Test("Numbers are written for people")
    func figures() {
        #expect(
            Figure.count(0) == "0" && Figure.count(0.05) == "0.05" && Figure.count(9_999) == "9,999"
        )
        #expect(Figure.count(12_345) == "12 k" && Figure.count(2_500_000) == "2.5 M")
        #expect(Figure.bytes(1_023) == "1023 bytes" && Figure.bytes(5 << 30) == "5 GiB")
        #expect(Figure.microseconds(999) == "999 µs" && Figure.microseconds(1_500) == "1.5 ms")
        #expect(Figure.duration(119) == "119 s" && Figure.duration(7_200) == "2 h")
        #expect(Figure.percent(0.995) == "100 %" && Figure.percent(0.012) == "1.2 %")
    }

    @Test("A document is JSON, whatever is in it")
    func json() {
        let document = JSON.object([
            ("a\"", .text("\u{1}\n\\")), ("n", .number(.nan)), ("x", .number(1.23456)),
            ("l", .list([.flag(true), .null, .count(-1)])),
        ])
        #expect(
            document.text
                == "{\"a\\\"\":\"\\u0001\\u000a\\\\\",\"n\":null,\"x\":1.235,\"l\":[true,null,-1]}")
    }
}
