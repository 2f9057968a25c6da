import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// `-o lock_keys`: an `add` of a lock that is held waits for it, first come first served.
@Suite(.timeLimit(.minutes(10)))
struct LockTests: LockStage {
    // MARK: Handing over

    /// An `add` in each form, what it is answered with the lock, and without.
    private static let forms: [(add: String, got: String, refused: String)] = [
        ("add lock.a 0 30 1\r\n1\r\n", "STORED\r\n", "NOT_STORED\r\n"),
        ("add lock.a 0 30 1 noreply\r\n1\r\n", "", ""),
        ("ms lock.a 1 ME T30 k s Oq\r\n1\r\n", "HD klock.a s1 Oq\r\n", "NS klock.a s1 Oq\r\n"),
        ("ms bG9jay5h 1 ME b k\r\n1\r\n", "HD kbG9jay5h b\r\n", "NS kbG9jay5h b\r\n"),
        ("ms lock.a 1 ME q\r\n1\r\n", "", "NS\r\n"),
        ("ms lock.a 1 ME q k E99\r\n1\r\n", "", "NS klock.a\r\n"),
    ]

    @Test(
        "Whoever waits gets the lock when it is deleted, and what was sent behind is answered after"
    )
    func handOver() throws {
        for cut in [Cuts.whole, .pieces(byteCount: 1)] {
            for (add, got, _) in Self.forms {
                let node = try makeNode()
                let (holder, waiter) = (node.open(), node.open(cuts: cut))
                #expect(try ask(holder, Self.add) == "STORED\r\n")
                #expect(try ask(waiter, "mn\r\n" + add + "mg lock.a v\r\nmn\r\n") == "MN\r\n")
                #expect(waiter.turn == .waiting)
                // Others go on, also under that key.
                #expect(try ask(holder, "get lock.a\r\n").hasPrefix("VALUE lock.a 0 1\r\n1\r\n"))
                try node.attendWaits()
                #expect(received(waiter) == "")
                #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
                try node.attendWaits()
                #expect(received(waiter) == got + "VA 1\r\n1\r\nMN\r\n", "\(add)")
                #expect(waiter.turn == .needsInput)
                #expect(node.pool.lentCount == 0)
                node.map.checkInvariants(now: node.now.seconds)
            }
        }
    }

    @Test("Without the lock in time the answer is what it is without waiting")
    func timeOver() throws {
        for ending in [WaitEnding.overdue, .peerLeft, .stopping] {
            for (add, _, refused) in Self.forms {
                let node = try makeNode()
                let (holder, waiter) = (node.open(), node.open())
                #expect(try ask(holder, Self.add) == "STORED\r\n")
                #expect(try ask(waiter, add + "mn\r\n") == "")
                try end(waiter, ending, on: node)
                #expect(received(waiter) == refused + "MN\r\n", "\(add)")
                // Nobody waits for it any more: it is anybody's.
                #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
                try node.attendWaits()
                #expect(try ask(holder, Self.add) == "STORED\r\n")
            }
        }
    }

    @Test(
        "A lock that expires, is flushed, or is replaced by what is gone is handed over; no other is"
    )
    func otherEnds() throws {
        let ends:
            [(name: String, isGone: Bool, end: (InProcessNode, InProcessPeer) throws -> Void)] =
                [
                    ("flush_all", true, { _ = try self.ask($1, "flush_all\r\n") }),
                    (
                        "flush_all 2", true,
                        { node, peer in
                            _ = try self.ask(peer, "flush_all 2\r\n")
                            node.advanceClock(seconds: 2, through: peer)
                        }
                    ),
                    (
                        "expiry", true,
                        { node, peer in node.advanceClock(seconds: 30, through: peer) }
                    ),
                    (
                        "not yet", false,
                        { node, peer in node.advanceClock(seconds: 29, through: peer) }
                    ),
                    ("touch", true, { _ = try self.ask($1, "touch lock.a -1\r\n") }),
                    ("touch for longer", false, { _ = try self.ask($1, "touch lock.a 100\r\n") }),
                    ("md", true, { _ = try self.ask($1, "md lock.a\r\n") }),
                    ("md with invalidation", false, { _ = try self.ask($1, "md lock.a I\r\n") }),
                    ("set", false, { _ = try self.ask($1, "set lock.a 0 0 1\r\n2\r\n") }),
                    (
                        "set to be gone", true,
                        { _ = try self.ask($1, "set lock.a 0 -1 1\r\n2\r\n") }
                    ),
                    ("incr", false, { _ = try self.ask($1, "incr lock.a 1\r\n") }),
                    ("gat", false, { _ = try self.ask($1, "gat 100 lock.a\r\n") }),
                    (
                        "another lock's end", false,
                        {
                            _ = try self.ask($1, "add lock.b 0 0 0\r\n\r\ndelete lock.b\r\n")
                        }
                    ),
                    (
                        "eviction", true,
                        { _, peer in
                            let value = String(repeating: "x", count: 2_000)
                            for number in 0..<3_000 {
                                _ = try self.ask(peer, "set f\(number) 0 0 2000\r\n\(value)\r\n")
                            }
                        }
                    ),
                ]
        for (name, isGone, end) in ends {
            let node = try makeNode { $0.setEviction(probationPercent: nil, proofAgeSeconds: nil) }
            let (holder, waiter) = (node.open(), node.open())
            #expect(try ask(holder, Self.add) == "STORED\r\n")
            #expect(try ask(waiter, Self.add) == "")
            try end(node, holder)
            try node.attendWaits()
            #expect(received(waiter) == (isGone ? "STORED\r\n" : ""), "\(name)")
            // In any case it works on.
            if !isGone {
                #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
                try node.attendWaits()
                #expect(received(waiter) == "STORED\r\n", "\(name)")
            }
        }
    }

