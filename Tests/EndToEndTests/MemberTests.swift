import Glibc
import TestSupport
import Testing

/// Nodes that keep copies, as real processes.
@Suite(.timeLimit(.minutes(10)))
struct MemberTests {
    private func expectNobodyHurt(_ visitors: Visitors, _ what: String) {
        #expect(visitors.loggedOut.isEmpty, "logged out: \(what)")
        #expect(visitors.loggedInAgain.isEmpty, "logged in again: \(what)")
        #expect(visitors.stale.isEmpty, "stale: \(what)")
        #expect(visitors.visits > 500)
    }

    @Test("Any member, and a front, answers for any key in every protocol")
    func anywhere() throws {
        let cluster = try MemberCluster()
        let front = try cluster.startFront()
        let asked = try [
            cluster.connect(0), cluster.connect(1), cluster.connect(2), front.connect(),
        ]
        for number in 0..<20 {
            let (writer, key) = (asked[number % 4], "key:\(number)")
            #expect(try writer.ask("set \(key) 5 0 2\r\n\(10 + number)") == "STORED\r\n")
            for reader in asked {
                #expect(
                    try reader.ask("get \(key)", until: "END\r\n")
                        == "VALUE \(key) 5 2\r\n\(10 + number)\r\nEND\r\n")
            }
            #expect(try asked[(number + 1) % 4].ask("incr \(key) 5") == "\(15 + number)\r\n")
            #expect(try asked[(number + 2) % 4].ask("ma \(key) v") == "VA 2\r\n\(16 + number)\r\n")
        }
        let uniques = try asked.map { try $0.ask("gets key:0", until: "END\r\n") }
        #expect(Set(uniques).count == 1)
        let keys = (0..<20).map { "key:\($0)" }.joined(separator: " ")
        let all = try front.connect().ask("get \(keys) none", until: "END\r\n")
        #expect(all.components(of: "VALUE ") == 20)
        #expect(try asked[0].ask("delete key:1") == "DELETED\r\n")
        for reader in asked { #expect(try reader.ask("get key:1") == "END\r\n") }
    }

