import MemcacheProtocol
import SessionMap
import SessionValues
import TestSupport
import Testing

@testable import CacheNode

/// Looking at all sessions of a space, in turns.
@Suite(.timeLimit(.minutes(10)))
struct SessionWalkTests {
    private let space: Space
    private var map: SessionMap { space.map }

    init() throws {
        var configuration = SpaceConfiguration()
        configuration.memoryByteCount = 64 << 20
        configuration.itemByteCountMax = 8 << 20
        let clock = NodeClock()
        clock.pause()
        space = Space(
            configuration,
            map: try SessionMap(
                configuration.map.with(features: .births), now: clock.now().seconds),
            clock: clock, workerCount: 2)
    }

    private func key(_ number: Int) -> [UInt8] { Array("s:\(number)".utf8) }

    /// - Parameter birth: seconds since 2025.
    private func set(_ key: [UInt8], _ value: String, birth: UInt32? = nil) {
        if let birth {
            let version = UInt64(birth) * 1_000_000 << 14 | UInt64(map.shardNumber(of: key.span))
            map.setNextStamp(key.span, version: version, birth: birth)
        }
        let outcome = map.store(
            key.span, StoreRequest(mode: .set, clientFlags: 0, deadline: .never),
            value: Array(value.utf8).span, now: space.clock.now().seconds)
        #expect(outcome == .stored)
    }

    private func session(of user: String, padding: Int = 0) -> String {
        "pad|s:\(padding):\"\(String(repeating: "p", count: padding))\";user|s:\(user.utf8.count):\"\(user)\";"
    }

    private func walk(
        _ line: String, began: UInt32 = 1_000, between: (Int) -> Void = { _ in }
    ) throws -> (found: [SessionWalk.Found], tally: SessionTally) {
        let query = try SessionQuery(line.utf8)
        let walk = SessionWalk(space, query, rule: query.rule, began: began)
        var found: [SessionWalk.Found] = []
        var turn = 0
        while walk.turn({ found.append($0) }) {
            between(turn)
            turn += 1
        }
        #expect(walk.progress == 1)
        return (found, walk.tally)
    }

