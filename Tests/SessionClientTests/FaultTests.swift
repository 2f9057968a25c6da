import Glibc
import HashRing
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import SessionClient

/// A reply to `mg` that fits its token.
private func hit(_ line: String, _ value: String = "ours") -> FaultServer.Answer {
    .bytes("VA \(value.utf8.count) f0 c1 t-1 \(word("O", of: line))\r\n\(value)\r\n")
}

/// A loopback port that somebody has and nobody serves.
final class OccupiedPort {
    private var descriptors: [Int32] = []
    private(set) var number = 0

    enum Kind {
        /// Who connects is refused.
        case refusing
        /// The queue of connections is full: who connects gets no answer.
        case full
    }

    init(_ kind: Kind) throws {
        let holder = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        descriptors.append(holder)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(holder, $0, length) == 0 && getsockname(holder, $0, &length) == 0
            }
        }
        guard isBound else { throw Trouble("no port") }
        number = Int(in_port_t(bigEndian: address.sin_port))
        guard kind == .full else { return }
        guard listen(holder, 0) == 0 else { throw Trouble("no listener") }
        for _ in 0..<8 {
            let kind = Int32(
                SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let peer = socket(AF_INET, kind, 0)
            descriptors.append(peer)
            withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = Glibc.connect(peer, $0, length)
                }
            }
        }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    var node: Node { Node(host: "127.0.0.1", port: number) }
}

