import Glibc
import TestSupport
import Testing

/// Idle and absolute timeouts, on real nodes with real clocks: over `kill -9`, and in clusters whose nodes die.
@Suite(.timeLimit(.minutes(10)))
struct SessionTimeoutTests {
    private static let clock = ContinuousClock()

    private func seconds(since start: ContinuousClock.Instant) -> Double {
        (Self.clock.now - start) / .seconds(1)
    }

    private func left(_ peer: SocketPeer, _ key: String) throws -> Int? {
        let reply = try peer.ask("mg \(key) t u")
        return reply.hasPrefix("HD t") ? Int(reply.dropFirst(4).dropLast(1)) : nil
    }

    @Test("Both timeouts hold over kill -9, and turning them on or off logs nobody out")
    func restarts() throws {
        let directory = try TemporaryDirectory()
        let file = ["-e", directory.path + "/sessions", "-m", "16"]
        do {
            let node = try RunningNode.sojournd(file)
            let peer = try node.connect()
            #expect(try peer.ask("set session 0 0 3\r\nold") == "STORED\r\n")
            #expect(try peer.ask("set token 0 100 3\r\nold") == "STORED\r\n")
            node.program.end()
        }
        do {
            let node = try RunningNode.sojournd(
                file + ["-v", "-o", "debugtime,idle=30m,absolute=1h"])
            try node.program.waitToSay("its items get the time of their birth")
            let peer = try node.connect()
            #expect(try left(peer, "session") == 1_800)
            #expect((95...100).contains(try left(peer, "token") ?? 0))
            #expect(try peer.ask("debugtime 1000") == "OK\r\n")
            #expect(try peer.ask("get session", until: "END\r\n").hasPrefix("VALUE"))
            #expect(try left(peer, "session") == 1_800)
            #expect(try peer.ask("debugtime 1000") == "OK\r\n")
            #expect(try peer.ask("set session 0 0 3\r\nnew") == "STORED\r\n")
            #expect(try (1_595...1_600).contains(left(peer, "session") ?? 0))
            #expect(try peer.ask("set other 0 0 3\r\nnew") == "STORED\r\n")
            // As it was kept, a second ago at most.
            usleep(1_500_000)
            node.program.end()
        }
        do {
            let node = try RunningNode.sojournd(file + ["-o", "debugtime,idle=30m,absolute=1h"])
            let peer = try node.connect()
            #expect(try (1_580...1_600).contains(left(peer, "session") ?? 0))
            #expect(try peer.ask("touch session 999999") == "TOUCHED\r\n")
            #expect(try (1_580...1_600).contains(left(peer, "session") ?? 0))
            #expect(try left(peer, "token") == nil)
            #expect(try peer.ask("debugtime 1601") == "OK\r\n")
            #expect(try peer.ask("get session", until: "END\r\n") == "END\r\n")
            #expect(try node.counter("expired_absolute") == 1)
            #expect(try peer.ask("get other", until: "END\r\n").hasPrefix("VALUE"))
            usleep(1_500_000)
            node.program.end()
        }
        let node = try RunningNode.sojournd(file + ["-v"])
        try node.program.waitToSay("its items lose the time of their birth")
        let peer = try node.connect()
        #expect(try peer.ask("get other", until: "END\r\n").contains("\r\nnew\r\n"))
        #expect(try peer.ask("touch other 0") == "TOUCHED\r\n")
        #expect(try left(peer, "other") == -1)
    }

    @Test("SIGHUP changes a space's timeouts and fence, and says what takes a restart")
    func changed() throws {
        func text(_ words: String) -> String {
            "spaces:\n- {name: sessions, listen: \"127.0.0.1:PORT0\", \(words)}\n"
        }
        let node = try SpacesNode(text("idle: 30m, fence: 50"))
        let peer = try node.connect(0)
        #expect(try peer.ask("set k 0 0 1\r\n1") == "STORED\r\n")
        #expect(try left(peer, "k") == 1_800)
        try node.change(to: text("idle: 10m, exptime_default: 5m, fence: 1h, fence_keys: k"))
        try node.program.waitToSay("space sessions: other timeouts")
        try node.program.waitToSay("space sessions: another fence")
        #expect(try peer.ask("get k", until: "END\r\n").hasPrefix("VALUE"))
        #expect(try left(peer, "k") == 600)
        #expect(try peer.ask("set other 0 0 1\r\n1") == "STORED\r\n")
        #expect(try left(peer, "other") == 300)
        for (key, reply) in [("k", "NOT_STORED\r\n"), ("other", "STORED\r\n")] {
            #expect(try peer.ask("delete \(key)") == "DELETED\r\n")
            #expect(try peer.ask("set \(key) 0 0 1\r\n1") == reply)
        }
        let page = try peer.ask("stats settings", until: "END\r\n")
        for line in ["idle 600", "exptime_default 300", "fence 3600", "fence_keys k"] {
            #expect(page.contains("STAT \(line)\r\n"), "\(line)")
        }
        try node.change(to: text("absolute: 1h"))
        try node.program.waitToSay("what changed of absolute takes a restart of the node")
        try node.program.waitToSay("what changed of fence takes a restart of the node")
        #expect(try peer.ask("set third 0 0 1\r\n1") == "STORED\r\n")
        #expect(try left(peer, "third") == -1)
    }

