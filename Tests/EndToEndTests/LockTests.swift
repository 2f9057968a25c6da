import TestSupport
import Testing

/// `-o lock_keys` from the command line to the peer.
@Suite(.timeLimit(.minutes(10)))
struct LockTests {
    private static let add = "add memc.sess.key.lock.1 0 30 1\r\n1"

    @Test("A PHP that finds its session locked gets the lock when the other page ends")
    func handOver() throws {
        let node = try RunningNode.sojournd([
            "-t", "2", "-o", "lock_keys=memc.sess.key.lock.,lock_wait=30000", "-o", "show_keys",
        ])
        let first = try node.connect()
        let second = try node.connect()
        let third = try node.connect()
        #expect(try first.ask(Self.add) == "STORED\r\n")
        for (count, peer) in [second, third].enumerated() {
            try peer.send(Self.add + "\r\n")
            while try node.counter("lock_waiting") != count + 1 {}
        }
        let conns = try node.connect().ask("stats conns", until: "END\r\n")
        #expect(conns.contains(":state conn_waiting\r\n"))
        #expect(
            try node.connect().ask("stats locks", until: "END\r\n")
                .hasPrefix(
                    "STAT locks 1\r\nSTAT waiting 2\r\nSTAT memc.sess.key.lock.1:waiting 2\r\n"))
        #expect(try first.ask("delete memc.sess.key.lock.1") == "DELETED\r\n")
        #expect(try second.receive(until: "\r\n") == "STORED\r\n")
        #expect(try second.ask("delete memc.sess.key.lock.1") == "DELETED\r\n")
        #expect(try third.receive(until: "\r\n") == "STORED\r\n")
        for (name, count) in [
            ("lock_waits", 2), ("lock_hand_overs", 2), ("lock_timeouts", 0), ("lock_cancels", 0),
            ("lock_waiting", 0),
        ] {
            #expect(try node.counter(name) == count, "\(name)")
        }
    }

    @Test("A node that is told to end answers those who wait")
    func end() throws {
        let node = try RunningNode.sojournd(["-o", "lock_keys=*.lock,lock_wait=30000"])
        let (holder, waiter) = (try node.connect(), try node.connect())
        #expect(try holder.ask("add a.lock 0 0 1\r\n1") == "STORED\r\n")
        try waiter.send("add a.lock 0 0 1\r\n1\r\n")
        while try node.counter("lock_waiting") != 1 {}
        node.program.send(15)
        #expect(try waiter.receiveUntilEnd() == "NOT_STORED\r\n")
    }

    @Test("Who waits for a lock takes 1 KiB at most, and no buffer")
    func memory() throws {
        let node = try RunningNode.sojournd([
            "-t", "2", "-o", "lock_keys=lock.,lock_wait=60000,lock_waiters=1000",
        ])
        func residentByteCount() throws -> Int {
            let status = try #require(contents(of: "/proc/\(node.program.processID)/statm"))
            return try #require(Int(status.split(separator: " ")[1])) * 4_096
        }
        let holder = try node.connect()
        let add = "add lock.\(String(repeating: "k", count: 60)) 0 30 1\r\n1"
        #expect(try holder.ask(add) == "STORED\r\n")
        let peers = try (0..<900).map { _ in try node.connect() }
        for peer in peers { #expect(try peer.ask("mn") == "MN\r\n") }
        let before = try residentByteCount()
        for peer in peers { try peer.send(add + "\r\n") }
        while try node.counter("lock_waiting") != peers.count {}
        #expect(try node.counter("read_buf_count").map { $0 < 64 } == true)
        // A quarter of a megabyte is what a process takes for nothing.
        #expect(try residentByteCount() - before < (peers.count << 10) + (256 << 10))
    }

    @Test("Without the option nobody waits, and nothing is counted")
    func off() throws {
        let node = try RunningNode.sojournd()
        let peer = try node.connect()
        #expect(try peer.ask(Self.add) == "STORED\r\n")
        #expect(try peer.ask(Self.add) == "NOT_STORED\r\n")
        #expect(try node.counter("lock_waits") == 0)
        #expect(
            try peer.ask("stats locks", until: "END\r\n")
                == "STAT locks 0\r\nSTAT waiting 0\r\nEND\r\n")
        #expect(
            try peer.ask("stats settings", until: "END\r\n").contains("STAT lock_keys none\r\n"))
    }
}
