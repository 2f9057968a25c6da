import Glibc
import TestSupport
import Testing

@testable import CacheNode
@testable import MemcacheProtocol
@testable import NodeStage

/// What was asked for, in which protocol, and how long it took.
@Suite(.timeLimit(.minutes(10)))
struct RequestTallyTests {
    private func counts(_ node: InProcessNode) -> [String: UInt64] {
        var all: [String: UInt64] = [:]
        for statistic in node.context.statistics(.requests, of: node.space, now: node.now) {
            guard statistic.name.contains(":"), case .counter(let count) = statistic.value,
                count > 0
            else { continue }
            all[statistic.name] = count
        }
        return all
    }

    private static let lines = [
        ("get a", "text:get"), ("gets a b c", "text:gets"), ("gat 0 a", "text:gat"),
        ("gats 0 a", "text:gats"), ("touch a 0", "text:touch"), ("set a 0 0 1\r\n1", "text:set"),
        ("add a 0 0 1\r\n1", "text:add"), ("replace a 0 0 1 noreply\r\n1", "text:replace"),
        ("append a 0 0 1\r\n1", "text:append"), ("prepend a 0 0 1\r\n1", "text:prepend"),
        ("cas a 0 0 1 1\r\n1", "text:cas"), ("incr a 1", "text:incr"), ("decr a 1", "text:decr"),
        ("delete a", "text:delete"), ("flush_all", "text:other"), ("version", "text:other"),
        ("stats settings", "text:other"), ("mg a v", "meta:mg"), ("mg a q", "meta:mg"),
        ("ms a 1\r\n1", "meta:ms"), ("md a", "meta:md"), ("ma a", "meta:ma"),
        ("me a", "meta:me"), ("mn", "meta:mn"), ("set a 0 0 1\r\nlong", "text:set"),
    ]

    @Test("Each command counts as one request, and as no other")
    func commands() throws {
        for (line, name) in Self.lines {
            let node = try InProcessNode()
            _ = try node.reply(to: line + "\r\n")
            #expect(counts(node) == [name: 1], "\(line)")
            #expect(try node.reply(to: "stats reset\r\n") == "RESET\r\n")
            // Put down once its reply has gone.
            #expect(counts(node) == ["text:other": 1])
        }
        let node = try InProcessNode()
        _ = try node.reply(to: "nonsense\r\nset a 0 0 2000000\r\n")
        #expect(counts(node).isEmpty)
    }

    @Test("A request counts once, in however many pieces it comes, and however many there are")
    func pieces() throws {
        for cuts in [Cuts.whole, .pieces(byteCount: 7)] {
            let node = try InProcessNode(cuts: cuts)
            let value = String(repeating: "x", count: 40_000)
            _ = try node.reply(
                to: bytes(
                    "set a 0 0 40000\r\n\(value)\r\nms b 40000\r\n\(value)\r\n"
                        + String(repeating: "get a b\r\n", count: 100)))
            #expect(counts(node) == ["text:set": 1, "meta:ms": 1, "text:get": 100])
        }
    }

    @Test("Binary requests count as what they are, quiet ones, too")
    func binary() throws {
        let kinds: [(UInt8, RequestKind)] = [
            (0x00, .binaryGet), (0x0d, .binaryGet), (0x1d, .binaryGat), (0x1c, .binaryTouch),
            (0x01, .binarySet), (0x11, .binarySet), (0x02, .binaryAdd), (0x03, .binaryReplace),
            (0x0e, .binaryAppend), (0x0f, .binaryPrepend), (0x04, .binaryDelete),
            (0x05, .binaryIncr), (0x06, .binaryDecr), (0x0a, .binaryOther), (0x10, .binaryOther),
        ]
        for (opcode, kind) in kinds {
            #expect(BinaryCommand.of(opcode).map { RequestKind($0.command) } == kind)
            #expect(RequestKind([0x80, opcode], knowsDebugtime: false) == kind)
        }
        #expect(RequestKind(bytes("add k 0 0 1\r\n1\r\n"), knowsDebugtime: false) == .textAdd)
        #expect(RequestKind(bytes("md k q\r\n"), knowsDebugtime: false) == .metaDelete)
        let node = try InProcessNode()
        var packet = [UInt8](repeating: 0, count: 24)
        (packet[0], packet[1], packet[3], packet[11]) = (0x80, 0x00, 1, 1)
        _ = try node.reply(to: packet + [UInt8(ascii: "a")] + packet + [UInt8(ascii: "b")])
        #expect(counts(node) == ["binary:get": 2])
    }