    @Test(
        "A session that is read at one owner alone does not idle out at the other, and ends when nobody reads it",
        arguments: [0, 1])
    func idleInACluster(reader: Int) throws {
        let idle = 8.0
        let cluster = try MemberCluster(flags: ["-o", "idle=8"])
        let key = try cluster.key(first: 0, second: 1)
        let lock = try cluster.key(first: 0, second: 1, prefix: "lock")
        #expect(try cluster.set(key, "session", at: 2) == "STORED")
        #expect(try cluster.set(lock, "1", at: 2, exptime: 7) == "STORED")
        let start = Self.clock.now
        let other = 1 - reader
        let commands = ["get \(key)", "gets \(key)", "mg \(key) v", "get \(key) none"]
        var number = 0
        while seconds(since: start) < idle + 6 {
            let command = commands[number % commands.count]
            let isMeta = command.hasPrefix("mg")
            let reply = try cluster.connect(reader).ask(
                command + (isMeta ? "\r\nmn" : ""), until: isMeta ? "MN\r\n" : "END\r\n")
            #expect(reply.contains("session"), "\(command) after \(seconds(since: start)) s")
            _ = try cluster.value(of: lock, at: reader)
            number += 1
            usleep(400_000)
        }
        // Nobody has let it live longer.
        #expect(try cluster.value(of: lock, at: reader) == nil)
        // Time for the notes of the last second.
        _ = try cluster.value(of: key, at: reader)
        let last = Self.clock.now
        usleep(1_500_000)
        cluster.kill(reader)
        try cluster.waitUntil(2, calls: reader, "away")
        let peer = try cluster.connect(other)
        while try left(peer, key) != nil { usleep(20_000) }
        let lived = seconds(since: last)
        #expect(lived > idle - 2 && lived < idle + 1.2, "it lived \(lived) s")
    }

    @Test(
        "A session that is read all the time ends at its absolute timeout, while nodes are killed",
        arguments: [2, 3])
    func absoluteInACluster(copies: Int) throws {
        let absolute = 10.0
        let cluster = try MemberCluster(copies: copies, flags: ["-o", "idle=6,absolute=10"])
        let key = try cluster.key(first: 0, second: 1)
        #expect(try cluster.set(key, "session", at: 2) == "STORED")
        let start = Self.clock.now
        var (isKilled, isBack, isKilledAgain) = (false, false, false)
        var lastHit = 0.0
        var number = 0
        while seconds(since: start) < absolute + 3 {
            let now = seconds(since: start)
            if now > 2, !isKilled {
                isKilled = true
                cluster.kill(0)
            }
            if now > 4, !isBack {
                isBack = true
                try cluster.start(0)
            }
            if now > 7, !isKilledAgain {
                isKilledAgain = true
                try cluster.waitUntilAllIsWell()
                cluster.kill(1)
            }
            number += 1
            let node = [2, 0, 1][number % 3]
            // Who is dead, or dies just now, says nothing.
            guard let reply = try? cluster.ask(node, "gat 1000 \(key)") else { continue }
            if reply.contains("session") {
                lastHit = seconds(since: start)
            } else {
                #expect(seconds(since: start) > absolute - 1.1, "lost after \(now) s")
            }
            usleep(30_000)
        }
        #expect(
            lastHit > absolute - 1.2 && lastHit < absolute + 1.1, "it was there until \(lastHit) s")
        // What is stored under the key begins anew.
        #expect(try cluster.set(key, "another", at: 2) == "STORED")
        #expect(try cluster.value(of: key, at: 0) == "another")
    }
}
