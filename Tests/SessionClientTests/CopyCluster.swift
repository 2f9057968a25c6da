import HashRing
import Logging
import Metrics
import NIOPosix
import TestSupport

@testable import SessionClient

extension Copies {
    /// Waits for every copy that answers, also on a busy machine.
    static func patient(
        count: Int, readCountMin: Int = 1, writeCountMin: Int = 1
    ) -> Copies {
        Copies(
            count: count, readCountMin: readCountMin, writeCountMin: writeCountMin,
            stragglerTimeout: .seconds(20))
    }
}

/// Some nodes behind gates, and a client that keeps copies on them.
final class CopyCluster {
    let processes: [RunningNode]
    let gates: [Gate]
    let client: CacheClient

    init(
        _ copies: Copies, nodeCount: Int = 3, flags: [String] = [],
        metrics: (any MetricsFactory)? = nil
    ) async throws {
        processes = try (0..<nodeCount).map { _ in try ServerKind.sojournd.start(flags) }
        var gates: [Gate] = []
        for process in processes { gates.append(try await Gate(before: try process.port)) }
        self.gates = gates
        client = try Self.client(of: gates, copies, metrics: metrics)
    }

    /// - Parameter skewSeconds: how far this client's clock is ahead.
    static func client(
        of gates: [Gate], _ copies: Copies, skewSeconds: Int64 = 0,
        metrics: (any MetricsFactory)? = nil,
        _ change: (inout CacheClientConfiguration) -> Void = { _ in }
    ) throws -> CacheClient {
        let configuration = quickConfiguration {
            $0.copies = copies
            $0.failureCountUntilEjection = 1_000
            change(&$0)
        }
        let clock = VersionClock {
            VersionClock.wallClock() + skewSeconds * 1_000_000
        }
        let core = try ClientCore(
            configuration: configuration, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test"), clock: clock,
            metrics: metrics.map { ClientMetrics(factory: $0) } ?? ClientMetrics())
        return try CacheClient(membership: .fixed(gates.map(\.node)), core: core)
    }

    deinit { client.shutDown() }

    /// The nodes of a key, its own first.
    func places(of key: CacheKey) async throws -> [Int] {
        try await client.topology().ring.indices(for: key.bytes, count: gates.count)
    }

    /// What a node answers when it is asked for a key without a client, with plain line ends.
    func stored(_ key: CacheKey, at place: Int) throws -> String {
        let peer = try processes[place].connect()
        let reply = try peer.ask("mg \(key) v f c t\r\nmn", until: "MN\r\n")
        return String(decoding: reply.utf8.filter { $0 != 13 }.dropLast(3), as: UTF8.self)
    }

    func version(of key: CacheKey, at place: Int) throws -> UInt64 {
        UInt64(word("c", of: try stored(key, at: place)).dropFirst()) ?? 0
    }

    /// Seconds.
    func timeLeft(of key: CacheKey, at place: Int) throws -> Int? {
        Int(word("t", of: try stored(key, at: place)).dropFirst())
    }

    /// Stores what nobody reads until the node has evicted a good part of what it had.
    func fill(_ place: Int) throws {
        let peer = try processes[place].connect()
        let block = String(repeating: "b", count: 10_000)
        let before = try processes[place].counter("evictions") ?? 0
        var number = 0
        while try (processes[place].counter("evictions") ?? 0) - before < 2_000 {
            for _ in 0..<500 {
                number += 1
                _ = try peer.ask("set bot-\(place)-\(number) 0 0 \(block.utf8.count)\r\n\(block)")
            }
            guard number < 50_000 else { throw Trouble("nothing is evicted") }
        }
    }
}
