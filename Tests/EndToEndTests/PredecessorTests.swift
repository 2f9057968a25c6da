import Glibc
import TestSupport
import Testing

/// A memcached whose place a node takes, by `-o predecessor`: a real one.
@Suite(.timeLimit(.minutes(10)))
struct PredecessorTests {
    private func pair(
        _ flags: [String] = [], options: String = ""
    ) throws -> (old: RestartableNode, node: RunningNode) {
        let old = try RestartableNode(RunningNode.memcachedPath, flags: ["-U", "0"])
        return (old, try successor(of: [old], options, flags))
    }

    private func successor(
        of old: [RestartableNode], _ options: String = "", _ flags: [String] = []
    ) throws -> RunningNode {
        let words = old.map { "predecessor=\($0.host):\($0.port)" }.joined(separator: ",")
        return try RunningNode.sojournd(["-v", "-o", words + options] + flags)
    }

    private func awaitIt(_ node: RunningNode) throws { try node.program.waitToSay("is there") }

    private func value(_ peer: SocketPeer, _ key: String) throws -> String? {
        let lines = try peer.ask("get \(key)", until: "END\r\n").split(
            separator: "\r\n", omittingEmptySubsequences: false)
        return lines.count > 2 ? String(lines[1]) : nil
    }

    @Test(
        "What is not here moves over, with client flags, time and CAS unique, whoever asks for it")
    func movesOver() throws {
        let (old, node) = try pair()
        let before = try old.connect()
        let peer = try node.connect()
        for key in [
            "get", "gets", "gat", "touch", "mg", "add", "append", "cas", "incr", "many1", "many2",
        ] {
            #expect(try before.ask("set \(key) 77 1000 2\r\n41") == "STORED\r\n")
        }
        #expect(try before.ask("set forever 5 0 1\r\nx") == "STORED\r\n")
        let unique = try before.ask("gets cas", until: "END\r\n")
            .split(separator: "\r\n")[0].split(separator: " ")[4]
        #expect(try peer.ask("get get", until: "END\r\n") == "VALUE get 77 2\r\n41\r\nEND\r\n")
        #expect(try peer.ask("gets gets", until: "END\r\n").hasPrefix("VALUE gets 77 2 "))
        #expect(try peer.ask("gat 500 gat", until: "END\r\n") == "VALUE gat 77 2\r\n41\r\nEND\r\n")
        #expect(try peer.ask("touch touch 600") == "TOUCHED\r\n")
        #expect(try peer.ask("mg mg v f", until: "41\r\n") == "VA 2 f77\r\n41\r\n")
        #expect(try peer.ask("add add 0 0 1\r\n9") == "NOT_STORED\r\n")
        #expect(try peer.ask("append append 0 0 1\r\n!") == "STORED\r\n")
        #expect(try value(peer, "append") == "41!")
        #expect(try peer.ask("cas cas 0 0 1 \(unique)\r\n7") == "STORED\r\n")
        #expect(try peer.ask("incr incr 1") == "42\r\n")
        let many = try peer.ask("get many1 none many2", until: "END\r\n")
        #expect(many == "VALUE many1 77 2\r\n41\r\nVALUE many2 77 2\r\n41\r\nEND\r\n")
        #expect(try peer.ask("mg forever t f") == "HD t-1 f5\r\n")
        for (key, seconds) in [("get", 1_000), ("gat", 500), ("touch", 600), ("append", 1_000)] {
            let left = Int(try peer.ask("mg \(key) t").dropFirst(4).dropLast()) ?? -2
            #expect((seconds - 20...seconds).contains(left), "\(key): \(left)")
        }
        // Nothing of it is there any more.
        try wait(for: "what has moved to be deleted there") {
            try before.ask("mg forever") == "EN\r\n"
        }
        #expect(try value(before, "get") == nil)
        #expect(try value(before, "many2") == nil)
        #expect(try node.counter("predecessor_stored") == 12)
        #expect(try node.counter("predecessor_deletes") == 12)
        #expect(try node.counter("predecessor_misses") == 1)
        #expect(try node.counter("predecessor_away") == 0)
    }

