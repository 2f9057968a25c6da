import Glibc
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// What is told of waits for locks: counters, pages, watchers.
@Suite(.timeLimit(.minutes(10)))
struct LockTellingTests: LockStage {
    @Test("Waits are counted, by how they ended; a reset sets what was counted to zero")
    func counters() throws {
        let node = try makeNode()
        let holder = node.open()
        let waiters = (0..<4).map { _ in node.open() }
        #expect(try ask(holder, Self.add) == "STORED\r\n")
        #expect(statistics(node).values.allSatisfy { $0 == 0 })
        for waiter in waiters { #expect(try ask(waiter, Self.add) == "") }
        #expect(statistics(node)["lock_waits"] == 4 && statistics(node)["lock_waiting"] == 4)
        let stores = node.count(.setCommands)
        #expect(stores == 5)
        try end(waiters[0], .overdue, on: node)
        waiters[1].close()
        usleep(20_000)
        #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
        try node.attendWaits()
        #expect(received(waiters[2]) == "STORED\r\n")
        // It was counted when it came.
        #expect(node.count(.setCommands) == stores)
        let counted = statistics(node)
        #expect(
            counted.filter { !$0.key.contains("_us") } == [
                "lock_waits": 4, "lock_hand_overs": 1, "lock_timeouts": 1, "lock_cancels": 1,
                "lock_waiting": 1,
            ])
        let longest = try #require(counted["lock_longest_wait_us"])
        let total = try #require(counted["lock_wait_us_total"])
        #expect(longest >= 20_000 && total >= longest && total <= 3 * longest)
        #expect(try ask(holder, "stats reset\r\n") == "RESET\r\n")
        #expect(
            statistics(node) == [
                "lock_waits": 0, "lock_hand_overs": 0, "lock_timeouts": 0, "lock_cancels": 0,
                "lock_waiting": 1, "lock_wait_us_total": 0, "lock_longest_wait_us": 0,
            ])
        waiters[3].close()
        #expect(statistics(node)["lock_cancels"] == 1 && statistics(node)["lock_waiting"] == 0)
    }

    @Test("A page tells of the locks that are waited for: keys only where they may be shown")
    func page() throws {
        for isShown in [true, false] {
            let node = try makeNode { $0.showsKeys = isShown }
            let (holder, operator_) = (node.open(), node.open())
            #expect(
                try ask(operator_, "stats locks\r\n")
                    == "STAT locks 0\r\nSTAT waiting 0\r\nEND\r\n")
            for key in ["a", "b", "c"] { _ = try ask(holder, "add lock.\(key) 0 0 0\r\n\r\n") }
            for key in ["a", "b", "b"] { _ = try ask(node.open(), "add lock.\(key) 0 0 0\r\n\r\n") }
            let lines = try ask(operator_, "stats locks\r\n").split(separator: "\r\n")
            #expect(lines.prefix(2) == ["STAT locks 2", "STAT waiting 3"] && lines.last == "END")
            let keys = lines.dropFirst(2).dropLast()
            guard isShown else {
                #expect(keys.isEmpty)
                continue
            }
            #expect(keys.count == 4)
            #expect(keys.first == "STAT lock.a:waiting 1")
            #expect(keys.contains("STAT lock.b:waiting 2"))
            #expect(keys.filter { $0.contains(":longest_us ") }.count == 2)
        }
    }

    @Test("A connection that waits says so in stats conns")
    func phase() throws {
        let node = try makeNode()
        let peer = node.open()
        #expect(try ask(peer, Self.add + Self.add) == "STORED\r\n")
        #expect(peer.connection.state.phase == .waiting)
        peer.connection.record.note(peer.connection.state.phase)
        #expect(peer.connection.record.phaseName == "conn_waiting")
    }

    @Test("Watchers are told of an add that waits when it comes, and when it gets the lock")
    func watchers() throws {
        let node = try makeNode()
        let (watcher, holder, waiter) = (node.open(), node.open(), node.open())
        #expect(try ask(watcher, "watch mutations\r\n") == "OK\r\n")
        #expect(try ask(holder, Self.add) == "STORED\r\n")
        #expect(try ask(waiter, Self.add) == "")
        #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
        try node.attendWaits()
        let lines = received(watcher).split(whereSeparator: \.isNewline)
        let states = lines.compactMap { line in
            line.split(separator: " ").first { $0.hasPrefix("status=") }
        }
        #expect(states == ["status=stored", "status=not_stored", "status=stored"])
        #expect(lines.last?.contains("cmd=add ttl=30") == true)
    }

    // MARK: Memory

    @Test("Ten thousand connections that wait for one lock hold no buffer, and leave in any order")
    func many() throws {
        let count = 10_000
        let node = try makeNode {
            $0.locks.waiterCountMaxPerKey = count
            $0.locks.waiterCountMax = count
        }
        let holder = node.open()
        #expect(try ask(holder, Self.add) == "STORED\r\n")
        let connections = (0..<count).map { _ in node.makeConnection() }
        let add = bytes(Self.add)
        for connection in connections {
            connection.input.room().copyBytes(from: add)
            connection.noteReceived(direct: 0, buffered: add.count, now: node.now)
            let turn = connection.run(commandLimit: 20, now: node.now)
            #expect(turn == .waiting)
            connection.input.releaseIfEmpty()
        }
        #expect(node.pool.lentCount == 0)
        #expect(statistics(node)["lock_waiting"] == count)
        for number in stride(from: count - 1, to: 0, by: -2) { connections[number].giveUp() }
        for number in 0..<100 { connections[number].giveUp() }
        #expect(statistics(node)["lock_waiting"] == count / 2 - 50)
        #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
        node.space.locks?.callNext()
        let first = try #require(connections[100].state.waiting)
        #expect(node.worker.takeResumptions().map(\.ticket) == [first.ticket])
    }
}
