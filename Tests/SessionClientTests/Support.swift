import HashRing
import Logging
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import SessionClient

/// The programs that the client has to work with.
enum ServerKind: String, CaseIterable, Sendable {
    case memcached, sojournd

    var path: String {
        get throws {
            switch self {
            case .memcached: RunningNode.memcachedPath
            case .sojournd: try RunningNode.sojourndPath()
            }
        }
    }

    func start(_ flags: [String] = []) throws -> RunningNode {
        switch self {
        case .memcached: try RunningNode.memcached(flags)
        case .sojournd: try RunningNode.sojournd(flags)
        }
    }
}

extension RestartableNode {
    convenience init(_ kind: ServerKind, flags: [String] = []) throws {
        try self.init(try kind.path, flags: flags)
    }

    var ringNode: Node { Node(host: host, port: port) }
}

extension RunningNode {
    var ringNode: Node {
        get throws { Node(host: "127.0.0.1", port: try port) }
    }
}

/// A configuration with short times.
func quickConfiguration(
    _ change: (inout CacheClientConfiguration) -> Void = { _ in }
) -> CacheClientConfiguration {
    var configuration = CacheClientConfiguration()
    configuration.requestTimeout = .seconds(20)
    configuration.connectTimeout = .seconds(20)
    configuration.silenceTimeout = .seconds(20)
    configuration.restartPatience = .zero
    configuration.ejectionMin = .milliseconds(20)
    configuration.ejectionMax = .milliseconds(100)
    change(&configuration)
    return configuration
}

/// Runs a test with a client, which is shut down afterwards.
func withClient<Outcome>(
    _ nodes: [Node], _ configuration: CacheClientConfiguration = quickConfiguration(),
    _ body: (CacheClient) async throws -> Outcome
) async throws -> Outcome {
    let client = try CacheClient(nodes: nodes, configuration: configuration)
    defer { client.shutDown() }
    return try await body(client)
}

/// A key of that node.
func key(
    of node: Int, in client: CacheClient, _ prefix: String = "key"
) async throws -> CacheKey {
    let topology = try await client.topology()
    for number in 0... {
        let key = try CacheKey("\(prefix)-\(number)")
        if topology.ring.index(for: key.bytes) == node { return key }
    }
    throw Trouble("no key for node \(node)")
}

extension [UInt8] {
    static func text(_ text: String) -> [UInt8] { Array(text.utf8) }
}

extension CacheClient {
    func topology() async throws -> Topology { try await core.topology(deadline: deadline) }
}

extension CacheItem {
    var text: String { String(decoding: value, as: UTF8.self) }
}

/// The code of the error that a call ends with; nil if it ends well.
func code(of body: () async throws -> Void) async -> CacheError.Code? {
    do {
        try await body()
        return nil
    } catch let error as CacheError {
        return error.code
    } catch {
        Issue.record("\(error)")
        return nil
    }
}

/// Waits for a condition without holding a thread.
func eventually(
    _ what: String, seconds: Double = 30, until isTrue: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try await !isTrue() {
        guard ContinuousClock.now < deadline else { throw Trouble("\(what): not in time") }
        try await Task.sleep(for: .milliseconds(2))
    }
}
