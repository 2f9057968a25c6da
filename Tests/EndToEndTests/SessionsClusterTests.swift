import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

/// "Log out everywhere", where nodes keep copies.
@Suite(.timeLimit(.minutes(10)))
struct SessionsClusterTests {
    private let sockets: TemporaryDirectory

    init() throws { sockets = try TemporaryDirectory() }

    private func cluster(peers: String = "peers: {}", isRelayed: Bool = false) throws
        -> MemberCluster
    {
        try MemberCluster(
            peers: peers, isRelayed: isRelayed,
            nodeFlags: { ["-o", "operator=\(self.sockets.path)/\($0),user_rule=php:user_id"] })
    }

    private func php(_ user: Int) -> String { "n|i:1;user_id|i:\(user);" }

    private func store(_ cluster: MemberCluster, users: Int, each: Int = 5) throws {
        let peer = try cluster.connect(0)
        for user in 0..<users {
            var text = ""
            for number in 0..<each {
                text += "set s:\(user):\(number) 0 0 \(php(user).utf8.count)\r\n\(php(user))\r\n"
            }
            try peer.send(Array(text.utf8))
        }
        while String(decoding: peer.received, as: UTF8.self).split(separator: "\n").count < users
            * each,
            peer.receive(isUnexpected: false)
        {}
        #expect(
            String(decoding: peer.received, as: UTF8.self).split(separator: "\r\n").allSatisfy {
                $0 == "STORED"
            })
    }

    private func tool(
        _ cluster: MemberCluster, _ arguments: String...
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        try Program.run(
            try RunningNode.builtProgram("sojourn"),
            ["sessions"] + arguments + ["--cluster", cluster.definition])
    }

    private func left(_ cluster: MemberCluster, _ user: Int, at nodes: [Int] = [0, 1, 2]) throws
        -> [String]
    {
        try nodes.flatMap { node in
            try (0..<5).compactMap {
                try cluster.value(of: "s:\(user):\($0)", at: node) == nil
                    ? nil : "\(node): s:\(user):\($0)"
            }
        }
    }

    @Test(
        "One user of several hundred is logged out in less than a second, and each session counts once"
    )
    func revoke() throws {
        let cluster = try cluster()
        try store(cluster, users: 400)
        let count = try tool(cluster, "count", "--top", "1")
        #expect(count.exit == .status(0) && count.output.contains("2,000 sessions"), "\(count)")
        let list = try tool(cluster, "list", "--user", "7")
        #expect(list.output.contains("5 sessions of 7"), "\(list)")
        let start = ContinuousClock.now
        let ended = try tool(cluster, "revoke", "--user", "7")
        let time = ContinuousClock.now - start
        #expect(
            ended.exit == .status(0) && ended.output.contains("5 sessions of 7 ended"), "\(ended)")
        #expect(time < .seconds(1), "\(time)")
        #expect(try left(cluster, 7) == [])
        #expect(try left(cluster, 8).count == 15)
        #expect(try tool(cluster, "count", "--user", "7").exit == .status(1))
        // All nodes die, and come with what their files have.
        for node in 0..<3 { cluster.kill(node) }
        for node in 0..<3 { try cluster.start(node) }
        try cluster.waitUntilAllIsWell()
        #expect(try left(cluster, 7) == [])
        #expect(try left(cluster, 8).count == 15)
    }

    @Test("Sessions that were ended while a node was away do not come back with it")
    func away() throws {
        let cluster = try cluster()
        try store(cluster, users: 60)
        cluster.kill(2)
        try cluster.waitUntil(0, calls: 2, "away")
        try cluster.waitUntil(1, calls: 2, "away")
        let ended = try tool(cluster, "revoke", "--user", "7")
        #expect(
            ended.exit == .status(2) && ended.output.contains("5 sessions of 7 ended"), "\(ended)")
        #expect(ended.errors.contains("c: \(sockets.path)/c: Connection refused"), "\(ended)")
        try cluster.start(2)
        try cluster.waitUntilAllIsWell()
        #expect(try left(cluster, 7) == [])
        #expect(try tool(cluster, "count", "--user", "7").exit == .status(1))
        #expect(try left(cluster, 8).count == 15)
    }

    @Test("Nor after a partition, while which one side ended them")
    func partition() throws {
        let cluster = try cluster(peers: "peers: {partition: majority}", isRelayed: true)
        try store(cluster, users: 60)
        for to in [0, 1] { cluster.relays[.init(from: 2, to: to)]?.set(.init(isCut: true)) }
        try cluster.waitUntil(0, calls: 2, "away")
        try cluster.waitUntil(1, calls: 2, "away")
        // The smaller side refuses what the larger one would not hear of, and it says so.
        let refused = try Program.run(
            try RunningNode.builtProgram("sojourn"),
            ["sessions", "revoke", "--user", "9", "--socket", sockets.path + "/c"])
        #expect(
            refused.exit == .status(2) && refused.errors.contains("could not be ended"),
            "\(refused)")
        for socket in ["a", "b"] {
            _ = try Program.run(
                try RunningNode.builtProgram("sojourn"),
                ["sessions", "revoke", "--user", "7", "--socket", "\(sockets.path)/\(socket)"])
        }
        #expect(try left(cluster, 7, at: [0, 1]) == [])
        for to in [0, 1] { cluster.relays[.init(from: 2, to: to)]?.set(.init(isCut: false)) }
        try cluster.waitUntilAllIsWell()
        #expect(try left(cluster, 7) == [])
        #expect(try left(cluster, 8).count == 15)
    }

    @Test("A session that is stored anew all the while is ended as well")
    func rewritten() throws {
        let cluster = try cluster()
        try store(cluster, users: 20)
        let (host, port) = (cluster.host, UInt16(cluster.ports[1]))
        let changes = Changes()
        let value = php(7) + "more|i:"
        Thread.detachNewThread {
            let peer = try? SocketPeer(.address(host, port: port))
            while !changes.areOver.load(ordering: .acquiring) {
                let number = changes.count.add(1, ordering: .relaxed).newValue
                let text = value + "\(number);"
                // Only what is there: a late `set` would be a login, for all that a store knows.
                _ = try? peer?.ask("replace s:7:1 0 0 \(text.utf8.count)\r\n\(text)")
            }
            changes.hasEnded.store(true, ordering: .releasing)
        }
        try wait(for: "changes") { changes.count.load(ordering: .relaxed) > 100 }
        let ended = try tool(cluster, "revoke", "--user", "7")
        #expect(
            ended.exit == .status(0) && ended.output.contains("5 sessions of 7 ended"), "\(ended)")
        #expect(try left(cluster, 7) == [])
        changes.areOver.store(true, ordering: .releasing)
        try wait(for: "the last change") { changes.hasEnded.load(ordering: .acquiring) }
        #expect(try left(cluster, 7) == [])
    }
}

/// What another thread does, and whether it is to end.
private final class Changes: Sendable {
    let count = Atomic<Int>(0)
    let areOver = Atomic<Bool>(false)
    let hasEnded = Atomic<Bool>(false)
}
