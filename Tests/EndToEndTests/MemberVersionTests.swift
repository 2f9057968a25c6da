import Cluster
import TestSupport
import Testing

/// Nodes of neighbouring versions of what members say to each other, as an upgrade has them.
@Suite(.timeLimit(.minutes(10)))
struct MemberVersionTests {
    /// It refuses every version but its own, as nodes did before there were others.
    private let held = ["SOJOURN_TEST_WIRE_VERSION": "2"]
    private let everywhere = [0, 1, 2]

    private func version(_ cluster: MemberCluster, of peer: Int, at number: Int) throws -> String? {
        try cluster.counter("link_version_\(MemberCluster.names[peer])", of: number)
    }

    private func restart(
        _ cluster: MemberCluster, _ number: Int, environment: [String: String]
    ) throws {
        cluster.kill(number)
        try cluster.start(number, environment: environment)
        try cluster.waitUntilAllIsWell()
    }

    /// Every key is stored, read and deleted, wherever somebody asks.
    private func expectCopies(_ cluster: MemberCluster, _ what: String) throws {
        for first in everywhere {
            for second in everywhere where second != first {
                let key = try cluster.key(first: first, second: second, prefix: what)
                for number in everywhere {
                    let value = "\(what) by \(number)"
                    #expect(try cluster.set(key, value, at: number) == "STORED", "\(what)")
                    #expect(
                        try cluster.values(of: key, at: everywhere) == [value, value, value])
                }
                #expect(try cluster.ask(second, "delete \(key)") == "DELETED")
                #expect(try cluster.values(of: key, at: everywhere) == [nil, nil, nil])
            }
        }
    }

    // The last one dials both others, the first one is dialled by both.
    @Test(
        "A node of the version before replicates with later ones both ways, and catches up with them",
        arguments: [0, 1, 2])
    func neighbour(old: Int) throws {
        let cluster = try MemberCluster()
        let others = everywhere.filter { $0 != old }
        #expect(try version(cluster, of: others[1], at: others[0]) == "3")
        #expect(try version(cluster, of: old, at: others[0]) == "3")
        try restart(cluster, old, environment: held)
        for other in others {
            #expect(try version(cluster, of: old, at: other) == "2")
            #expect(try version(cluster, of: other, at: old) == "2")
        }
        #expect(try version(cluster, of: others[1], at: others[0]) == "3")
        try expectCopies(cluster, "mixed")

        // What it misses comes when it is back, and what others miss comes from it.
        let keys = try others.flatMap {
            [
                try cluster.key(first: old, second: $0, prefix: "missed"),
                try cluster.key(first: $0, second: old, prefix: "missed"),
            ]
        }
        for key in keys { #expect(try cluster.set(key, "before", at: old) == "STORED") }
        cluster.kill(old)
        for (key, deletes) in zip(keys, [true, false, true, false]) {
            if deletes {
                #expect(try cluster.ask(others[0], "delete \(key)") == "DELETED")
            } else {
                #expect(try cluster.set(key, "after", at: others[1]) == "STORED")
            }
        }
        try cluster.start(old, environment: held)
        try cluster.waitUntilAllIsWell()
        let wanted = [nil, "after", nil, "after"]
        for (key, value) in zip(keys, wanted) {
            #expect(try cluster.values(of: key, at: everywhere) == [value, value, value])
        }
        // With no memory it takes all from them; and one of them takes all from it.
        cluster.kill(others[0], losesFile: true)
        try cluster.start(others[0])
        try cluster.waitUntilAllIsWell()
        for (key, value) in zip(keys, wanted) {
            #expect(try cluster.values(of: key, at: everywhere) == [value, value, value])
        }

        // A front speaks to each in its own.
        let front = try cluster.startFront()
        try wait(for: "the front") { try front.counter("members_current") == 3 }
        #expect(try front.counter("link_version_\(MemberCluster.names[old])") == 2)
        #expect(try front.counter("link_version_\(MemberCluster.names[others[0]])") == 3)
        #expect(try front.connect().ask("get \(keys[1])", until: "END\r\n").contains("after"))

        // Upgraded, it speaks the later one, with all that it had.
        try restart(cluster, old, environment: [:])
        for other in others { #expect(try version(cluster, of: old, at: other) == "3") }
        try expectCopies(cluster, "upgraded")
        for (key, value) in zip(keys, wanted) {
            #expect(try cluster.values(of: key, at: everywhere) == [value, value, value])
        }
        try wait(for: "the front's links") {
            try front.counter("link_version_\(MemberCluster.names[old])") == 3
        }
    }

    @Test("Who speaks none of a node's versions is told so, and the node says what to do")
    func stranger() throws {
        let cluster = try MemberCluster(count: 2)
        for offered in [0, 1] as [UInt8] {
            let stranger = try PeerImpostor(
                to: 0, of: cluster, garble: { $0.prefix(4) + [offered, 0] + $0.dropFirst(6) })
            #expect(stranger.welcome == .failed(.refusedVersion(offered: .newest, newest: nil)))
            try #require(cluster.programs[0]).waitToSay(
                "protocol version: 2 or 3 is spoken here, and the peer's is \(offered). Only neighbouring"
            )
        }
        let wrong = try Program(
            try RunningNode.sojourndPath(),
            ["--cluster", cluster.definition, "--name", "a"],
            environment: ["SOJOURN_TEST_WIRE_VERSION": "4"])
        #expect(try wrong.waitForExit() == .status(64))
        #expect(wrong.errors.contains("there is no version 4"))
    }
}