    @Test(
        "A user's sessions are found among others', small ones and large ones, whole and in pieces")
    func find() throws {
        for number in 0..<5_000 {
            let padding = [0, 100, 900, 16_300, 16_384, 20_000][
                number % 97 == 0 ? number / 97 % 6 : 1]
            set(key(number), session(of: "u\(number % 1_000)", padding: padding))
        }
        // Into holes that others have left.
        for number in stride(from: 0, to: 5_000, by: 3) {
            _ = map.delete(key(number).span, now: space.clock.now().seconds)
        }
        for number in 5_000..<5_010 {
            set(key(number), session(of: "large", padding: 1 << 20))
        }
        let (found, tally) = try walk("list user=u17 rule=php:user")
        #expect(
            found.map { String(decoding: $0.key, as: UTF8.self) }.sorted()
                == ["s:17", "s:2017", "s:3017"])
        #expect(found.allSatisfy { $0.user == Array("u17".utf8) })
        #expect(tally.itemCount == 5_000 - 1_667 + 10 && tally.withUser == tally.itemCount)
        #expect(try walk("list user=large rule=php:user").found.count == 10)
        #expect(try walk("list contains=user|s:3 rule=php:user").found.count > 0)
        #expect(try walk("list larger_than=1000000").found.count == 10)
        #expect(try walk("list key_prefix=s:499").found.count == 8)
        #expect(try walk("list key_prefix=s:499 except=s:4990 except=s:4993").found.count == 6)
        // Nothing is held when it is over.
        #expect(map.brokenInvariants() == [])
        #expect(map.statistics(now: space.clock.now().seconds).pinnedByteCount == 0)
    }

    @Test(
        "While sessions are stored, replaced and ended nobody is found twice, and nobody missed who stays"
    )
    func changes() throws {
        for number in 0..<3_000 { set(key(number), session(of: "stays")) }
        var other = 3_000
        var generator = SeededGenerator(seed: 4)
        let (found, _) = try walk("list user=stays rule=php:user") { _ in
            for _ in 0..<40 {
                set(key(other), session(of: "comes"))
                other += 1
                // The same session with more in it.
                let number = Int.random(in: 0..<3_000, using: &generator)
                set(
                    key(number),
                    session(of: "stays", padding: Int.random(in: 0...40_000, using: &generator)))
                if number % 2 == 1 {
                    _ = map.delete(
                        key(3_000 + number % (other - 3_000)).span, now: space.clock.now().seconds)
                }
            }
        }
        #expect(found.count == 3_000)
        #expect(Set(found.map(\.key)).count == 3_000)
    }

    @Test("What began after the command is left alone, and what is rewritten meanwhile is not")
    func births() throws {
        set(key(1), session(of: "ann"), birth: 500)
        set(key(2), session(of: "ann"), birth: 999)
        set(key(3), session(of: "ann"), birth: 1_000)
        set(key(4), session(of: "ann"), birth: 1_001)
        // Stored anew later.
        set(key(1), session(of: "ann"), birth: 1_001)
        let (found, tally) = try walk("revoke user=ann rule=php:user", began: 1_000)
        #expect(Set(found.map(\.key)) == [key(1), key(2), key(3)])
        #expect(tally.createdSince == 1)
        #expect(try walk("list older_than=2").found.map(\.key) == [key(1)])
        #expect(try walk("list older_than=0").found.count == 3)
    }

    @Test("How long nobody has used a session is told by its last access")
    func idle() throws {
        set(key(1), session(of: "ann"))
        set(key(2), session(of: "ann"))
        space.clock.advance(seconds: 100)
        _ = map.retrieve(key(2).span, now: space.clock.now().seconds) { _ in .copied }
        space.clock.advance(seconds: 50)
        #expect(try walk("list idle_for=120").found.map(\.key) == [key(1)])
        #expect(try walk("list idle_for=40").found.count == 2)
        #expect(try walk("list idle_for=200").found.isEmpty)
        // To look is no access.
        #expect(try walk("list idle_for=120 user=ann rule=php:user").found.map(\.key) == [key(1)])
    }

    @Test("What cannot be looked into is counted, with what it looks like")
    func kinds() throws {
        set(key(1), session(of: "ann"))
        set(key(2), "{\"a\":1}")
        set(key(3), "eyJpdiI6IkFiYyI=")
        set(key(4), "user|N;")
        set(key(5), "")
        let (found, tally) = try walk("count rule=php:user")
        #expect(found.count == 5 && tally.withUser == 1 && tally.withoutUser == 2)
        #expect(tally.unreadable[ValueTrouble.otherForm.rawValue] == 1)
        #expect(tally.unreadable[ValueTrouble.encrypted.rawValue] == 1)
        #expect(tally.kinds[ValueKind.json.rawValue] == 1)
        #expect(tally.kinds[ValueKind.laravelEncrypted.rawValue] == 1)
        #expect(tally.kinds[ValueKind.empty.rawValue] == 1)
        var counted = SessionTally()
        for number in 0...SessionTally.userCountMax { counted.count(Array("\(number)".utf8)) }
        #expect(counted.users.count == SessionTally.userCountMax)
        #expect(counted.sessionsOfFurtherUsers == 1)
    }

    @Test("A value that cannot stay where it is, as too much is held, is said to be that")
    func noMemory() throws {
        set(key(1), session(of: "ann", padding: 7 << 20))
        var pins: [PinnedValue] = []
        for number in 2..<6 {
            set(key(number), session(of: "bob", padding: 7 << 20))
            let (_, _, pinned) = map.retrieve(key(number).span, now: space.clock.now().seconds) {
                _ in
                var use = HitUse()
                use.pinsValue = true
                return use
            }
            if let pinned { pins.append(pinned) }
        }
        let (found, tally) = try walk("list user=ann rule=php:user")
        #expect(found.isEmpty && tally.unreadable[ValueTrouble.noMemory.rawValue] == 1)
        for pin in pins { map.unpin(pin) }
        #expect(try walk("list user=ann rule=php:user").found.count == 1)
    }

    @Test("Replies to deletions are understood in each protocol")
    func outcomes() {
        func binary(_ status: UInt8) -> [UInt8] {
            [0x81, 4, 0, 0, 0, 0, 0, status] + [UInt8](repeating: 0, count: 16)
        }
        #expect(SessionEnding.outcome(of: binary(0)) == .ended)
        #expect(SessionEnding.outcome(of: binary(1)) == .gone)
        #expect(SessionEnding.outcome(of: binary(2)) == .changed)
        #expect(SessionEnding.outcome(of: binary(0x86)) == .failed)
        #expect(SessionEnding.outcome(of: Array("HD\r\n".utf8)) == .ended)
        #expect(SessionEnding.outcome(of: Array("NF\r\n".utf8)) == .gone)
        #expect(SessionEnding.outcome(of: Array("EX\r\n".utf8)) == .changed)
        #expect(SessionEnding.outcome(of: Array("SERVER_ERROR x\r\n".utf8)) == .failed)
        #expect(SessionEnding.outcome(of: []) == .failed)
    }
}