    @Test("The time of a lock that was waited for counts from when it was got")
    func exptime() throws {
        for add in ["add lock.a 0 10 1\r\n1\r\n", "ms lock.a 1 ME T10\r\n1\r\n"] {
            let node = try makeNode()
            let (holder, waiter) = (node.open(), node.open())
            #expect(try ask(holder, Self.add) == "STORED\r\n")
            #expect(try ask(waiter, add) == "")
            node.space.clock.advance(seconds: 7)
            #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
            try node.attendWaits()
            #expect(received(waiter) != "")
            #expect(try ask(holder, "mg lock.a t\r\n") == "HD t10\r\n")
        }
    }

    // MARK: Order

    @Test("Who came first is served first; who comes while others wait does not come between")
    func order() throws {
        let node = try makeNode()
        let peers = (0..<5).map { _ in node.open() }
        let newcomer = node.open()
        #expect(try ask(peers[0], Self.add) == "STORED\r\n")
        for peer in peers[1...] { #expect(try ask(peer, Self.add) == "") }
        for place in 1..<5 {
            #expect(try ask(peers[place - 1], "delete lock.a\r\n") == "DELETED\r\n")
            if place == 2 {
                // The lock is free, and promised.
                #expect(try ask(newcomer, Self.add) == "")
                #expect(try ask(peers[0], "ms lock.a 1 ME\r\n1\r\n") == "")
                try end(peers[0], .overdue, on: node)
                #expect(received(peers[0]) == "NS\r\n")
            }
            try node.attendWaits()
            for (number, peer) in peers.enumerated() where number != 0 {
                #expect(received(peer) == (number == place ? "STORED\r\n" : ""))
            }
        }
        #expect(received(newcomer) == "")
        #expect(try ask(peers[4], "delete lock.a\r\n") == "DELETED\r\n")
        try node.attendWaits()
        #expect(received(newcomer) == "STORED\r\n")
        #expect(statistics(node)["lock_waiting"] == 0)
    }

    @Test("Who waits and goes, called or not, is passed over")
    func gone() throws {
        for isCalled in [false, true] {
            for leaves in [0, 1] {
                let node = try makeNode()
                let holder = node.open()
                let waiters = (0..<3).map { _ in node.open() }
                #expect(try ask(holder, Self.add) == "STORED\r\n")
                for waiter in waiters { #expect(try ask(waiter, Self.add) == "") }
                if isCalled {
                    #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
                    node.space.locks?.callNext()
                }
                waiters[leaves].close()
                if !isCalled { #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n") }
                try node.attendWaits()
                let next = waiters[leaves == 0 ? 1 : 0]
                #expect(received(next) == "STORED\r\n")
                #expect(received(waiters[2]) == "")
                #expect(try ask(next, "delete lock.a\r\n") == "DELETED\r\n")
                try node.attendWaits()
                #expect(received(waiters[2]) == "STORED\r\n")
            }
        }
    }

    @Test("A lock that was called for and is taken by set before it is got is waited for on")
    func takenBySet() throws {
        let node = try makeNode()
        let (holder, waiter) = (node.open(), node.open())
        #expect(try ask(holder, Self.add) == "STORED\r\n")
        #expect(try ask(waiter, Self.add) == "")
        #expect(
            try ask(holder, "delete lock.a\r\nset lock.a 0 0 1\r\n2\r\n").hasSuffix("STORED\r\n"))
        try node.attendWaits()
        #expect(received(waiter) == "" && waiter.turn == .waiting)
        #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
        try node.attendWaits()
        #expect(received(waiter) == "STORED\r\n")
    }

    @Test("Several wait for several locks, and one connection for one after the other")
    func several() throws {
        let node = try makeNode(["lock.", "*.lock"])
        let holder = node.open()
        let waiter = node.open()
        #expect(
            try ask(holder, "add lock.a 0 0 0\r\n\r\nadd s.lock 0 0 0\r\n\r\n")
                == "STORED\r\nSTORED\r\n")
        #expect(try ask(waiter, "add lock.a 0 0 0\r\n\r\nadd s.lock 0 0 0\r\n\r\nmn\r\n") == "")
        #expect(
            try ask(holder, "delete s.lock\r\nadd s.lock 0 0 0\r\n\r\n").hasSuffix("STORED\r\n"))
        #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
        try node.attendWaits()
        #expect(received(waiter) == "STORED\r\n")
        #expect(try ask(holder, "delete s.lock\r\n") == "DELETED\r\n")
        try node.attendWaits()
        #expect(received(waiter) == "STORED\r\nMN\r\n")
        // The holder of a lock that adds it again waits for itself, for a while.
        #expect(try ask(waiter, Self.add) == "")
        try end(waiter, .overdue, on: node)
        #expect(received(waiter) == "NOT_STORED\r\n")
    }