    @Test("Kinds have a protocol, a family and a name of their own")
    func kinds() {
        let names = Set(RequestKind.allCases.map { "\($0.requestProtocol) \($0.command)" })
        #expect(names.count == RequestKind.allCases.count && RequestKind.allCases.count <= 64)
        let places = Set(RequestKind.allCases.map(\.timedPlace))
        // In the meta protocol there is no touch.
        #expect(places.count == RequestKind.timedPlaceCount - 1)
        #expect(places.allSatisfy { (0..<RequestKind.timedPlaceCount).contains($0) })
        #expect(RequestKind.metaArithmetic.command == "ma" && RequestKind.textCas.command == "cas")
    }

    @Test("A turn's requests are put down with its time, together, and nothing is left of them")
    func turns() {
        let tally = RequestTally()
        #expect(!tally.hasAny)
        for kind in [RequestKind.textGet, .textGet, .binaryDecr, .textGet] { tally.note(kind) }
        #expect(tally.count(.textGet) == 0 && tally.hasAny)
        tally.finishTurn(nanoseconds: 10_000)
        if tally.hasAny { tally.finishTurn(nanoseconds: 99_000) }
        #expect(tally.count(.textGet) == 3 && tally.count(.binaryDecr) == 1 && !tally.hasAny)
        let gets = tally.times(at: RequestKind.textGet.timedPlace)
        #expect(gets.count == 3 && gets.sum == 3 * 40 && gets.count(upTo: 39) == 0)
        tally.note([.textAdd, .metaGet], nanoseconds: 300_000_000)
        #expect(tally.times(at: RequestKind.textSet.timedPlace).sum == 1_200_000)
    }

    @Test("An add that waits 300 ms for its lock shows up among those that store, and only there")
    func waits() throws {
        let bench = try WorkerBench(workerCount: 2) { $0.locks.waitMilliseconds = 20_000 }
        let (holder, waiter) = (try bench.connect(to: 0), try bench.connect(to: 1))
        let add = "add lock.a 0 30 1\r\n1\r\n"
        #expect(holder.ask(add) == "STORED\r\n")
        waiter.send(add)
        try bench.wait(for: "somebody who waits") { try bench.locks().waiting == 1 }
        #expect(holder.ask("get lock.a\r\n").hasSuffix("END\r\n"))
        usleep(300_000)
        #expect(holder.ask("delete lock.a\r\n") == "DELETED\r\n")
        #expect(waiter.receive() == "STORED\r\n")
        func times(_ family: RequestFamily) -> LatencySnapshot? {
            bench.node.space.latencies().first { $0.family == family.rawValue }
        }
        try bench.wait(for: "both adds") { times(.set)?.count == 2 }
        let stores = try #require(times(.set))
        #expect(stores.maxMicroseconds >= 300_000 && stores.sumMicroseconds >= 300_000)
        #expect(stores.buckets.first { $0.boundMicroseconds == 262_144 }?.count == 1)
        #expect(stores.microseconds(quantile: 0.5) < 300_000)
        for family in [RequestFamily.get, .delete] {
            let others = try #require(times(family))
            #expect(others.count == 1 && others.maxMicroseconds < 300_000)
            #expect(others.protocolName == "text" && others.sumMicroseconds > 0)
        }
        // Nobody else's, and since the reset nobody's.
        bench.context.resetStatistics(of: bench.node.space)
        #expect(bench.node.space.latencies().allSatisfy { $0.count == 0 })
    }

    @Test("What the clock shows is kept for a sixteenth of a second, unless somebody moves it")
    func shownMoments() {
        let clock = NodeClock()
        let nanoseconds = NodeClock.nanoseconds() / 62_500_000 * 62_500_000
        let shown = NodeClock.Shown(clock, nanoseconds: nanoseconds)
        for later: UInt64 in [0, 1, 62_499_999] {
            #expect(shown.moment(of: clock, nanoseconds: nanoseconds + later) == shown.moment)
        }
        #expect(shown.moment(of: clock, nanoseconds: nanoseconds + 62_500_000) == nil)
        clock.advance(seconds: 5)
        #expect(shown.moment(of: clock, nanoseconds: nanoseconds) == nil)
        let moved = NodeClock.Shown(clock, nanoseconds: nanoseconds)
        #expect(moved.moment.seconds == shown.moment.seconds + 5)
        clock.pause()
        #expect(moved.moment(of: clock, nanoseconds: nanoseconds) == nil)
        let paused = NodeClock.Shown(clock, nanoseconds: nanoseconds)
        clock.resume()
        #expect(paused.moment(of: clock, nanoseconds: nanoseconds) == nil)
    }
}