    @Test(
        "Values of all sizes go to both owners, up to the limit, and one more is refused as by one node"
    )
    func sizes() throws {
        let cluster = try MemberCluster()
        let (writer, reader) = (try cluster.connect(0), try cluster.connect(1))
        for count in [0, 1, 20_000, 300_000, (1 << 20) - 48 - 8 - 3 - 2] {
            for key in ["x1", "x2", "x3"] {
                let value = String(repeating: "v", count: count)
                #expect(try writer.ask("set \(key) 0 0 \(count)\r\n\(value)") == "STORED\r\n")
                let reply = try reader.ask("get \(key)", until: "END\r\n")
                #expect(reply == "VALUE \(key) 0 \(count)\r\n\(value)\r\nEND\r\n", "\(count)")
            }
        }
        let tooLong = String(repeating: "v", count: 1 << 20)
        #expect(
            try writer.ask("set x1 0 0 \(1 << 20)\r\n\(tooLong)")
                == "SERVER_ERROR object too large for cache\r\n")
    }

    @Test("What is sent at once is answered as by one node, in its order, whoever is asked")
    func pipelines() throws {
        let cluster = try MemberCluster()
        let front = try cluster.startFront()
        let alone = try RunningNode.sojournd([])
        let asked = try [
            cluster.connect(0), cluster.connect(1), cluster.connect(2), front.connect(),
        ]
        var generator = SeededGenerator(seed: 4)
        for (number, peer) in asked.enumerated() {
            let judge = try alone.connect()
            for round in 0..<12 {
                // More than wait at a time; few keys, so that many come again before they are answered.
                let keyCount = [3, 40, 400][round % 3]
                let commands = (0..<150).map { _ in
                    Self.command(
                        on: "p\(number):\(Int.random(in: 0..<keyCount, using: &generator))",
                        &generator)
                }
                let batch = commands.joined() + "mn"
                let reply = try peer.ask(batch, until: "MN\r\n")
                #expect(try reply == judge.ask(batch, until: "MN\r\n"), "\(batch)")
            }
            // In packets, some of which want no reply.
            let packets = (0..<100).map { place in
                let key = "b\(number):\(place / 2)"
                return place % 2 == 0
                    ? BinaryPacket.store(
                        place % 4 == 0 ? 0x11 : 0x01, key, Array("\(place)".utf8),
                        opaque: UInt32(place))
                    : BinaryPacket(place % 3 == 0 ? 0x0D : 0x0C, key: key, opaque: UInt32(place))
                        .bytes
            }
            let batch = packets.reduce([], +) + BinaryPacket(0x0A, opaque: 7).bytes
            let member = try number < 3 ? cluster.connect(number) : front.connect()
            let (ours, others) = try (
                Self.replies(member, to: batch), Self.replies(alone.connect(), to: batch)
            )
            #expect(ours == others)
            #expect(ours.count == 76)
        }
    }

    private static func command(on key: String, _ generator: inout SeededGenerator) -> String {
        let number = Int.random(in: 0..<1_000, using: &generator)
        return switch Int.random(in: 0..<12, using: &generator) {
        case 0, 1, 2: "set \(key) \(number) 0 3\r\n\(number % 900 + 100)\r\n"
        case 3: "set \(key) 0 0 2 noreply\r\n\(number % 90 + 10)\r\n"
        case 4: "add \(key) 1 0 1\r\n5\r\n"
        case 5: "append \(key) 0 0 1\r\n1\r\n"
        case 6: "delete \(key)\r\n"
        case 7: "incr \(key) 3\r\n"
        case 8: "mg \(key) v f O\(number)\r\n"
        case 9: "ms \(key) 2 q\r\n42\r\n"
        case 10: "get \(key) \(key)x\r\n"
        default: number % 20 == 0 ? "nothing \(key)\r\n" : "get \(key)\r\n"
        }
    }

    /// Headers and bodies of all replies up to that of a `noop`, without CAS uniques: each node makes its own.
    private static func replies(_ peer: SocketPeer, to batch: [UInt8]) throws -> [[UInt8]] {
        try peer.send(batch)
        var replies: [[UInt8]] = []
        while replies.last?[1] != 0x0A {
            while peer.received.count < 24 { _ = peer.receive(milliseconds: 10_000) }
            let body = peer.received[8..<12].reduce(0) { $0 << 8 | Int($1) }
            while peer.received.count < 24 + body { _ = peer.receive(milliseconds: 10_000) }
            var reply = Array(peer.received.prefix(24 + body))
            peer.received.removeFirst(24 + body)
            for place in 16..<24 { reply[place] = 0 }
            replies.append(reply)
        }
        return replies
    }

    @Test("Each member in turn is killed under load: nobody is logged out, nobody comes back")
    func kills() throws {
        let cluster = try MemberCluster()
        var visitors = Visitors()
        for round in 0..<4 {
            let victim = round % 3
            let others = (0..<3).filter { $0 != victim }
            for _ in 0..<60 { try visitors.visit(cluster, among: [0, 1, 2]) }
            // The last time with nothing left of what it had.
            cluster.kill(victim, losesFile: round == 3)
            visitors.forget(victim)
            for _ in 0..<150 { try visitors.visit(cluster, among: others) }
            try cluster.start(victim)
            // It answers at once, by asking others.
            for _ in 0..<60 { try visitors.visit(cluster, among: [victim]) }
            try cluster.waitUntilAllIsWell()
        }
        expectNobodyHurt(visitors, "killed")
        #expect(try cluster.counter("takeovers", of: 1) != "0")
        let status = try Program.run(
            try RunningNode.builtProgram("sojourn"),
            ["status", "--cluster", cluster.definition, "--once"])
        #expect(status.exit == .status(0), "\(status.errors)")
        #expect(status.output.ranges(of: " current ").count == 3, "\(status.output)")
    }

    @Test("A member that is stopped and goes on has nothing old to tell")
    func stops() throws {
        let cluster = try MemberCluster()
        var visitors = Visitors()
        for (victim, milliseconds) in [(0, 300), (1, 1_500), (2, 1_000)] {
            for _ in 0..<60 { try visitors.visit(cluster, among: [0, 1, 2]) }
            cluster.send(SIGSTOP, to: victim)
            let others = (0..<3).filter { $0 != victim }
            let end = ContinuousClock.now + .milliseconds(milliseconds)
            repeat { try visitors.visit(cluster, among: others) } while ContinuousClock.now < end
            cluster.send(SIGCONT, to: victim)
            for _ in 0..<60 { try visitors.visit(cluster, among: [victim]) }
            try cluster.waitUntilAllIsWell()
        }
        expectNobodyHurt(visitors, "stopped")
    }

    @Test(
        "flush_all, whoever is asked in whichever protocol, lets everything go, for a dead member, too"
    )
    func flush() throws {
        let cluster = try MemberCluster()
        let front = try cluster.startFront()
        func store(_ value: String) throws {
            for number in 0..<30 {
                #expect(
                    try cluster.connect(number % 3).ask("set key:\(number) 0 0 1\r\n\(value)")
                        == "STORED\r\n")
            }
        }
        func found() throws -> Int {
            var count = 0
            for number in 0..<30 {
                for member in 0..<3 where cluster.programs[member] != nil {
                    let reply = try cluster.connect(member).ask("mg key:\(number)")
                    #expect(["HD\r\n", "EN\r\n"].contains(reply))
                    if reply == "HD\r\n" { count += 1 }
                }
            }
            return count
        }
        try store("a")
        #expect(try found() == 90)
        #expect(try cluster.connect(1).ask("flush_all") == "OK\r\n")
        #expect(try found() == 0)
        // A packet, at a front; and while a member is dead, which has its file when it comes back.
        try store("b")
        cluster.kill(2)
        let binary = try front.connect()
        let packet: [UInt8] =
            [0x80, 8] + Array(repeating: 0, count: 10) + [1, 2, 3, 4]
            + Array(repeating: 0, count: 8)
        try binary.send(packet)
        try wait(for: "the answer") {
            binary.receive(milliseconds: 100) && binary.received.count == 24
        }
        #expect(
            Array(binary.received)
                == [0x81, 8] + Array(repeating: 0, count: 10) + [1, 2, 3, 4]
                + Array(repeating: 0, count: 8))
        try cluster.start(2)
        try cluster.waitUntilAllIsWell()
        #expect(try found() == 0)
        #expect(try cluster.counter("cmd_flush", of: 1) == "1")
        // What is stored afterwards stays, also when everybody has restarted.
        try store("c")
        for member in 0..<3 {
            cluster.kill(member)
            try cluster.start(member)
            try cluster.waitUntilAllIsWell()
        }
        #expect(try found() == 90)
        // Later, and without a word.
        let peer = try cluster.connect(0)
        try peer.send("flush_all 2 noreply\r\nmn\r\n")
        #expect(try peer.receive(until: "\r\n") == "MN\r\n")
        #expect(try found() > 0)
        try wait(for: "it to go") { try found() == 0 }
    }

    @Test(
        "Who logged out while a member was away stays out, though everybody else has restarted meanwhile"
    )
    func restartedWitness() throws {
        let cluster = try MemberCluster()
        let keys = try cluster.keys(20, first: 0, second: 2)
        for key in keys { #expect(try cluster.set(key, "in", at: 0) == "STORED") }
        cluster.kill(2)
        try wait(for: "the member to be given up") {
            try cluster.counter("member_c", of: 0) == "away"
        }
        for key in keys { #expect(try cluster.ask(0, "delete \(key)") == "DELETED") }
        for number in 0..<2 { cluster.kill(number) }
        for number in 0..<3 { try cluster.start(number) }
        try cluster.waitUntilAllIsWell()
        for key in keys {
            for number in 0..<3 { #expect(try cluster.ask(number, "get \(key)") == "") }
        }
    }

    @Test(
        "More users log out while a member is away than the others remember: none is back with it, and nobody else is out"
    )
    func forgottenDeletions() throws {
        let cluster = try MemberCluster()
        let all = try cluster.keys(3_200, first: 0, second: 2)
        let (gone, kept, new) = (all[..<3_000], all[3_000..<3_100], all[3_100...])
        func tell(_ commands: some Sequence<String>) throws {
            let peer = try cluster.connect(0)
            try peer.send(commands.joined() + "mn\r\n")
            #expect(try peer.receive(until: "\r\n") == "MN\r\n")
        }
        func found(_ keys: some Sequence<String>, at number: Int) throws -> Int {
            let peer = try cluster.connect(number)
            try peer.send(keys.map { "mg \($0)\r\n" }.joined() + "mn\r\n")
            return try peer.receive(until: "MN\r\n").split(separator: "\r\n").count { $0 == "HD" }
        }
        try tell((gone + kept).map { "set \($0) 0 0 2 noreply\r\nin\r\n" })
        cluster.kill(2)
        try cluster.waitUntil(0, calls: 2, "away")
        try tell(gone.map { "delete \($0) noreply\r\n" })
        try tell(new.map { "set \($0) 0 0 2 noreply\r\nin\r\n" })
        try cluster.start(2)
        try cluster.waitUntilAllIsWell()
        for number in 0..<3 {
            #expect(try found(gone, at: number) == 0)
            #expect(try found(kept, at: number) == 100)
            #expect(try found(new, at: number) == 100)
        }
        let counters = try cluster.counters(of: 0)
        #expect(counters["tombstones_assumed"] ?? 0 > 0)
    }

    @Test(
        "A member that has lost its memory file, and nothing else, gets everything from the others")
    func lostFile() throws {
        let cluster = try MemberCluster()
        let keys = try cluster.keys(20, first: 0, second: 2)
        for key in keys { #expect(try cluster.set(key, "old", at: 0) == "STORED") }
        // Changes that are remembered for who is away.
        cluster.kill(1)
        try wait(for: "the member to be given up") {
            try cluster.counter("member_b", of: 0) == "away"
        }
        for key in keys { #expect(try cluster.set(key, "in", at: 0) == "STORED") }
        try cluster.start(1)
        try cluster.waitUntilAllIsWell()
        cluster.kill(2, losesFile: true)
        try cluster.start(2)
        try cluster.waitUntilAllIsWell()
        cluster.kill(0)
        for key in keys { #expect(try cluster.value(of: key, at: 2) == "in") }
    }

    @Test("Where flush_all is not allowed it is not allowed in a cluster either")
    func noFlush() throws {
        let cluster = try MemberCluster(flags: ["-F"])
        #expect(try cluster.connect(0).ask("set k 0 0 1\r\nv") == "STORED\r\n")
        #expect(
            try cluster.connect(1).ask("flush_all") == "CLIENT_ERROR flush_all not allowed\r\n")
        #expect(
            try cluster.connect(2).ask("get k", until: "END\r\n") == "VALUE k 0 1\r\nv\r\nEND\r\n")
    }

    @Test("Members with another secret, or another definition, do not become members, and say why")
    func strangers() throws {
        let cluster = try MemberCluster()
        let text = contents(of: cluster.definition) ?? ""
        let other = try cluster.directory.write(
            text.replacing("name: shop", with: "name: other"), to: "other.yaml")
        cluster.kill(2)
        let user = getuid() == 0 ? ["-u", "root"] : []
        let stranger = try Program(
            try RunningNode.sojourndPath(), user + ["--cluster", other, "--name", "c", "-v"])
        try wait(for: "the stranger to be refused") {
            stranger.errors.contains("hash of the cluster's name")
        }
        // The others go on.
        #expect(try cluster.connect(0).ask("set k 0 0 1\r\nv") == "STORED\r\n")
        try wait(for: "the member to be given up") {
            try cluster.counter("member_c", of: 0) == "away"
        }
    }

    @Test(
        "scripts/cluster-kill finds nobody logged out, behind a front and by a list of nodes, in a short run"
    )
    func script() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let result = try Program.run(
            "/usr/bin/env",
            [
                "python3", "/\(root)/scripts/cluster-kill", "--short", "--topology", "T1,T3",
                "--rounds", "5", "--users", "400", "--rate", "300", "--bots", "5000", "--seconds",
                "0.5", "--megabytes", "16", "--clients", "twemproxy,express-stream", "--binary",
                try RunningNode.sojourndPath(), "--python", try Script.python(),
            ], seconds: 400)
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
        let counts = "logged out 0, back after a logout 0"
        #expect(result.output.components(of: counts) == 2, "\(result.output)")
        for row in ["T1: 5 rounds", "T3: 5 rounds", "twemproxy ", "express-stream "] {
            #expect(result.output.contains(row), "\(row): \(result.output)")
        }
    }

    @Test("What a member cannot do is refused at the start, in a line")
    func refused() throws {
        let directory = try TemporaryDirectory()
        let definition = try directory.write(
            "peers: {secret_file: \(directory.path)/secret}\n"
                + "nodes: [{name: a, host: 127.0.0.1}, {name: b, host: 127.0.0.2}]",
            to: "cluster.yaml")
        let plain = try directory.write("nodes: [{name: a, host: 127.0.0.1}]", to: "plain.yaml")
        let secret = directory.path + "/secret"
        let user = getuid() == 0 ? ["-u", "root"] : []
        func refusal(_ arguments: [String]) throws -> String {
            let result = try Program.run(
                try RunningNode.sojourndPath(), user + arguments, seconds: 10)
            #expect(result.exit != .status(0))
            return result.errors
        }
        let named = ["--cluster", definition, "--name", "a"]
        #expect(try refusal(named).contains("secret: No such file or directory"))
        _ = try directory.write("short", to: "secret")
        chmod(secret, 0o600)
        #expect(try refusal(named).contains("has 5 bytes; at least 32 are needed"))
        _ = try directory.write(String(repeating: "s", count: 32), to: "secret")
        chmod(secret, 0o644)
        #expect(try refusal(named).contains("can be read by others"))
        chmod(secret, 0o600)
        #expect(try refusal(named + ["-C"]).contains("-C does not go with peers"))
        #expect(try refusal(["--front"]).contains("--front needs --cluster"))
        #expect(try refusal(["--cluster", plain, "--front"]).contains("have no peers"))
        #expect(
            try refusal(["--cluster", definition, "--front", "--name", "a"])
                .contains("--front does not go with --name"))
    }
}

extension String {
    /// How often something is in it.
    fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}
