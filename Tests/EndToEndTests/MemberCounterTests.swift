import Cluster
import Glibc
import TestSupport
import Testing

/// What members count of one another: each counter moves by what it counts, and no other one does.
@Suite(.timeLimit(.minutes(10)))
struct MemberCounterTests {
    /// Those of `stats` that stand still while nobody does anything.
    private static let names = [
        "members_current", "members_away", "takeovers", "peer_slow", "served_alone",
        "cmd_forwarded", "reads_foreign", "reads_checked", "reads_faulted_in", "notes_sent",
        "notes_applied", "notes_repaired", "cmd_forwarded_here", "ops_under_way",
        "ops_parked", "ops_rerouted", "ops_unknown", "repl_sent", "writes_single_copy",
        "guests_kept", "stood_in",
        "repl_applied",
        "repl_older", "repl_refused", "conflicts", "changes_lost", "changes_refused",
        "catchup_sent", "catchup_items", "tombstones",
        "tombstones_dropped_early", "tombstones_won", "tombstones_assumed",
    ]
    private static let durations = ["ops_us_p50", "ops_us_p99", "repl_us_p50", "repl_us_p99"]

    /// The peers' counters of one node.
    private func read(_ cluster: MemberCluster, _ number: Int) throws -> [String: Int] {
        let all = try cluster.counters(of: number)
        return try Dictionary(
            uniqueKeysWithValues: Self.names.map {
                ($0, try #require(all[$0], "\($0) of \(number)"))
            })
    }

    /// What has changed at each node while something was done.
    private func changes(
        _ cluster: MemberCluster, _ body: () throws -> Void
    ) throws -> [[String: Int]] {
        func readAll() throws -> [[String: Int]] {
            try cluster.ports.indices.map {
                cluster.programs[$0] == nil ? [:] : try read(cluster, $0)
            }
        }
        let before = try readAll()
        try body()
        return try readAll().enumerated().map { number, after in
            return after.reduce(into: [:]) { changes, entry in
                let change = entry.value - (before[number][entry.key] ?? 0)
                if change != 0 { changes[entry.key] = change }
            }
        }
    }

    @Test("While all is well each command moves what it should, and nothing else")
    func well() throws {
        let cluster = try MemberCluster(flags: ["-o", "debugtime"])
        let (first, second, third) = (0, 1, 2)
        let key = try cluster.key(first: first, second: second)
        func expect(
            _ expected: [[String: Int]], _ answer: String, _ command: String, at number: Int
        ) throws {
            let changes = try changes(cluster) {
                let told = try cluster.ask(number, command)
                #expect(told == answer)
            }
            #expect(changes == expected, "\(command) at \(number)")
        }
        let set = "set \(key) 0 0 2\r\n10"
        let value = "VALUE \(key) 0 2\r\n10\r\n"
        // The first owner decides, and the second one has it, too, wherever a client asks.
        try expect([["repl_sent": 1], ["repl_applied": 1], [:]], "STORED", set, at: first)
        try expect(
            [
                ["repl_sent": 1, "cmd_forwarded_here": 1],
                ["repl_applied": 1, "cmd_forwarded": 1], [:],
            ], "STORED", set, at: second)
        try expect(
            [
                ["repl_sent": 1, "cmd_forwarded_here": 1], ["repl_applied": 1],
                ["cmd_forwarded": 1],
            ], "STORED", set, at: third)
        // Each owner reads what it has.
        try expect([[:], [:], [:]], value, "get \(key)", at: first)
        try expect([[:], [:], [:]], value, "get \(key)", at: second)
        try expect(
            [["cmd_forwarded_here": 1], [:], ["cmd_forwarded": 1, "reads_foreign": 1]], value,
            "get \(key)", at: third)
        // What changes nothing goes to nobody.
        try expect([[:], [:], [:]], "NOT_STORED", "add \(key) 0 0 1\r\nx", at: first)
        try expect(
            [
                ["repl_sent": 1, "tombstones": 1],
                ["repl_applied": 1, "tombstones": 1, "tombstones_won": 1], [:],
            ], "DELETED", "delete \(key)", at: first)
        try expect([[:], [:], [:]], "NOT_FOUND", "delete \(key)", at: first)
        try expect(
            [["repl_sent": 1, "tombstones": -1], ["repl_applied": 1, "tombstones": -1], [:]],
            "STORED", set, at: first)
        for (number, names) in [(first, Self.durations), (third, Array(Self.durations.prefix(2)))] {
            let all = try cluster.counters(of: number)
            for name in names {
                #expect((1..<450_000).contains(try #require(all[name])), "\(name)")
            }
        }
        // A request counts where its client has asked, until it is answered, and nowhere else.
        for (number, name, count) in [
            (first, "text:set:count", 3), (first, "text:get:count", 1),
            (first, "text:delete:count", 2), (second, "text:set:count", 1),
            (third, "text:set:count", 1), (third, "text:get:count", 1),
        ] {
            #expect(try cluster.counter(name, of: number, "latency") == "\(count)", "\(name)")
        }
        #expect(try cluster.counter("text:add", of: first, "requests") == "1")
        #expect(try cluster.counter("text:get", of: third, "requests") == "1")
        // Nothing waits at the second owner but what was asked of it itself; it waits for no acknowledgement.
        #expect(try cluster.counters(of: second)["repl_us_p99"] == 0)

        // One clock is set.
        #expect(try cluster.ask(second, "debugtime 100") == "OK")
        for (number, other, ahead) in [(first, "b", 100_000), (second, "a", -100_000)] {
            try wait(for: "the clock to be seen") {
                let skew = try cluster.counters(of: number)["clock_skew_ms_\(other)"] ?? 0
                return abs(skew - ahead) < 30_000
            }
        }
        #expect(abs(try #require(try cluster.counters(of: first)["clock_skew_ms_c"])) < 30_000)
        let front = try cluster.startFront()
        try wait(for: "the front to reach all members") {
            try front.counter("members_current") == 3
        }
        #expect(try front.counter("members_away") == 0)
        #expect(try front.connect().ask("stats", until: "END\r\n").contains("member_a linked"))
    }

    @Test("A member that dies is counted as away, as given up, and by what is done without it")
    func away() throws {
        let cluster = try MemberCluster()
        let (first, second, third) = (0, 1, 2)
        let keys = try cluster.keys(4, first: first, second: third)
        for key in keys.prefix(3) { #expect(try cluster.set(key, "old", at: first) == "STORED") }
        let takeovers = try changes(cluster) {
            cluster.kill(third)
            for number in [first, second] {
                try cluster.waitUntil(number, calls: third, "away")
            }
            // So that there is something to ask.
            try cluster.start(third)
            try cluster.waitUntilAllIsWell()
        }
        #expect(takeovers[first]["takeovers"] == 1)
        #expect(takeovers[second]["takeovers"] == 1)
        #expect(takeovers[first]["writes_single_copy"] == nil)

        cluster.kill(third)
        try cluster.waitUntil(first, calls: third, "away")
        let before = try read(cluster, first)
        #expect(try cluster.set(keys[0], "new", at: first) == "STORED")
        #expect(try cluster.ask(second, "delete \(keys[1])") == "DELETED")
        #expect(try cluster.set(keys[3], "other", at: second) == "STORED")
        let after = try read(cluster, first)
        // The second member stands in: it has them before they are answered for.
        #expect(after["writes_single_copy"] == before["writes_single_copy"])
        #expect(after["repl_sent"] == (before["repl_sent"] ?? 0) + 3)
        #expect(try read(cluster, second)["guests_kept"] == 3)
        #expect(try read(cluster, second)["stood_in"] == 0)
        #expect(after["members_away"] == 1 && after["members_current"] == 2)

        // What comes back asks whoever has them for the three that it has not, which may be both, and gives up the one that is deleted.
        let kept = try read(cluster, second)
        try cluster.start(third)
        try cluster.waitUntilAllIsWell()
        let returned = try cluster.counters(of: third)
        let sent =
            try read(cluster, first)["catchup_sent", default: 0] - after["catchup_sent", default: 0]
            + read(cluster, second)["catchup_sent", default: 0]
            - kept["catchup_sent", default: 0]
        #expect((3...6).contains(sent))
        #expect(returned["catchup_items"] == sent)
        #expect((3 * 40..<6 * 200).contains(returned["catchup_bytes"] ?? 0))
        #expect(returned["repl_applied"] == sent)
        #expect(returned["tombstones_won"] == 1)
        #expect(returned["tombstones"] == 1)
        #expect((1...60_000).contains(returned["catchup_ms"] ?? 0))
        #expect(returned["served_alone"] == 0)
    }

    @Test(
        "A member that talks and acknowledges nothing is slow; what waits for one is parked, or hung up on"
    )
    func slow() throws {
        let cluster = try MemberCluster(peers: "peers: {timeout: 2000}", isRelayed: true)
        let (first, third) = (0, 2)
        let key = try cluster.key(first: first, second: third)
        let relay = try #require(cluster.relays[.init(from: third, to: first)])
        relay.set(.init(holdsFrames: true))
        // It may talk as it likes.
        let slow = try changes(cluster) {
            #expect(try cluster.set(key, "1", at: first) == nil)
            try wait(for: "the slow member to be given up") {
                try cluster.counters(of: first)["peer_slow"] == 1
            }
            relay.set(.init())
            try cluster.waitUntilAllIsWell()
        }
        #expect(slow[first]["peer_slow"] == 1)
        #expect(slow[first]["ops_unknown"] == 1)
        // The third one hears it still: nobody has taken its place.
        #expect(slow[first]["takeovers"] == nil)
        #expect(try cluster.value(of: key, at: third) == "1")

        // Once it is silent for longer than a lease nobody knows who decides, and then the other one does.
        var unanswered = 0
        var rounds = 0
        let parked = try changes(cluster) {
            repeat {
                rounds += 1
                cluster.send(SIGSTOP, to: third)
                try wait(for: "an answer without it") {
                    if try cluster.set(key, "2", at: first) != nil {
                        return try cluster.counter("member_c", of: first) != "current"
                    }
                    unanswered += 1
                    return false
                }
                cluster.send(SIGCONT, to: third)
                try cluster.waitUntilAllIsWell()
                // Nobody may have asked in that second.
            } while try cluster.counters(of: first)["ops_parked"] == 0 && rounds < 5
        }
        // Where the member itself was late, the connection was closed without it.
        #expect((1...max(1, unanswered)).contains(parked[first]["ops_unknown"] ?? 0), "\(parked)")
        #expect((1...unanswered + rounds).contains(parked[first]["ops_parked"] ?? 0))
        #expect(try cluster.value(of: key, at: third) == "2")
    }

    @Test(
        "Evictions and deletions beyond what is remembered are counted, and a miss is checked then")
    func room() throws {
        let cluster = try MemberCluster(memory: 2)
        let (first, second) = (0, 1)
        let peer = try cluster.connect(first)
        let missing = try cluster.key(first: first, second: second, prefix: "missing")
        let unchecked = try changes(cluster) {
            let value = try cluster.value(of: missing, at: first)
            #expect(value == nil)
        }
        #expect(unchecked == [[:], [:], [:]])
        // More than 1,024 are remembered only where there is more memory.
        let deleted = try cluster.keys(1_200, first: first, second: second, prefix: "gone")
        let dropped = try changes(cluster) {
            for part in stride(from: 0, to: deleted.count, by: 100) {
                // What was deleted just now may be on its way still, and stays for two seconds longer.
                if part + 100 == deleted.count { usleep(3_100_000) }
                let keys = deleted[part..<part + 100]
                let commands = keys.map { "set \($0) 0 0 1\r\nx\r\ndelete \($0)\r\n" }.joined()
                try peer.send(commands + "mn\r\n")
                let replies = try peer.receive(until: "MN\r\n")
                #expect(replies == keys.map { _ in "STORED\r\nDELETED\r\n" }.joined() + "MN\r\n")
            }
        }
        for number in [first, second] {
            #expect(dropped[number]["tombstones"] == 1_024)
            #expect(dropped[number]["tombstones_dropped_early"] == 1_200 - 1_024)
        }
        let value = String(repeating: "v", count: 50_000)
        for key in try cluster.keys(80, first: first, second: second, prefix: "much") {
            #expect(try peer.ask("set \(key) 0 0 50000\r\n\(value)") == "STORED\r\n")
        }
        #expect(try cluster.counters(of: first)["evictions"] ?? 0 > 0)
        let checked = try changes(cluster) {
            let value = try cluster.value(of: missing, at: first)
            #expect(value == nil)
        }
        #expect(checked == [["reads_checked": 1], [:], [:]])
    }

    /// More than fits, at two of three members of 2 MB.
    private func flood(_ cluster: MemberCluster, first: Int, second: Int) throws {
        let peer = try cluster.connect(first)
        let value = String(repeating: "v", count: 50_000)
        for key in try cluster.keys(80, first: first, second: second, prefix: "bot") {
            #expect(try peer.ask("set \(key) 0 0 50000\r\n\(value)") == "STORED\r\n")
        }
    }

    @Test(
        "What was evicted at its first owner is changed, renewed and deleted as the other one has it"
    )
    func faultIn() throws {
        let cluster = try MemberCluster(memory: 2)
        let (first, second, third) = (0, 1, 2)
        let keys = try cluster.keys(6, first: first, second: second, prefix: "there")
        for key in keys { #expect(try cluster.set(key, "10", at: first) == "STORED") }
        try flood(cluster, first: first, second: third)
        #expect(try cluster.counters(of: second)["evictions"] == 0)
        let done = try changes(cluster) {
            let replies = try [
                cluster.ask(first, "incr \(keys[0]) 1"), cluster.ask(third, "touch \(keys[1]) 100"),
                cluster.ask(first, "append \(keys[2]) 0 0 1\r\nx"),
                cluster.ask(first, "delete \(keys[3])"),
                cluster.ask(first, "add \(keys[4]) 0 0 1\r\nx"),
                cluster.value(of: keys[5], at: first),
            ]
            #expect(replies == ["11", "TOUCHED", "STORED", "DELETED", "NOT_STORED", "10"])
        }
        #expect(done[first]["reads_checked"] == 6)
        #expect(done[first]["reads_faulted_in"] == 6)
        for member in 0..<3 {
            let values = try keys.map { try cluster.value(of: $0, at: member) }
            #expect(values == ["11", "10", "10x", nil, "10", "10"])
        }
    }

    @Test(
        "A session that bots have pushed out at one owner, and its user has come back to, is at both owners again"
    )
    func repairs() throws {
        let cluster = try MemberCluster(memory: 2)
        let (first, second, third) = (0, 1, 2)
        let keys = try cluster.keys(6, first: first, second: second, prefix: "there")
        for key in keys { #expect(try cluster.set(key, "in", at: first) == "STORED") }
        try flood(cluster, first: second, second: third)
        // Only by what came after them: the first owner has them all.
        #expect(try cluster.counters(of: first)["evictions"] == 0)
        #expect(try cluster.counters(of: second)["evictions"] ?? 0 > keys.count)
        // Old enough for a read to prove them.
        usleep(2_200_000)
        let told = try changes(cluster) {
            let values = try keys.map { try cluster.value(of: $0, at: first) }
            #expect(values == keys.map { _ in "in" })
        }
        // Before the users were answered.
        #expect(told[first]["repl_sent"] == keys.count && told[first]["notes_sent"] == nil)
        #expect(told[second]["repl_applied"] == keys.count)
        // Once: what is proven stays so.
        let again = try changes(cluster) {
            let values = try keys.map { try cluster.value(of: $0, at: first) }
            #expect(values == keys.map { _ in "in" })
        }
        #expect(again == [[:], [:], [:]])
        cluster.kill(first, losesFile: true)
        for key in keys {
            try wait(for: "the other owner to be in charge") {
                try cluster.value(of: key, at: second) == "in"
            }
        }
    }

    @Test(
        "A copy is as old as its session: the first read after a member has lost everything proves it"
    )
    func ages() throws {
        let cluster = try MemberCluster()
        let (first, second) = (0, 1)
        let keys = try cluster.keys(6, first: first, second: second)
        for key in keys { #expect(try cluster.set(key, "in", at: first) == "STORED") }
        usleep(1_500_000)
        cluster.kill(first, losesFile: true)
        try cluster.start(first)
        try cluster.waitUntilAllIsWell()
        #expect(try cluster.counters(of: first)["probationary_items"] == keys.count)
        for key in keys { #expect(try cluster.value(of: key, at: first) == "in") }
        for member in [first, second] {
            #expect(try cluster.counters(of: member)["proven_items"] == keys.count)
        }
    }

    @Test(
        "What is renewed at either owner lives as long at the other, without anybody's waiting for it"
    )
    func notes() throws {
        let cluster = try MemberCluster()
        let (first, second, third) = (0, 1, 2)
        let keys = try cluster.keys(4, first: first, second: second)
        for key in keys { #expect(try cluster.set(key, "s", at: first, exptime: 60) == "STORED") }
        let renewed = try changes(cluster) {
            let replies = try [
                cluster.ask(first, "gat 1000 \(keys[0])"),
                cluster.ask(second, "gats 1000 \(keys[1])"),
                cluster.ask(third, "touch \(keys[2]) 1000"),
                cluster.ask(second, "mg \(keys[3]) T1000"),
            ]
            #expect(replies.map { $0?.prefix(5) } == ["VALUE", "VALUE", "TOUCH", "HD"])
            try wait(for: "the notes to come") {
                try keys.allSatisfy { key in
                    try [first, second].allSatisfy { number in
                        let line = try #require(try cluster.ask(number, "mg \(key) t"))
                        return (990...1_000).contains(Int(line.dropFirst("HD t".count)) ?? 0)
                    }
                }
            }
        }
        #expect(renewed.allSatisfy { $0["repl_sent"] == nil })
        #expect(renewed[first]["notes_sent"] == 3 && renewed[second]["notes_applied"] == 3)
        #expect(renewed[second]["notes_sent"] == 1 && renewed[first]["notes_applied"] == 1)
        // A shorter life is a change like any other.
        let shortened = try changes(cluster) {
            let reply = try cluster.ask(first, "gat 30 \(keys[0])")
            #expect(reply?.hasPrefix("VALUE") == true)
        }
        #expect(shortened[first]["repl_sent"] == 1)
        let left = try cluster.ask(second, "mg \(keys[0]) t")
        #expect(left == "HD t30" || left == "HD t29")
    }

    @Test("What the other owner knows better is a conflict, and what it has no room for is refused")
    func conflicts() throws {
        let cluster = try MemberCluster(memory: 2, flags: ["-M"])
        let (first, second) = (0, 1)
        let key = try cluster.key(first: first, second: second)
        #expect(try cluster.set(key, "old", at: first) == "STORED")
        let unique = try #require(try cluster.ask(first, "gets \(key)")).split(separator: "\r\n")[0]
        let version = try #require(UInt64(unique.split(separator: " ")[4]))
        // In the place of one that has died. Nobody else is believed.
        cluster.kill(2)
        for number in [first, second] { try cluster.waitUntil(number, calls: 2, "away") }
        let impostor = try PeerImpostor(to: second, of: cluster, as: 2)
        #expect(impostor.welcome == .done)
        try impostor.sendStatement(time: 1)
        func tell(_ version: UInt64, _ key: String, _ value: [UInt8]) throws {
            let state = KeyState(
                key: Array(key.utf8), stamp: Stamp(birth: .max / 2, version: version),
                kind: .item, clientFlags: 0, secondsLeft: nil, marks: 0, value: value)
            try impostor.send(.frame(.inform(nil, nil, state)))
        }
        func waitUntil(_ name: String, is count: Int) throws {
            try wait(for: "\(name) to be \(count)") {
                try cluster.counters(of: second)[name] == count
            }
        }
        let told = try changes(cluster) {
            try tell(version + 1_000_000, key, [120])
            try waitUntil("catchup_items", is: 1)
            try tell(version + 500_000, key, [121])
            try waitUntil("catchup_items", is: 2)
        }
        // Who has something older that is not its own is told what is later.
        #expect(
            told == [
                [:],
                ["catchup_items": 2, "catchup_sent": 1, "repl_applied": 1, "repl_older": 1], [:],
            ])
        let conflict = try changes(cluster) {
            let told = try cluster.set(key, "new", at: first)
            #expect(told == "STORED")
        }
        #expect(
            conflict == [
                // The later state comes from there first, and the change is made of it.
                ["repl_sent": 2, "conflicts": 1, "repl_applied": 1],
                ["repl_older": 1, "repl_applied": 1], [:],
            ])
        for number in 0..<2 { #expect(try cluster.value(of: key, at: number) == "new") }
        // Without evictions the memory ends.
        let refused = try changes(cluster) {
            let value = [UInt8](repeating: 118, count: 500_000)
            for number in 0..<6 { try tell(version, "other:\(number)", value) }
            try waitUntil("catchup_items", is: 8)
        }
        #expect(refused[second]["repl_applied"] == 6)
        #expect((2...5).contains(refused[second]["repl_refused"] ?? 0))
    }
}
