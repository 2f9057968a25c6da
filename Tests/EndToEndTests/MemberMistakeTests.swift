import Cluster
import Glibc
import TestSupport
import Testing

/// What members make of others who are not as they should be.
@Suite(.timeLimit(.minutes(10)))
struct MemberMistakeTests {
    private let everywhere = [0, 1, 2]

    /// Each key is stored and read, wherever somebody asks.
    private func expectService(
        _ cluster: MemberCluster, at numbers: [Int], _ what: String
    ) throws {
        for first in cluster.ports.indices {
            for second in cluster.ports.indices where second != first {
                let key = try cluster.key(first: first, second: second, prefix: "service")
                for number in numbers {
                    let value = "\(what) by \(number)"
                    #expect(try cluster.set(key, value, at: number) == "STORED", "\(what)")
                    #expect(
                        try cluster.values(of: key, at: numbers) == numbers.map { _ in value },
                        "\(what)")
                }
            }
        }
    }

    private func errors(_ cluster: MemberCluster, _ number: Int) -> String {
        cluster.programs[number]?.errors ?? ""
    }

    // MARK: Who does not belong here

    @Test(
        "Another version, cluster, limit, or secret is refused, and so is the wrong number"
    )
    func strangers() throws {
        let directory = try TemporaryDirectory()
        let secret = String(repeating: "s", count: 32)
        let file = try directory.write(secret, to: "secret")
        chmod(file, 0o600)
        let cluster = try MemberCluster(count: 2, peers: "peers: {secret_file: \(file)}")
        typealias Change = (inout Greeting) -> Void
        let refused: [(GreetingRefusal, Change)] = [
            (.otherCluster, { $0.cluster += 1 }),
            (.otherItemLimit, { $0.itemByteCountMax += 1 }), (.notForMe, { $0.to = 1 }),
        ]
        for (reason, change) in refused {
            let impostor = try PeerImpostor(to: 0, of: cluster, secret: secret, change: change)
            #expect(impostor.welcome == .failed(.refused(reason)))
            #expect(impostor.isHungUp())
        }
        let version = try PeerImpostor(
            to: 0, of: cluster, secret: secret, garble: { $0.prefix(4) + [1, 0] + $0.dropFirst(6) })
        #expect(version.welcome == .failed(.refusedVersion(offered: .newest, newest: nil)))
        // The member proves itself first; who has another secret does not believe it.
        let unproven = try PeerImpostor(to: 0, of: cluster, secret: secret + "t")
        guard case .failed(.refuses(.wrongSecret, _, _)) = unproven.welcome else {
            Issue.record("\(unproven.welcome)")
            return
        }
        for (number, what) in [
            "protocol version", "hash of the cluster's name", "largest item's bytes", "link's ends",
        ].enumerated() {
            try wait(for: "\(number): \(what)") { errors(cluster, 0).contains(what) }
        }
        // One that does belong here is let in, so the others were refused for what was wrong with them.
        #expect(try PeerImpostor(to: 0, of: cluster, secret: secret).welcome == .done)
        try expectService(cluster, at: [0, 1], "beside strangers")
        #expect(try cluster.counter("takeovers", of: 0) == "0")
    }

    @Test(
        "Nodes with another definition, another -I or nothing but their name stay out; another -m does not matter"
    )
    func otherSettings() throws {
        let cluster = try MemberCluster()
        let changed = 2
        let text = contents(of: cluster.definition) ?? ""
        let other = try cluster.directory.write(
            text.replacing("{name: c,", with: "{name: c, weight: 2,"), to: "other.yaml")
        for (definition, flags, reason) in [
            (other, [], "its definition of generation 1 is another one"),
            (nil, ["-I", "2m"], "largest item's bytes"),
        ] as [(String?, [String], String)] {
            cluster.kill(changed)
            try cluster.start(changed, definition: definition, flags: flags)
            for number in [0, 1] {
                try wait(for: reason) { errors(cluster, number).contains(reason) }
                try cluster.waitUntil(number, calls: changed, "away")
            }
            try expectService(cluster, at: [0, 1], reason)
        }
        cluster.kill(changed)
        try cluster.start(changed, flags: ["-m", "32"])
        try cluster.waitUntilAllIsWell()
        try expectService(cluster, at: everywhere, "more memory")
    }

    @Test("Frames that are cut, garbled, or announced with gigabytes cost their own link alone")
    func badFrames() throws {
        let cluster = try MemberCluster()
        let memory = try cluster.memory(of: 0)
        var generator = SeededGenerator(seed: 3)
        let request = Request(
            number: OperationNumber(bits: 5), isRead: true, key: [107],
            command: Array("get k\r\n".utf8))
        var forward: [UInt8] = []
        PeerMessage.frame(.forward(request, hops: 1)).append(to: &forward, in: .newest)
        let noise = (0..<500).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let huge: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 5] + [UInt8](repeating: 0, count: 11)
        let cases: [(String, [UInt8])] = [
            ("noise", noise), ("gigabytes", huge),
            ("an unknown type", [0, 0, 0, 0, 200] + [UInt8](repeating: 0, count: 11)),
            ("a command about another key", forward.dropLast(3) + Array("x\r\n".utf8)),
        ]
        for (what, bytes) in cases {
            let impostor = try PeerImpostor(to: 0, of: cluster)
            try impostor.sendStatement(time: 1)
            try impostor.socket.send(bytes)
            #expect(impostor.isHungUp(), "\(what)")
        }
        // The same frame is answered when it is right.
        let front = try PeerImpostor(to: 0, of: cluster)
        try front.sendStatement(time: 1)
        let key = try cluster.key(first: 0, second: 1)
        try front.send(
            .frame(
                .forward(
                    Request(
                        number: OperationNumber(bits: 6), isRead: true, key: Array(key.utf8),
                        command: Array("get \(key)\r\n".utf8)), hops: 1)))
        let answer = try front.receive { if case .frame(.outcome) = $0 { true } else { false } }
        #expect(
            answer == .frame(.outcome(OperationNumber(bits: 6), Outcome(Array("END\r\n".utf8)))))
        // Before a statement nothing is taken; and of what is cut nothing comes.
        let hasty = try PeerImpostor(to: 0, of: cluster)
        try hasty.socket.send(forward)
        #expect(hasty.isHungUp())
        for count in [1, 15, 16, 30] {
            let impostor = try PeerImpostor(to: 0, of: cluster)
            try impostor.sendStatement(time: 1)
            try impostor.socket.send(Array(forward.prefix(count)))
            impostor.socket.close()
        }
        try expectService(cluster, at: everywhere, "after bad frames")
        #expect(try cluster.counter("takeovers", of: 0) == "0")
        #expect(try cluster.counter("members_current", of: 0) == "3")
        #expect(try cluster.memory(of: 0) < memory + 64 << 20)
    }

    @Test(
        "Who says nothing to the members' port is gone after 2 s, and keeps nobody out for longer")
    func silent() throws {
        let cluster = try MemberCluster(count: 2)
        let port = UInt16(cluster.ports[0] + 10_000)
        let silent = try (0..<80).map { _ in
            try SocketPeer(.address(cluster.host, port: port))
        }
        cluster.kill(1)
        try cluster.start(1)
        try cluster.waitUntilAllIsWell()
        for peer in silent {
            while peer.receive(milliseconds: 10_000) {}
            #expect(peer.hasEnded)
        }
        try expectService(cluster, at: [0, 1], "beside the silent")
    }

    // MARK: Members that are not well

    @Test(
        "A member that answers beats and nothing else is given up, and comes back when it does more"
    )
    func beatsAlone() throws {
        let cluster = try MemberCluster(isRelayed: true)
        let hollow = 2
        for to in 0..<hollow {
            cluster.relays[.init(from: hollow, to: to)]?.set(.init(holdsFrames: true))
        }
        let (first, second) = (
            try cluster.key(first: 0, second: hollow), try cluster.key(first: hollow, second: 1)
        )
        // Whoever asks is answered in time: nobody was, or the command is done.
        let start = ContinuousClock.now
        for key in [first, second] {
            _ = try cluster.set(key, "1", at: 0)
            _ = try cluster.value(of: key, at: 1)
        }
        #expect(ContinuousClock.now - start < .seconds(8))
        for number in [0, 1] {
            try wait(for: "the hollow member to be given up") {
                // By one whose change it has not acknowledged.
                if number == 1 { _ = try cluster.set(second, "2", at: 1) }
                let state = try cluster.counter("member_c", of: number)
                return state == "catching_up" || state == "away" || state == "cut_off"
            }
        }
        for key in [first, second] {
            try wait(for: "the others to go on") { try cluster.set(key, "3", at: 1) == "STORED" }
        }
        for relay in cluster.relays.values { relay.set(.init()) }
        try cluster.waitUntilAllIsWell()
        for key in [first, second] {
            // What was on its way to it, and nobody was told of, may have come later.
            let values = try cluster.values(of: key, at: everywhere)
            #expect(Set(values).count == 1 && values[0] != nil, "\(values)")
            #expect(try cluster.set(key, "4", at: hollow) == "STORED")
            #expect(try cluster.values(of: key, at: everywhere) == ["4", "4", "4"])
        }
    }

    @Test("Links that take 20 ms more are slow, and no fault")
    func slowLinks() throws {
        let cluster = try MemberCluster(isRelayed: true)
        for relay in cluster.relays.values { relay.set(.init(delayMilliseconds: 20)) }
        try expectService(cluster, at: everywhere, "slowly")
        for number in everywhere {
            #expect(try cluster.counter("members_current", of: number) == "3")
            #expect(try cluster.counter("ops_unknown", of: number) == "0")
        }
    }

    @Test(
        "A second process with a member's name hurts nobody who asks the others, and all is well without it"
    )
    func sameName() throws {
        let cluster = try MemberCluster()
        let double = 2
        // On the same addresses it does not start.
        let user = getuid() == 0 ? ["-u", "root"] : []
        let same = try Program.run(
            try RunningNode.sojourndPath(), user + ["--cluster", cluster.definition, "--name", "c"])
        #expect(same.exit != .status(0) && same.errors.contains("in use"), "\(same.errors)")
        // On others it does, and so takes the first one's links.
        let text = contents(of: cluster.definition) ?? ""
        let other = try cluster.directory.write(
            text.replacing(
                "port: \(cluster.ports[double]),",
                with: "port: \(cluster.ports[double]), peer_port: 31999,"
            ).replacing("-\(cluster.host)-c", with: "-\(cluster.host)-double"),
            to: "double.yaml")
        let key = try cluster.key(first: 0, second: double)
        let others = try cluster.key(first: 0, second: 1)
        for key in [key, others] { #expect(try cluster.set(key, "before", at: 0) == "STORED") }
        let second = try Program(
            try RunningNode.sojourndPath(),
            user + ["--cluster", other, "--name", "c", "-v", "-p", "21099", "-l", cluster.host])
        defer {
            let file = "/dev/shm/sojourn-\(getpid())-\(cluster.host)-double"
            for name in [file, file + ".deletions", file + ".definition"] { unlink(name) }
        }
        try wait(for: "the second one to be linked") { second.errors.contains("linked with") }
        for count in 0..<40 {
            for key in [key, others] {
                // The command may be on its way while the two push each other away.
                let stored = try cluster.set(key, "\(count)", at: count % 2)
                #expect(stored == "STORED" || stored == nil && key != others)
                let value = try cluster.value(of: key, at: 1)
                if stored == "STORED" {
                    #expect(value == "\(count)" || value == nil && key != others)
                }
            }
            usleep(20_000)
        }
        second.end()
        try cluster.waitUntilAllIsWell()
        try expectService(cluster, at: everywhere, "after the second one")
    }

    @Test("Clocks a day apart, either way, change nothing for clients")
    func clocks() throws {
        let cluster = try MemberCluster(flags: ["-o", "debugtime"])
        for (number, seconds) in [(2, 90_000), (1, -90_000), (0, 40_000)] {
            #expect(
                try cluster.ask(number, "debugtime \(seconds)") == "OK")
            for first in everywhere {
                let key = try cluster.key(
                    first: first, second: (first + 1) % 3, prefix: "moved\(number)")
                for writer in everywhere {
                    #expect(try cluster.set(key, "by \(writer)", at: writer) == "STORED")
                    #expect(
                        try cluster.values(of: key, at: everywhere)
                            == everywhere.map { _ in "by \(writer)" })
                }
                #expect(try cluster.ask((first + 2) % 3, "delete \(key)") == "DELETED")
                #expect(try cluster.values(of: key, at: everywhere) == [nil, nil, nil])
            }
        }
        // Nor when the one that is ahead goes, with what it has made.
        let keys = try everywhere.map {
            try cluster.key(first: 2, second: $0 % 2, prefix: "k\($0)")
        }
        for key in keys { #expect(try cluster.set(key, "ahead", at: 2) == "STORED") }
        cluster.kill(2)
        for key in keys {
            #expect(try cluster.value(of: key, at: 1) == "ahead")
            #expect(try cluster.set(key, "behind", at: 1) == "STORED")
        }
        #expect(try cluster.ask(0, "delete \(keys[0])") == "DELETED")
        try cluster.start(2)
        try cluster.waitUntilAllIsWell()
        #expect(try cluster.values(of: keys[0], at: everywhere) == [nil, nil, nil])
        for key in keys.dropFirst() {
            #expect(try cluster.values(of: key, at: everywhere) == ["behind", "behind", "behind"])
        }
    }

    @Test("Where the second owner has no memory left, changes are acknowledged, and read")
    func fullBackup() throws {
        let cluster = try MemberCluster(memory: 16)
        let full = 1
        cluster.kill(full, losesFile: true)
        try cluster.start(full, flags: ["-M", "-m", "2"])
        try cluster.waitUntilAllIsWell()
        let value = String(repeating: "v", count: 200_000)
        let keys = try cluster.keys(16, first: 0, second: full)
        for key in keys { #expect(try cluster.set(key, value + key, at: 0) == "STORED") }
        #expect(Int(try cluster.counter("repl_refused", of: full) ?? "") ?? 0 > 0)
        for key in keys {
            #expect(
                try cluster.values(of: key, at: everywhere) == everywhere.map { _ in value + key })
        }
        // Nor is there anything older than what was acknowledged.
        for key in keys { #expect(try cluster.set(key, "short", at: 2) == "STORED") }
        for key in keys {
            #expect(try cluster.values(of: key, at: everywhere) == ["short", "short", "short"])
        }
    }

    // MARK: Size

    @Test("A session of 128 MiB goes to both owners, and nobody takes anybody for dead meanwhile")
    func largeSession() throws {
        let cluster = try MemberCluster(
            count: 2, peers: "peers: {timeout: 3000}", memory: 512, flags: ["-I", "129m"])
        let value = [UInt8](repeating: 118, count: 128 << 20)
        for (first, at) in [(0, 0), (1, 0)] {
            let key = try cluster.key(first: first, second: 1 - first)
            let small = try cluster.key(first: first, second: 1 - first, prefix: "small")
            let peer = try cluster.connect(at)
            try peer.send(Array("set \(key) 0 0 \(value.count)\r\n".utf8) + value + [13, 10])
            #expect(try peer.receive(until: "\r\n") == "STORED\r\n")
            for number in [0, 1] {
                #expect(try cluster.set(small, "by \(number)", at: number) == "STORED")
                let bytes = try cluster.counters(of: number)["bytes"] ?? 0
                #expect(bytes > value.count)
            }
            #expect(try cluster.ask(at, "delete \(key)") == "DELETED")
        }
        for number in [0, 1] {
            for name in ["takeovers", "peer_slow", "ops_unknown", "members_away"] {
                #expect(try cluster.counter(name, of: number) == "0", "\(name)")
            }
        }
    }

    // MARK: Fronts

    @Test("A front that reaches no member hangs up in time, and answers as soon as there is one")
    func frontAlone() throws {
        let cluster = try MemberCluster(count: 2)
        for number in [0, 1] { cluster.kill(number) }
        let front = try cluster.startFront()
        for command in ["get k", "set k 0 0 1\r\nx", "gat 0 k", "mg k v"] {
            let peer = try front.connect()
            let start = ContinuousClock.now
            try peer.send(command + "\r\n")
            #expect(try peer.receiveUntilEnd() == "", "\(command)")
            let taken = ContinuousClock.now - start
            #expect(taken > .milliseconds(400) && taken < .seconds(10), "\(taken)")
        }
        #expect(try front.counter("members_away") == 2)
        #expect(try front.counter("ops_unknown") == 4)
        for number in [0, 1] { try cluster.start(number) }
        try cluster.waitUntilAllIsWell()
        try wait(for: "the front to reach a member") {
            (try? front.connect().ask("set k 0 0 1\r\nx")) == "STORED\r\n"
        }
    }

    @Test("A thousand fronts are let in, and one more is not")
    func thousandFronts() throws {
        let cluster = try MemberCluster(count: 2)
        var fronts: [PeerImpostor] = []
        for number in 0..<1_000 {
            let front = try PeerImpostor(to: 0, of: cluster)
            #expect(front.welcome == .done, "\(number)")
            fronts.append(front)
        }
        // Each of them is told how it stands as soon as it has said who it is.
        for front in [fronts[0], fronts[500], fronts[999]] {
            try front.sendStatement(time: 1)
            _ = try front.receive { if case .statement = $0 { true } else { false } }
        }
        let oneMore = try PeerImpostor(to: 0, of: cluster)
        #expect(oneMore.isHungUp())
        try #require(cluster.programs[0]).waitToSay("refused a front: there are 1000")
        try expectService(cluster, at: [0, 1], "a thousand fronts")
        // As one goes there is room for another.
        fronts[0].socket.close()
        try wait(for: "room for a front") {
            let front = try PeerImpostor(to: 0, of: cluster)
            try front.sendStatement(time: 1)
            return (try? front.receive { _ in true }) != nil
        }
    }
}

extension MemberCluster {
    /// What a node's process has in memory, in bytes.
    fileprivate func memory(of number: Int) throws -> Int {
        let process = programs[number]?.processID ?? 0
        let fields = (contents(of: "/proc/\(process)/statm") ?? "").split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { throw Trouble("no statm") }
        return pages * 4_096
    }
}