private func duration(of body: () async throws -> Void) async throws -> Duration {
    try await ContinuousClock().measure(body)
}

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct FaultTests {
    @Test("A node that is not there is told at once")
    func refusedConnection() async throws {
        let port = try OccupiedPort(.refusing)
        try await withClient([port.node]) { cache async throws in
            #expect(await code { _ = try await cache.get("k") } == .nodeUnavailable)
            #expect(await code { _ = try await cache.set("k", to: .text("")) } == .nodeUnavailable)
        }
    }

    @Test("A name that means nothing is a node that is not there")
    func unresolvable() async throws {
        let node = Node(host: "no-such-host.invalid", port: 11_211)
        try await withClient([node]) { cache async throws in
            #expect(await code { _ = try await cache.get("k") } == .nodeUnavailable)
        }
    }

    @Test("An attempt to connect that gets no answer costs the connect timeout")
    func unreachable() async throws {
        let port = try OccupiedPort(.full)
        let configuration = quickConfiguration { $0.connectTimeout = .milliseconds(50) }
        try await withClient([port.node], configuration) { cache async throws in
            let time = try await duration {
                #expect(await code { _ = try await cache.get("k") } == .nodeUnavailable)
            }
            #expect((.milliseconds(50) ... .seconds(15)).contains(time))
        }
    }

    @Test("A hung node costs the deadline, and no more")
    func hung() async throws {
        let server = try await FaultServer { _ in .nothing }
        let configuration = quickConfiguration { $0.requestTimeout = .milliseconds(50) }
        try await withClient([server.node], configuration) { cache async throws in
            let time = try await duration {
                #expect(await code { _ = try await cache.get("k") } == .deadlineExceeded)
            }
            #expect((.milliseconds(50) ... .seconds(15)).contains(time))
            // A call's own time goes before.
            let quick = cache.withTimeout(.milliseconds(5))
            #expect(await code { _ = try await quick.get("k") } == .deadlineExceeded)
            try await eventually("a greeting") { !server.received.isEmpty }
        }
        #expect(server.received.allSatisfy { $0 == "mn" })
    }

    @Test("A node that hangs after the greeting is given up when it was silent for too long")
    func hungLater() async throws {
        let server = try await FaultServer.greeting { _ in .nothing }
        let configuration = quickConfiguration {
            $0.silenceTimeout = .milliseconds(50)
            $0.connectionCountPerNode = 1
        }
        try await withClient([server.node], configuration) { cache async throws in
            // Of a store nobody knows whether it was carried out; a retrieval is asked once more.
            #expect(await code { try await cache.set("k", to: .text("v")) } == .connectionLost)
            #expect(server.connectionCount == 1)
            #expect(await code { _ = try await cache.get("k") } == .connectionLost)
            #expect(server.connectionCount == 3)
        }
    }

    @Test("A hung node costs its own keys only")
    func hungBesideHealthy() async throws {
        let node = try ServerKind.memcached.start()
        let server = try await FaultServer { _ in .nothing }
        let configuration = quickConfiguration { $0.requestTimeout = .milliseconds(300) }
        try await withClient([try node.ringNode, server.node], configuration) {
            cache async throws in
            let patient = cache.withTimeout(.seconds(20))
            let keys = try (0..<50).map { try CacheKey("key-\($0)") }
            let topology = try await cache.topology()
            let own = keys.filter { topology.ring.index(for: $0.bytes) == 0 }
            for key in own { try await patient.set(key, to: .text("v")) }
            let items = await cache.get(keys)
            #expect(Set(items.hits.keys) == Set(own))
            #expect(items.failures.count == keys.count - own.count)
            #expect(items.failures.values.allSatisfy { $0.code == .deadlineExceeded })
        }
    }

    @Test("A stopped process is a hung node, and answers again when it goes on")
    func stoppedProcess() async throws {
        let node = try ServerKind.memcached.start()
        let configuration = quickConfiguration {
            $0.requestTimeout = .milliseconds(100)
            $0.failureCountUntilEjection = 1_000
        }
        try await withClient([try node.ringNode], configuration) { cache async throws in
            try await cache.withTimeout(.seconds(20)).set("k", to: .text("v"))
            try node.program.suspend()
            #expect(await code { _ = try await cache.get("k") } == .deadlineExceeded)
            node.program.send(SIGCONT)
            let item = try await cache.withTimeout(.seconds(20)).get("k")
            #expect(item?.text == "v")
        }
    }

    @Test(
        "Garbage, short data and foreign replies end the connection and are no result",
        arguments: [
            "garbage\r\n", "HD\r\n", "EN O0000000000000000\r\n",
            "VA 5 O0000000000000000\r\nvalue\r\n",
            "MN\r\n", "VA 99999999999\r\n", "VALUE k 0 1\r\na\r\nEND\r\n", "\r\n", "HD",
            "VA 10 f0\r\nshort",
        ])
    func violations(answer: String) async throws {
        let server = try await FaultServer.greeting { _ in .bytesAndClose(answer) }
        try await withClient([server.node]) { cache async throws in
            let code = await code { try await cache.set("k", to: .text("v")) }
            let isShort = !answer.hasSuffix("\r\n")
            #expect(code == (isShort ? .connectionLost : .protocolViolation), "\(answer)")
            // The data block came as a line.
            #expect(server.received.filter { $0.hasPrefix("ms k 1 ") }.count == 1)
        }
    }

    @Test("A node that greets with garbage is none")
    func wrongGreeting() async throws {
        for answer in ["ERROR\r\n", "garbage\r\n", "ERROR Too many open connections\r\n"] {
            let server = try await FaultServer { _ in .bytes(answer) }
            try await withClient([server.node]) { cache async throws in
                #expect(await code { _ = try await cache.get("k") } == .protocolViolation)
            }
        }
    }

    @Test("An answer to a request that was cancelled is not taken for the next one's")
    func lateReply() async throws {
        let held = Mutex("")
        let server = try await FaultServer.greeting { line in
            // The first retrieval is answered together with the second.
            let earlier = held.withLock { held in
                defer { held = line }
                return held
            }
            if earlier.isEmpty { return .nothing }
            let replies = [(earlier, "first"), (line, "other")].map { line, value in
                "VA 5 f0 c1 t-1 \(word("O", of: line))\r\n\(value)\r\n"
            }
            return .bytes(replies.joined())
        }
        let configuration = quickConfiguration { $0.connectionCountPerNode = 1 }
        try await withClient([server.node], configuration) { cache async throws in
            let task = ownTask { try await cache.get("k") }
            try await eventually("a request") { server.received.count == 2 }
            task.cancel()
            #expect(await code { _ = try await task.value } == .cancelled)
            #expect(try await cache.get("k")?.text == "other")
            #expect(server.connectionCount == 1)
        }
    }

    @Test("What was cancelled before it began is not sent")
    func cancelledEarly() async throws {
        let server = try await FaultServer.greeting { hit($0) }
        try await withClient([server.node]) { cache async throws in
            let task = ownTask {
                withUnsafeCurrentTask { $0?.cancel() }
                _ = try await cache.get("secret")
            }
            #expect(await code { try await task.value } == .cancelled)
            #expect(try await cache.get("k")?.text == "ours")
            #expect(!server.received.contains { $0.contains("secret") })
        }
    }

    @Test("A connection that breaks costs no retrieval, and no command that was not sent")
    func brokenConnection() async throws {
        let count = Mutex(0)
        let server = try await FaultServer.greeting { line in
            let isFirst = count.withLock { count in
                defer { count += 1 }
                return count == 0
            }
            return isFirst ? .close : hit(line)
        }
        try await withClient([server.node]) { cache async throws in
            #expect(try await cache.get("k")?.text == "ours")
            #expect(server.received.filter { $0.hasPrefix("mg") }.count == 2)
        }
    }

    @Test("A node that closes an unused connection does no harm")
    func closedWhenIdle() async throws {
        let node = try ServerKind.memcached.start(["-o", "idle_timeout=1"])
        let configuration = quickConfiguration { $0.failureCountUntilEjection = 1 }
        try await withClient([try node.ringNode], configuration) { cache async throws in
            try await cache.set("k", to: .text("v"))
            let pool = try await cache.topology().pools[0]
            #expect(try await pool.connections[0].phase() == .ready)
            try await eventually("idle kick") { try await pool.connections[0].phase() == .idle }
            #expect(try await cache.get("k")?.text == "v")
            #expect(!pool.watch.isEjected)
        }
    }

    @Test("A node that restarts is found again", arguments: ServerKind.allCases)
    func restarted(kind: ServerKind) async throws {
        let node = try RestartableNode(kind)
        try await withClient([node.ringNode]) { cache async throws in
            try await cache.set("k", to: .text("v"))
            node.kill()
            #expect(await code { _ = try await cache.get("k") } == .nodeUnavailable)
            try node.start()
            try await eventually("the node") { (try? await cache.set("k", to: .text("w"))) != nil }
            #expect(try await cache.get("k")?.text == "w")
        }
    }
}

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct BackPressureTests {
    @Test("Commands beyond the limit are refused, and room comes back", arguments: [-1, 0, 1])
    func outstandingBound(excess: Int) async throws {
        let server = try await FaultServer.greeting { _ in .nothing }
        let configuration = quickConfiguration {
            $0.outstandingCountMax = 10
            $0.inFlightCountMax = 4
            $0.connectionCountPerNode = 1
        }
        try await withClient([server.node], configuration) { cache async throws in
            let pool = try await cache.topology().pools[0]
            let tasks = (0..<(9 + min(excess, 0) + 1)).map { _ in
                ownTask { _ = try await cache.get("k") }
            }
            try await eventually("commands under way") {
                pool.outstandingCount == 10 + min(excess, 0)
            }
            let last = ownTask { _ = try await cache.withTimeout(.seconds(1)).get("k") }
            let lastCode = await code { try await last.value }
            #expect(lastCode == (excess < 0 ? .deadlineExceeded : .overloaded))
            // Only so many are sent.
            let sentCount = { server.received.filter { $0.hasPrefix("mg") }.count }
            try await eventually("what is in flight") { sentCount() == 4 }
            for task in tasks { task.cancel() }
            for task in tasks { #expect(await code { try await task.value } == .cancelled) }
            #expect(sentCount() == 4)
        }
    }

    @Test("Cancelled commands that were not sent make room at once")
    func cancelledMakesRoom() async throws {
        let server = try await FaultServer.greeting { _ in .nothing }
        let configuration = quickConfiguration {
            $0.outstandingCountMax = 8
            $0.inFlightCountMax = 1
            $0.connectionCountPerNode = 1
        }
        try await withClient([server.node], configuration) { cache async throws in
            let pool = try await cache.topology().pools[0]
            let first = ownTask { _ = try await cache.get("k") }
            let waiting = (0..<7).map { _ in ownTask { _ = try await cache.get("k") } }
            try await eventually("commands under way") { pool.outstandingCount == 8 }
            for task in waiting { task.cancel() }
            try await eventually("room") { pool.outstandingCount == 1 }
            first.cancel()
            for task in waiting + [first] {
                #expect(await code { try await task.value } == .cancelled)
            }
        }
    }

    @Test("A node that does not read is not written to without end")
    func unreadingNode() async throws {
        let node = try ServerKind.memcached.start()
        let configuration = quickConfiguration {
            $0.connectionCountPerNode = 1
            $0.failureCountUntilEjection = 1_000
        }
        try await withClient([try node.ringNode], configuration) { cache async throws in
            try await cache.set("k", to: .text("v"))
            try node.program.suspend()
            let value = [UInt8](repeating: 0x76, count: 500_000)
            let quick = cache.withTimeout(.milliseconds(300))
            let tasks = (0..<200).map { number in
                ownTask { try await quick.set(try CacheKey("key-\(number)"), to: value) }
            }
            var sentCount = 0
            for task in tasks {
                #expect(await code { _ = try await task.value } == .deadlineExceeded)
            }
            node.program.send(SIGCONT)
            // Those that waited here for the node to read were never sent.
            try await eventually("the node") { (try? await cache.get("k")) != nil }
            sentCount = try #require(try node.counter("cmd_set"))
            #expect(sentCount < 100, "\(sentCount) of 200")
        }
    }
}
