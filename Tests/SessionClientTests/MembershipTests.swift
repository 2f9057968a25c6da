import ClusterFile
import Glibc
import HashRing
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import SessionClient

/// A definition with a line for each node, which keeps to the beginning of a longer one.
private func definition(_ hosts: String...) -> String {
    "nodes:\n" + hosts.map { "- host: \($0)\n" }.joined()
}

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct MembershipTests {
    @Test("A definition is read at the start, and again when it has changed")
    func file() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(definition("a", "b"), to: "nodes")
        try await withClient(.definition(path: path, checkInterval: interval)) { client in
            #expect(try await hosts(of: client) == ["a", "b"])
            _ = try directory.write(definition("a", "c", "b"), to: "nodes")
            try await eventually("the change") { try await hosts(of: client) == ["a", "c", "b"] }
        }
    }

    @Test(
        "A definition says where keys go, whatever the configuration does, also when only that changes"
    )
    func rule() async throws {
        let directory = try TemporaryDirectory()
        func write(_ strategy: Ring.Strategy, _ more: String = "") throws -> String {
            try directory.write(
                "placement: {strategy: \(strategy.rawValue)\(more)}\n"
                    + "nodes: [{host: a, weight: 3}, {host: b}, {host: c, in_place_of: {host: d}}]\n",
                to: "nodes")
        }
        let path = try write(.dalli)
        try await withClient(.definition(path: path, checkInterval: interval)) { client in
            func places(_ strategy: Ring.Strategy, _ tag: Ring.HashTag? = nil) async throws -> Bool
            {
                let nodes = [
                    Node(host: "a", weight: 3), Node(host: "b"),
                    Node(host: "c", ringName: "d:11211"),
                ]
                let ring = try Ring(nodes: nodes, strategy: strategy, hashTag: tag)
                return try await client.topology().ring.placesKeys(as: ring)
            }
            #expect(try await places(.dalli))
            _ = try write(.ketama)
            try await eventually("the strategy") { try await places(.ketama) }
            _ = try write(.ketama, ", hash_tag: '{}'")
            try await eventually("the hash tag") {
                try await places(.ketama, Ring.HashTag("{}"))
            }
        }
    }

    @Test(
        "A definition says how many copies there are at the start, and later ones are another matter"
    )
    func copies() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("copies: 2\n" + definition("a", "b", "c"), to: "nodes")
        try await withClient(.definition(path: path, checkInterval: interval)) { client in
            #expect(client.core.configuration.copies.count == 2)
            _ = try directory.write("copies: 3\n" + definition("a", "b", "d"), to: "nodes")
            try await eventually("the change") { try await hosts(of: client) == ["a", "b", "d"] }
            #expect(client.core.configuration.copies.count == 2)
        }
        // More than the client takes.
        let many = try directory.write(
            "copies: 6\n" + definition("a", "b", "c", "d", "e", "f"), to: "many")
        #expect(throws: ConfigurationError.self) {
            try CacheClient(membership: .definition(path: many))
        }
    }

    @Test("A definition that is wrong, empty, or gone changes nothing")
    func wrongFile() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(definition("a"), to: "nodes")
        try await withClient(.definition(path: path, checkInterval: interval)) { client in
            for wrong in [
                "nonsense here too\n", "", "a:1\nb:2\n", definition("a", "a"), "nodes: []\n",
                "nodes: [{host: a, port: 0}]\n", "nodes: [{host: b, weight: 0}]\n",
            ] {
                _ = try directory.write(wrong, to: "nodes")
                try await Task.sleep(for: interval * 3)
                #expect(try await hosts(of: client) == ["a"])
            }
            unlink(path)
            try await Task.sleep(for: interval * 3)
            #expect(try await hosts(of: client) == ["a"])
            _ = try directory.write(definition("b"), to: "nodes")
            try await eventually("the change") { try await hosts(of: client) == ["b"] }
        }
    }

    private func reader(_ path: String) -> MembershipReader {
        MembershipReader(
            .definition(path: path, checkInterval: interval),
            group: MultiThreadedEventLoopGroup.singleton, queryTimeout: .seconds(1))
    }

    @Test("A file that is read while it is half written takes no node away")
    func halfWritten() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(definition("a", "b", "c", "d"), to: "nodes")
        var reader = reader(path)
        #expect(try reader.firstNodes()?.count == 4)
        // It is written anew, with a fifth node, and read in between.
        for part in [
            definition("a"), definition("a", "b") + "- ho", definition("a", "b", "c", "d"),
        ] {
            _ = try directory.write(part, to: "nodes")
            #expect(try await reader.changedNodes() == nil, "\(part)")
        }
        _ = try directory.write(definition("a", "b", "c", "d", "e"), to: "nodes")
        #expect(try await reader.changedNodes() == nil)
        #expect(try await reader.changedNodes()?.map(\.host) == ["a", "b", "c", "d", "e"])
        #expect(try await reader.changedNodes() == nil)
        // A change that is taken back was none.
        _ = try directory.write(definition("a"), to: "nodes")
        #expect(try await reader.changedNodes() == nil)
        _ = try directory.write(definition("a", "b", "c", "d", "e"), to: "nodes")
        #expect(try await reader.changedNodes() == nil)
        _ = try directory.write(definition("a"), to: "nodes")
        #expect(try await reader.changedNodes() == nil)
        #expect(try await reader.changedNodes()?.map(\.host) == ["a"])
    }

    @Test("A file that is written at the start is read again until it stays as it is")
    func writtenAtTheStart() {
        var looks = ["a", "a\nb", "a\nb\nc", "a\nb\nc", "another"][...]
        #expect(
            MembershipReader.settled {
                true
            } pause: {
            } read: {
                looks.removeFirst()
            }
                == "a\nb\nc")
        #expect(looks == ["another"])
        var count = 0
        let none = MembershipReader.settled {
            true
        } pause: {
        } read: {
            count += 1
            return "\(count)"
        }
        #expect(none == nil && count == 21)
        // One that nobody has written lately is read once.
        looks = ["a", "b"]
        #expect(
            MembershipReader.settled {
                false
            } pause: {
            } read: {
                looks.removeFirst()
            } == "a")
        #expect(looks == ["b"])
    }

    @Test("A server with an A and an AAAA record is one node, not two with both copies on it")
    func twoFamilies() async throws {
        for (addresses, wanted) in [
            (["fd00::1", "10.0.0.1", "10.0.0.2", "fd00::2"], ["10.0.0.1", "10.0.0.2"]),
            (["fd00::2", "fd00::1"], ["fd00::1", "fd00::2"]),
        ] {
            var reader = MembershipReader(
                .dns(name: "sessions"), group: MultiThreadedEventLoopGroup.singleton,
                queryTimeout: .seconds(1)
            ) { _ in addresses }
            #expect(try await reader.changedNodes()?.map(\.host) == wanted)
        }
    }

    @Test("At the start the file has to be a definition")
    func firstFile() throws {
        let directory = try TemporaryDirectory()
        for wrong in ["a:x\n", "", "nodes: []\n", "nodes: [{host: a, port: x}]\n"] {
            let path = try directory.write(wrong, to: "wrong")
            #expect(throws: DefinitionError.self) {
                try CacheClient(membership: .definition(path: path))
            }
        }
        #expect(throws: DefinitionError.self) {
            try CacheClient(membership: .definition(path: directory.path + "/none"))
        }
        let right = try directory.write(definition("a"), to: "right")
        #expect(throws: ConfigurationError.self) {
            try CacheClient(
                membership: .definition(path: right, checkInterval: .milliseconds(9)))
        }
    }

    @Test("A name's addresses are the nodes, and what is asked before they are known waits")
    func name() async throws {
        let node = try ServerKind.sojournd.start()
        let membership = Membership.dns(
            name: "localhost", port: try node.port, refreshInterval: interval)
        // Commands go to the node, if it has the name's address: 127.0.0.1 is among localhost's.
        let client = try CacheClient(membership: membership, configuration: quickConfiguration())
        let early = ownTask { try await client.topology().ring.nodes }
        let run = ownTask { try await client.run() }
        #expect(try await early.value.contains(Node(host: "127.0.0.1", port: try node.port)))
        run.cancel()
        try await run.value
    }

    @Test("Names are resolved again, and keep their last addresses while they cannot be")
    func resolvedAgain() async throws {
        let addresses = Mutex<[String]?>(["10.0.0.2", "10.0.0.1", "10.0.0.2"])
        var reader = MembershipReader(
            .dns(name: "sessions"), group: MultiThreadedEventLoopGroup.singleton,
            queryTimeout: .seconds(1)
        ) { name in
            #expect(name == "sessions")
            guard let addresses = addresses.withLock({ $0 }) else { throw Trouble("no answer") }
            return addresses
        }
        #expect(try reader.firstNodes() == nil)
        #expect(try await reader.changedNodes()?.map(\.host) == ["10.0.0.1", "10.0.0.2"])
        addresses.withLock { $0 = ["10.0.0.1", "10.0.0.2"] }
        #expect(try await reader.changedNodes() == nil)
        for none: [String]? in [nil, []] {
            addresses.withLock { $0 = none }
            await #expect(throws: (any Error).self) { try await reader.changedNodes() }
        }
        addresses.withLock { $0 = ["10.0.0.3"] }
        #expect(try await reader.changedNodes() == [Node(host: "10.0.0.3")])
    }

    @Test("A function of the application's own may name the nodes")
    func custom() async throws {
        let nodes = Mutex<[Node]?>([Node(host: "a")])
        let membership = Membership.custom(refreshInterval: interval) {
            guard let nodes = nodes.withLock({ $0 }) else { throw Trouble("no answer") }
            return nodes
        }
        try await withClient(membership) { client in
            #expect(try await hosts(of: client) == ["a"])
            nodes.withLock { $0 = nil }
            try await Task.sleep(for: interval * 3)
            #expect(try await hosts(of: client) == ["a"])
            nodes.withLock { $0 = [Node(host: "b")] }
            try await eventually("the change") { try await hosts(of: client) == ["b"] }
        }
    }

    @Test("A name without an address fails")
    func unknownName() {
        #expect(throws: MembershipReader.Trouble.self) {
            try MembershipReader.addresses(of: "no-such-host.invalid")
        }
    }

    @Test("A membership that is never known costs each command its deadline")
    func neverKnown() async throws {
        let port = try OccupiedPort(.refusing)
        let membership = Membership.clusterConfiguration(
            seeds: [port.node], refreshInterval: interval)
        try await withClient(membership) { client in
            let quick = client.withTimeout(.milliseconds(30))
            #expect(await code { _ = try await quick.get("k") } == .noNodes)
            let items = await quick.get(["k"] as [CacheKey])
            #expect(items.failures["k"]?.code == .noNodes)
        }
    }
}
