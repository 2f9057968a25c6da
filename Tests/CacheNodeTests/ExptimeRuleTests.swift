import SessionMap
import Testing

@testable import CacheNode
@testable import MemcacheProtocol
@testable import NodeStage

@Suite(.timeLimit(.minutes(10)))
struct ExptimeRuleTests {
    private let now = Moment(seconds: 5_000, wallSeconds: 1_800_000_000)

    @Test(
        "0 is never and anything below has passed, by either rule",
        arguments: [
            ExptimeRule.asWritten, .classic,
        ])
    func zeroAndBelow(rule: ExptimeRule) {
        #expect(rule.deadline(0, now: now) == .never)
        #expect(rule.deadline(-1, now: now) == .past)
        #expect(rule.deadline(.min, now: now) == .past)
    }

    @Test("As written, seconds from now end below 1,000,000,000")
    func asWritten() {
        let rule = ExptimeRule.asWritten
        let end = ProtocolLimits.relativeExptimeEnd
        #expect(rule.deadline(1, now: now) == .at(5_001))
        #expect(rule.deadline(2_592_001, now: now) == .at(2_597_001))
        #expect(rule.deadline(end - 1, now: now) == .at(UInt64(end - 1) + 5_000))
        #expect(rule.deadline(end, now: now) == .past)
        #expect(rule.deadline(end + 1, now: now) == .past)
    }

    @Test("By memcached's rule, seconds from now end after 30 days")
    func classic() {
        let rule = ExptimeRule.classic
        let limit = ProtocolLimits.classicRelativeExptimeMax
        #expect(rule.deadline(limit - 1, now: now) == .at(UInt64(limit - 1) + 5_000))
        #expect(rule.deadline(limit, now: now) == .at(UInt64(limit) + 5_000))
        #expect(rule.deadline(limit + 1, now: now) == .past)
    }

    @Test(
        "A Unix time has passed when it is not in the future",
        arguments: [
            ExptimeRule.asWritten, .classic,
        ])
    func unixTimes(rule: ExptimeRule) {
        #expect(rule.deadline(1_799_999_999, now: now) == .past)
        #expect(rule.deadline(1_800_000_000, now: now) == .past)
        #expect(rule.deadline(1_800_000_001, now: now) == .at(5_001))
        #expect(rule.deadline(.max, now: now) == .at(5_000 + UInt64(Int32.max) - 1_800_000_000))
    }

    @Test("An add that only asks is told by its exptime and its empty value")
    func existenceProbe() {
        func probe(
            _ exptime: Int32, verb: StoreHeader.Verb = .add, byteCount: Int = 0,
            rule: ExptimeRule = .asWritten
        ) -> Bool {
            rule.isExistenceProbe(
                StoreHeader(
                    verb: verb, key: ByteRange(start: 4, count: 1), clientFlags: 0,
                    exptime: exptime, valueByteCount: byteCount, isQuiet: false))
        }
        #expect(probe(2_678_400))
        #expect(!probe(2_592_000))
        #expect(probe(2_592_001))
        #expect(probe(999_999_999))
        #expect(!probe(1_000_000_000))
        #expect(!probe(2_678_400, verb: .set))
        #expect(!probe(2_678_400, byteCount: 1))
        #expect(!probe(2_678_400, rule: .classic))
        #expect(!probe(0))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct NodeClockTests {
    @Test("A clock starts at its first second")
    func start() {
        let clock = NodeClock()
        clock.pause()
        #expect(clock.now().seconds == Deadline.clockStart)
    }

    @Test("A clock that is stopped is moved by seconds, and the wall clock with it")
    func pausedAdvance() {
        let clock = NodeClock()
        clock.pause()
        let before = clock.now()
        clock.advance(seconds: 31)
        let after = clock.now()
        #expect(after.seconds == before.seconds + 31)
        // The real wall clock may have gone on meanwhile.
        #expect((31...40).contains(after.wallSeconds - before.wallSeconds))
        clock.advance(seconds: -30)
        #expect(clock.now().seconds == before.seconds + 1)
    }

    @Test("A clock that runs again goes on from where it stood")
    func resume() {
        let clock = NodeClock()
        clock.pause()
        clock.advance(seconds: 1_000)
        let stood = clock.now().seconds
        clock.resume()
        #expect((stood...(stood + 10)).contains(clock.now().seconds))
        clock.resume()
        #expect((stood...(stood + 10)).contains(clock.now().seconds))
    }

    @Test("A clock that runs can be moved, but never before its first second")
    func advance() {
        let clock = NodeClock()
        clock.advance(seconds: 100)
        #expect(clock.now().seconds >= Deadline.clockStart + 100)
        clock.advance(seconds: -1_000)
        #expect(clock.now().seconds == Deadline.clockStart)
    }

    @Test("A clock cannot show more than its last second")
    func end() {
        let clock = NodeClock()
        clock.pause()
        clock.advance(seconds: Int64(UInt32.max) - Int64(Deadline.clockStart) - 1)
        #expect(clock.now().seconds == UInt32.max - 1)
        clock.advance(seconds: 1)
        #expect(clock.now().seconds == .max)
        clock.advance(seconds: 1)
        #expect(clock.now().seconds == .max)
    }

    @Test("Stopping twice is stopping once")
    func pauseTwice() {
        let clock = NodeClock()
        clock.pause()
        clock.advance(seconds: 5)
        clock.pause()
        #expect(clock.now().seconds == Deadline.clockStart + 5)
    }
}

/// Times and versions as real clients send and read them.
@Suite(.timeLimit(.minutes(10)))
struct ClientExptimeTests {
    @Test("A session whose time is a date lives until then: two seconds ahead, or 31 days")
    func dates() throws {
        let node = try InProcessNode()
        let days = 31 * 86_400
        var wall: Int64
        // All within one second of the wall clock, which goes on.
        repeat {
            wall = node.now.wallSeconds
            _ = try node.reply(
                to: "set short 0 \(wall + 2) 1\r\nx\r\nset long 0 \(wall + Int64(days)) 1\r\ny\r\n")
            _ = try node.reply(to: "set past 0 \(wall - 1) 1\r\nz\r\n")
        } while node.now.wallSeconds != wall
        func found() throws -> [Substring] {
            try node.reply(to: "get short long past\r\n").split(separator: "\r\n")
                .filter { $0.hasPrefix("VALUE ") }.map { $0.split(separator: " ")[1] }
        }
        #expect(try found() == ["short", "long"])
        node.space.clock.advance(seconds: 1)
        #expect(try found() == ["short", "long"])
        node.space.clock.advance(seconds: 1)
        #expect(try found() == ["long"])
        node.space.clock.advance(seconds: Int64(days) - 3)
        #expect(try found() == ["long"])
        node.space.clock.advance(seconds: 1)
        #expect(try found() == [])
    }

    @Test("The version is three plain numbers that end the line, the first from 1 to 255")
    func version() throws {
        let reply = try InProcessNode().reply(to: "version\r\n")
        #expect(reply.hasPrefix("VERSION ") && reply.hasSuffix("\r\n"))
        let numbers = reply.dropFirst(8).split(separator: "\r\n")[0].split(separator: ".")
        #expect(numbers.count == 3)
        #expect(numbers.allSatisfy { $0.allSatisfy { ("0"..."9").contains($0) } })
        #expect((1...255).contains(Int(numbers[0]) ?? 0))
    }
}