    @Test("What was stored, deleted or flushed here does not come back, and goes there at once")
    func neverComesBack() throws {
        let (old, node) = try pair()
        let before = try old.connect()
        let peer = try node.connect()
        for key in ["stored", "deleted", "logout", "expired", "large"] {
            #expect(try before.ask("set \(key) 0 1000 3\r\nold") == "STORED\r\n")
        }
        #expect(try peer.ask("set stored 0 1 3\r\nnew") == "STORED\r\n")
        #expect(try value(before, "stored") == nil)
        #expect(try peer.ask("delete deleted") == "DELETED\r\n")
        #expect(try value(before, "deleted") == nil)
        #expect(try peer.ask("delete none") == "NOT_FOUND\r\n")
        #expect(try value(peer, "logout") == "old")
        #expect(try peer.ask("md logout") == "HD\r\n")
        #expect(try peer.ask("touch expired 1") == "TOUCHED\r\n")
        let long = String(repeating: "v", count: (1 << 20) + 100)
        #expect(
            try peer.ask("set large 0 0 \(long.utf8.count)\r\n\(long)").hasPrefix("SERVER_ERROR"))
        try wait(for: "the old one to go") { try value(before, "large") == nil }
        usleep(2_100_000)
        for key in ["stored", "deleted", "logout", "expired", "large"] {
            #expect(try value(peer, key) == nil, "\(key)")
        }
        #expect(try before.ask("set flushed 0 1000 3\r\nold") == "STORED\r\n")
        #expect(try peer.ask("flush_all") == "OK\r\n")
        #expect(try value(before, "flushed") == nil)
        #expect(try value(peer, "flushed") == nil)
    }

    @Test("While it is away clients go on, and what they did meanwhile is told when it is back")
    func away() throws {
        let (old, node) = try pair(options: ",predecessor_timeout=100")
        try awaitIt(node)
        let before = try old.connect()
        let peer = try node.connect()
        for key in ["read", "stored", "deleted", "untouched"] {
            #expect(try before.ask("set \(key) 0 1000 3\r\nold") == "STORED\r\n")
        }
        // It hangs: whoever comes first waits, and nobody after that.
        try #require(old.program).suspend()
        #expect(try value(peer, "read") == nil)
        let start = ContinuousClock.now
        #expect(try peer.ask("set stored 0 1 3\r\nnew") == "STORED\r\n")
        #expect(try peer.ask("delete deleted") == "NOT_FOUND\r\n")
        #expect(try peer.ask("touch read 100") == "NOT_FOUND\r\n")
        #expect(ContinuousClock.now - start < .milliseconds(90))
        #expect(try node.counter("predecessor_late") ?? 0 >= 1)
        #expect(try node.counter("predecessor_away") ?? 0 >= 3)
        try #require(old.program).send(SIGCONT)
        try wait(for: "what was done to be told") { try value(before, "deleted") == nil }
        try wait(for: "its answers") {
            try node.connect().ask("stats", until: "END\r\n").contains(
                "predecessor_state there\r\n")
        }
        usleep(1_500_000)
        #expect(try value(peer, "stored") == nil)
        #expect(try value(peer, "deleted") == nil)
        // Nobody has changed these.
        #expect(try value(peer, "read") == "old")
        #expect(try value(peer, "untouched") == "old")
        // It dies, and comes back without anything; then it is gone for good.
        old.kill()
        try node.program.waitToSay("is away")
        #expect(try value(peer, "none") == nil)
        #expect(try peer.ask("delete owed") == "NOT_FOUND\r\n")
        // Beside it perhaps what had moved last, and was not known to be deleted there.
        #expect(try node.counter("predecessor_owed") ?? 0 >= 1)
        try old.start()
        try wait(for: "it to be there again") { try node.counter("predecessor_servers_there") == 1 }
        #expect(try node.counter("predecessor_owed") == 0)
        #expect(try old.connect().ask("set late 0 100 1\r\nx") == "STORED\r\n")
        #expect(try value(peer, "late") == "x")
        old.kill()
        for number in 0..<100 { #expect(try peer.ask("set k\(number) 0 0 1\r\nx") == "STORED\r\n") }
    }

    @Test(
        "A pipeline keeps its order, and binary clients are served, with keys that no line can have"
    )
    func protocols() throws {
        let (old, node) = try pair()
        let before = try old.connect()
        let peer = try node.connect()
        for key in ["a", "b"] {
            #expect(try before.ask("set \(key) 1 100 1\r\n\(key)") == "STORED\r\n")
        }
        try peer.send(
            "get a\r\nset a 2 0 1\r\nc\r\nget a\r\nget none\r\ndelete b\r\nget b\r\nmn\r\n")
        #expect(
            try peer.receive(until: "MN\r\n")
                == "VALUE a 1 1\r\na\r\nEND\r\nSTORED\r\nVALUE a 2 1\r\nc\r\nEND\r\nEND\r\nDELETED\r\nEND\r\nMN\r\n"
        )
        // The base64 of "a key".
        #expect(try before.ask("ms YSBrZXk= 3 b T50 F9\r\nold") == "HD\r\n")
        let binary = try node.connect()
        try binary.send(BinaryPacket(0x00, key: "a key").bytes + BinaryPacket(0x0a).bytes)
        var replies: [BinaryReplyPacket]?
        while (replies?.count ?? 0) < 2, binary.receive(isUnexpected: false) {
            replies = BinaryReplyPacket.all(in: binary.received)
        }
        #expect(replies?.first?.value == Array("old".utf8))
        #expect(replies?.first?.extras == [0, 0, 0, 9])
        try wait(for: "it to be deleted there") {
            try before.ask("mg YSBrZXk= b") == "EN\r\n"
        }
    }

    @Test("Several servers are asked by the ring that clients had")
    func ring() throws {
        let old = try (0..<3).map { _ in
            try RestartableNode(RunningNode.memcachedPath, flags: ["-U", "0"])
        }
        let node = try successor(of: old, ",predecessor_ring=modula")
        let peer = try node.connect()
        for number in 0..<30 {
            // One of them has it; the others are not asked.
            let key = "session:\(number)"
            for (place, server) in old.enumerated() {
                #expect(
                    try server.connect().ask("set \(key) \(place) 0 1\r\n\(place)") == "STORED\r\n")
            }
            #expect(try value(peer, key) != nil)
            #expect(try value(peer, key) != nil)
        }
        #expect(try node.counter("predecessor_asked") == 30)
        let counts = try old.map { server in
            let lines = try server.connect().ask("stats", until: "END\r\n").split(separator: "\r\n")
            return lines.first { $0.hasPrefix("STAT curr_items ") }.flatMap {
                Int($0.split(separator: " ")[2])
            } ?? 0
        }
        #expect(counts.reduce(0, +) == 60)
        #expect(counts.allSatisfy { $0 > 10 && $0 < 30 })
    }

    @Test("SIGHUP takes it out of a configuration, and nothing is asked any more")
    func takenOut() throws {
        let old = try RestartableNode(RunningNode.memcachedPath, flags: ["-U", "0"])
        let text = "spaces:\n- name: s\n  port: PORT0\n"
        let node = try SpacesNode(text + "  predecessor: [\"\(old.host):\(old.port)\"]\n")
        try node.program.waitToSay("is there")
        #expect(try old.connect().ask("set a 0 100 1\r\nx") == "STORED\r\n")
        #expect(try old.connect().ask("set b 0 100 1\r\nx") == "STORED\r\n")
        let peer = try node.connect(0)
        #expect(try value(peer, "a") == "x")
        try node.change(to: text)
        #expect(try value(peer, "b") == nil)
        #expect(try value(node.connect(0), "b") == nil)
        #expect(try value(peer, "a") == "x")
        #expect(try peer.ask("stats", until: "END\r\n").contains("predecessor_state out\r\n"))
        // It cannot come back without a restart.
        try node.change(to: text + "  predecessor: [\"\(old.host):\(old.port)\"]\n")
        try node.program.waitToSay("takes a restart")
        #expect(try value(peer, "b") == nil)
    }

    @Test(
        "What cannot be is said",
        arguments: [
            ("predecessor", "predecessor must be HOST"),
            ("predecessor=a:0", "predecessor must be HOST"),
            ("predecessor=a:70000", "predecessor must be HOST"),
            ("predecessor=a,predecessor=b", "need predecessor_ring"),
            ("predecessor=a,predecessor=a,predecessor_ring=ketama", "predecessor: "),
            ("predecessor=a,predecessor_ring=round", "predecessor_ring must be one of"),
            ("predecessor_timeout=100", "has no meaning without predecessor"),
            ("predecessor=a,predecessor_timeout=0", "predecessor_timeout must be 1 to 10000"),
            ("predecessor=a,predecessor_exptime=0", "at least 1 second"),
            ("predecessor_cluster=/nowhere", "predecessor_cluster: "),
            ("predecessor=localhost,sandbox", "no names are looked up"),
            ("predecessors=a", "Illegal suboption"),
        ])
    func refusals(options: String, message: String) throws {
        let user = getuid() == 0 ? ["-u", "root"] : []
        let (exit, _, errors) = try Program.run(
            RunningNode.sojourndPath(), user + ["-p", "-1", "-o", options])
        #expect(exit != .status(0))
        #expect(errors.contains(message), "\(errors)")
    }

    /// A program in Python that stands between a node and a memcached, and the port where it listens.
    private func started(
        _ script: String, in directory: TemporaryDirectory, before old: RestartableNode
    ) throws -> (Program, Int) {
        let port = try freePorts(1)[0]
        let path = try directory.write(script, to: "between.py")
        let program = try Program("/usr/bin/python3", [path, "\(port)", old.host, "\(old.port)"])
        try wait(for: "it to listen") { (try? SocketPeer(.tcp(port: UInt16(port)))) != nil }
        return (program, port)
    }

    /// A memcached as it was before 1.6: it knows no meta commands.
    private func oldFashioned(_ old: RestartableNode, _ directory: TemporaryDirectory) throws -> (
        Program, Int
    ) {
        try started(
            """
            import socket, sys, threading
            def serve(peer):
                server = socket.create_connection((sys.argv[2], int(sys.argv[3])))
                threading.Thread(target=answer, args=(server, peer), daemon=True).start()
                for line in peer.makefile("rb"):
                    if line[:2] in (b"mn", b"mg", b"md", b"ms"):
                        peer.sendall(b"ERROR\\r\\n")
                    else:
                        server.sendall(line)
            def answer(server, peer):
                while part := server.recv(65536):
                    peer.sendall(part)
            listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

            """, in: directory, before: old)
    }

    /// A memcached whose first answers about an item come when the next second has begun.
    private func tardy(_ old: RestartableNode, _ directory: TemporaryDirectory) throws -> (
        Program, Int
    ) {
        try started(
            """
            import socket, sys, threading, time
            late = 2
            def serve(peer):
                global late
                server = socket.create_connection((sys.argv[2], int(sys.argv[3])))
                answers = server.makefile("rb")
                for line in peer.makefile("rb"):
                    server.sendall(line)
                    answer = answers.readline()
                    if answer.startswith(b"VA "):
                        answer += answers.readline()
                    if line.startswith(b"mg ") and late > 0:
                        late -= 1
                        time.sleep(1.02 - time.clock_gettime(time.CLOCK_BOOTTIME) % 1)
                    peer.sendall(answer)
            listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

            """, in: directory, before: old)
    }

    @Test("An item's time is asked for again when a second has ended meanwhile, and is right then")
    func times() throws {
        let directory = try TemporaryDirectory()
        let old = try RestartableNode(RunningNode.memcachedPath, flags: ["-U", "0"])
        let (program, port) = try tardy(old, directory)
        defer { program.end() }
        let node = try RunningNode.sojournd(
            ["-v", "-o", "predecessor=127.0.0.1:\(port),predecessor_timeout=10000"])
        try awaitIt(node)
        let before = try old.connect()
        for key in ["late", "other"] {
            #expect(try before.ask("set \(key) 3 1000 1\r\nx") == "STORED\r\n")
        }
        let peer = try node.connect()
        #expect(
            try peer.ask("get late other", until: "END\r\n")
                == "VALUE late 3 1\r\nx\r\nVALUE other 3 1\r\nx\r\nEND\r\n")
        let statistics = try before.ask("stats", until: "END\r\n").split(separator: "\r\n")
        let hits = statistics.first { $0.hasPrefix("STAT get_hits ") }.flatMap {
            Int($0.dropFirst(14))
        }
        #expect(try #require(hits) >= 4)
        #expect(try node.counter("predecessor_stored") == 2)
        #expect(try node.counter("predecessor_hits") == 2)
        #expect(try node.counter("predecessor_asked") == 2)
    }

    @Test(
        "Of a memcached before 1.6 everything moves but the time, which is a day unless it is said")
    func classic() throws {
        let directory = try TemporaryDirectory()
        let old = try RestartableNode(RunningNode.memcachedPath, flags: ["-U", "0"])
        let (program, port) = try oldFashioned(old, directory)
        defer { program.end() }
        let node = try RunningNode.sojournd(
            ["-v", "-o", "predecessor=127.0.0.1:\(port),predecessor_exptime=2h"])
        try node.program.waitToSay("too old to tell how long its items have to live: they get 7200")
        let before = try old.connect()
        let peer = try node.connect()
        for key in ["a", "b", "c"] {
            #expect(try before.ask("set \(key) 7 1000 3\r\nold") == "STORED\r\n")
        }
        #expect(
            try peer.ask("get a none b", until: "END\r\n")
                == "VALUE a 7 3\r\nold\r\nVALUE b 7 3\r\nold\r\nEND\r\n")
        #expect(try peer.ask("mg a t f").hasPrefix("HD t7"))
        #expect(try peer.ask("delete c") == "DELETED\r\n")
        for key in ["a", "b", "c"] {
            try wait(for: "\(key) to go there") { try value(before, key) == nil }
        }
        #expect(try before.ask("set d 7 1000 3\r\nold") == "STORED\r\n")
        #expect(try peer.ask("flush_all") == "OK\r\n")
        #expect(try value(before, "d") == nil)
        // A key that no line can have is nobody's there.
        #expect(try peer.ask("mg YSBrZXk= b") == "EN\r\n")
        #expect(try peer.ask("ms YSBrZXk= 1 b\r\nx") == "HD\r\n")
        #expect(try node.counter("predecessor_servers_there") == 1)
    }
}