    // MARK: Who does not wait

    @Test("Without lock_keys, and under other keys, an add is answered at once")
    func others() throws {
        let keys = ["lock.a", "lock.", "a.lock", "lock", "xlock.a"]
        let held: [String: Set<String>] = [
            "": [], "lock.": ["lock.a", "lock."], "*.lock": ["a.lock"],
            "lock": ["lock.a", "lock.", "lock"], "*a": ["lock.a", "xlock.a"],
        ]
        for (pattern, waiting) in held {
            let node = try makeNode(pattern.isEmpty ? [] : [pattern])
            for key in keys {
                let add = "add \(key) 0 0 1\r\n1\r\n"
                let peer = node.open()
                #expect(try ask(peer, add) == "STORED\r\n")
                let reply = waiting.contains(key) ? "" : "NOT_STORED\r\n"
                #expect(try ask(peer, add) == reply, "\(pattern) \(key)")
            }
            // Other commands never wait.
            let peer = node.open()
            #expect(
                try ask(
                    peer,
                    "replace lock.b 0 0 1\r\n1\r\nappend lock.b 0 0 1\r\n1\r\nms lock.b 1 MR\r\n1\r\n"
                        + "incr lock.a 1\r\n") == "NOT_STORED\r\nNOT_STORED\r\nNS\r\n2\r\n")
            // What libmemcached asks whether a key exists.
            #expect(try ask(peer, "add lock.a 0 2678400 0\r\n\r\n") == "NOT_STORED\r\n")
        }
    }

    @Test("A value of 512 bytes may wait, a longer one is refused")
    func longValues() throws {
        for (count, reply) in [(511, ""), (512, ""), (513, "NOT_STORED\r\n")] {
            let node = try makeNode()
            let peer = node.open()
            let value = String(repeating: "v", count: count)
            #expect(try ask(peer, Self.add) == "STORED\r\n")
            #expect(try ask(peer, "add lock.a 0 0 \(count)\r\n\(value)\r\n") == reply)
        }
        let node = try makeNode()
        let (holder, peer) = (node.open(), node.open())
        let value = String(repeating: "v", count: 100_000)
        #expect(try ask(holder, Self.add) == "STORED\r\n")
        #expect(try ask(peer, "add lock.a 0 0 100000\r\n\(value)\r\n") == "NOT_STORED\r\n")
        // Nor may it take a lock that others wait for.
        #expect(try ask(peer, Self.add) == "")
        #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
        #expect(try ask(holder, "add lock.a 0 0 100000\r\n\(value)\r\n") == "NOT_STORED\r\n")
        try node.attendWaits()
        #expect(received(peer) == "STORED\r\n")
    }

    @Test("At most so many wait for one lock, and for all; more are refused at once")
    func bounds() throws {
        let node = try makeNode {
            $0.locks.waiterCountMaxPerKey = 3
            $0.locks.waiterCountMax = 4
        }
        let holder = node.open()
        func add(_ key: String) throws -> (peer: InProcessPeer, reply: String) {
            let peer = node.open()
            return (peer, try ask(peer, "add lock.\(key) 0 0 0\r\n\r\n"))
        }
        for key in ["a", "b", "c"] { _ = try ask(holder, "add lock.\(key) 0 0 0\r\n\r\n") }
        var first: InProcessPeer?
        for number in 0..<3 {
            let (peer, reply) = try add("a")
            #expect(reply == "")
            if number == 0 { first = peer }
        }
        #expect(try add("a").reply == "NOT_STORED\r\n")
        #expect(try add("b").reply == "")
        #expect(try add("b").reply == "NOT_STORED\r\n")
        #expect(try add("c").reply == "NOT_STORED\r\n")
        // A free one is nobody's.
        #expect(try add("d").reply == "STORED\r\n")
        try end(#require(first), .overdue, on: node)
        #expect(try add("c").reply == "")
        #expect(try add("a").reply == "NOT_STORED\r\n")
        #expect(statistics(node)["lock_waiting"] == 4)
    }
}
