import ClusterFile
import Glibc
import HashRing
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import SessionClient

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct ClusterQueryTests {
    /// Seeds that answer with what stands in a box.
    private final class Cluster: Sendable {
        let body = Mutex("")

        func set(_ version: Int, _ nodes: String) {
            body.withLock { $0 = "\(version)\n\(nodes)\n" }
        }

        func server() async throws -> FaultServer {
            try await FaultServer { [self] line in
                guard line == "config get cluster" else { return .close }
                let body = body.withLock { $0 }
                return .bytes("CONFIG cluster 0 \(body.utf8.count)\r\n\(body)\r\nEND\r\n")
            }
        }
    }

    @Test("The nodes say who they are, and later versions replace earlier ones")
    func followed() async throws {
        let cluster = Cluster()
        let server = try await cluster.server()
        cluster.set(5, "a||1 b||2")
        let membership = Membership.clusterConfiguration(
            seeds: [server.node], refreshInterval: interval)
        try await withClient(membership) { client in
            #expect(try await hosts(of: client) == ["a", "b"])
            // A node that lags behind, or one that says nothing, changes nothing.
            cluster.set(4, "z||1")
            try await Task.sleep(for: interval * 3)
            #expect(try await hosts(of: client) == ["a", "b"])
            cluster.set(6, "")
            try await Task.sleep(for: interval * 3)
            #expect(try await hosts(of: client) == ["a", "b"])
            cluster.set(7, "c||1")
            try await eventually("the change") { try await hosts(of: client) == ["c"] }
        }
    }

    @Test("A node that knows the definition tells weights and the rule; others tell nodes")
    func definition() async throws {
        let isKnown = Mutex(true)
        let version = Mutex(1)
        let server = try await FaultServer { line in
            guard isKnown.withLock({ $0 }) || line == "config get cluster" else {
                return .bytes("ERROR\r\n")
            }
            let number = version.withLock { $0 }
            let what = line.split(separator: " ").last ?? ""
            let body =
                what == "cluster"
                ? "\(number)\na||1\n"
                : "\(number)\nplacement: {strategy: dalli}\ncopies: 2\n"
                    + "nodes: [{host: a, weight: \(number)}, {host: b}]\n"
            return .bytes("CONFIG \(what) 0 \(body.utf8.count)\r\n\(body)\r\nEND\r\n")
        }
        var reader = MembershipReader(
            .clusterConfiguration(seeds: [server.node]),
            group: MultiThreadedEventLoopGroup.singleton, queryTimeout: .seconds(20))
        #expect(try await reader.changedNodes() == [Node(host: "a"), Node(host: "b")])
        #expect(reader.rule?.strategy == .dalli)
        #expect(reader.rule?.copyCount == 2)
        #expect(try await reader.changedNodes() == nil)
        version.withLock { $0 = 2 }
        var only = MembershipReader(
            .clusterConfiguration(seeds: [server.node]),
            group: MultiThreadedEventLoopGroup.singleton, queryTimeout: .seconds(20))
        #expect(try await only.changedNodes()?.first == Node(host: "a", weight: 2))
        // As an earlier release answers, or another program. What was told of placement stays.
        isKnown.withLock { $0 = false }
        version.withLock { $0 = 3 }
        #expect(try await only.changedNodes() == [Node(host: "a", port: 1)])
        #expect(only.rule?.strategy == .dalli)
    }

    @Test("Seeds that are dead, hung or no nodes are passed over")
    func deadSeeds() async throws {
        let cluster = Cluster()
        cluster.set(1, "a||1")
        let (port, server) = (try OccupiedPort(.refusing), try await cluster.server())
        let hung = try await FaultServer { _ in .nothing }
        let other = try await FaultServer { _ in .bytes("ERROR\r\n") }
        let closing = try await FaultServer { _ in .close }
        var reader = MembershipReader(
            .clusterConfiguration(
                seeds: [port.node, other.node, closing.node, hung.node, server.node]),
            group: MultiThreadedEventLoopGroup.singleton, queryTimeout: .seconds(2))
        #expect(try await reader.changedNodes() == [Node(host: "a", port: 1)])
    }

    @Test("When nobody answers, the last trouble is told")
    func noAnswer() async throws {
        let hung = try await FaultServer { _ in .nothing }
        var reader = MembershipReader(
            .clusterConfiguration(seeds: [hung.node]),
            group: MultiThreadedEventLoopGroup.singleton, queryTimeout: .milliseconds(50))
        await #expect(throws: MembershipReader.Trouble.self) { try await reader.changedNodes() }
        var none = MembershipReader(
            .clusterConfiguration(seeds: []), group: MultiThreadedEventLoopGroup.singleton,
            queryTimeout: .milliseconds(50))
        await #expect(throws: MembershipReader.Trouble.self) { try await none.changedNodes() }
    }
}
