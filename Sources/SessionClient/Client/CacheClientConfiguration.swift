public import HashRing
import MemcacheProtocol

/// How a client behaves. Every setting has a range, which `CacheClient` checks.
public struct CacheClientConfiguration: Sendable {
    /// What becomes of a key whose node is ejected or refuses connections.
    public enum DeadNodes: String, Hashable, Sendable {
        /// An error. No copy is ever read that another node has outdated.
        case fail
        /// The ring's next node takes its place, and gives it back when it returns. What it then still
        /// holds (`-e`) is read again, though it may be outdated: for caches, or with several copies.
        case nextNode
    }

    /// Which node a key belongs to. All clients of a cluster have to have the same.
    public var strategy: Ring.Strategy = .ketamaWeighted
    /// Nil takes the strategy's own.
    public var keyHash: Ring.KeyHash?
    /// The part of a key that alone is hashed, between two characters; nil hashes the whole key.
    public var hashTag: Ring.HashTag?
    /// With several copies `.fail`: the other copies are there already.
    public var deadNodes: DeadNodes = .fail
    /// On how many nodes an item is, and what is asked of them.
    public var copies = Copies()

    /// How TLS is spoken with the nodes; nil is as the cluster's definition says, and clear text without one.
    public var tls: TLS?
    /// As whom the client logs in; nil is as the cluster's definition says, and nobody without one.
    public var credentials: Credentials?

    /// Until a command has failed. 1 ms to 1 h; a call can have its own (`CacheClient.withTimeout`).
    public var requestTimeout: Duration = .seconds(1)
    /// From an attempt to connect to the node's first answer. 1 ms to 1 h.
    public var connectTimeout: Duration = .milliseconds(500)
    /// So long without a byte while replies are due, and the connection is given up. 1 ms to 1 h.
    public var silenceTimeout: Duration = .seconds(1)

    /// 1 to 64. Commands are pipelined: more than a few serve only many cores.
    public var connectionCountPerNode = 2
    /// Commands without a reply on one connection; further ones wait. 1 to 65,536.
    public var inFlightCountMax = 1_024
    /// Commands on the wire or waiting, on one connection; further ones fail with `.overloaded`.
    /// 1 to 1,048,576.
    public var outstandingCountMax = 8_192
    /// Larger values are not sent; with several copies 12 bytes less. 1 byte to 128 MiB. A node counts more than the value against its item
    /// limit (`-I`, 1 MiB): up to `itemOverheadByteCountMax` for the key and the item's head. The default
    /// leaves room for them, so that what the client lets through the node takes.
    public var valueByteCountMax = 1_048_576 - Self.itemOverheadByteCountMax

    /// What a node's item limit has to have above the largest value.
    public static let itemOverheadByteCountMax = 512

    /// Failures in a row that eject a node. 1 to 1,000.
    public var failureCountUntilEjection = 3
    /// How long a node that refuses connections is taken for one that restarts: commands try again, each
    /// until its deadline, and the node is not ejected. Nil is as long as `requestTimeout`, zero not at all;
    /// up to 1 h. With several copies, or `deadNodes: .nextNode`, nobody waits: others have the key.
    public var restartPatience: Duration?
    /// How long a node is left alone at first; each probe that fails doubles it. 1 ms to 1 h.
    public var ejectionMin: Duration = .milliseconds(500)
    /// How long at most. `ejectionMin` to 1 h.
    public var ejectionMax: Duration = .seconds(30)

    /// The defaults, as they are written here.
    public init() {}
}

/// A setting that is out of its range, or a file of it that cannot be used.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Which setting it is, and its range; which file, and what is wrong with it.
    public let description: String
    init(_ description: String) { self.description = description }
}

extension CacheClientConfiguration {
    func validate() throws(ConfigurationError) {
        let times: [(String, Duration)] = [
            ("requestTimeout", requestTimeout), ("connectTimeout", connectTimeout),
            ("silenceTimeout", silenceTimeout), ("ejectionMin", ejectionMin),
            ("ejectionMax", ejectionMax),
        ]
        for (name, time) in times where !(.milliseconds(1) ... .seconds(3_600)).contains(time) {
            throw ConfigurationError("\(name) must be 1 ms to 1 h, not \(time)")
        }
        if let restartPatience {
            guard (.zero ... .seconds(3_600)).contains(restartPatience) else {
                throw ConfigurationError("restartPatience must be 0 to 1 h, not \(restartPatience)")
            }
        }
        guard ejectionMin <= ejectionMax else {
            throw ConfigurationError("ejectionMin must not be above ejectionMax")
        }
        try copies.validate()
        guard copies.count == 1 || deadNodes == .fail else {
            throw ConfigurationError("deadNodes must be .fail where there are several copies")
        }
        let counts: [(String, Int, ClosedRange<Int>)] = [
            ("connectionCountPerNode", connectionCountPerNode, 1...64),
            ("inFlightCountMax", inFlightCountMax, 1...65_536),
            ("outstandingCountMax", outstandingCountMax, 1...1_048_576),
            ("valueByteCountMax", valueByteCountMax, 1...134_217_728),
            ("failureCountUntilEjection", failureCountUntilEjection, 1...1_000),
        ]
        for (name, count, range) in counts where !range.contains(count) {
            throw ConfigurationError(
                "\(name) must be \(range.lowerBound) to \(range.upperBound), not \(count)")
        }
    }

    var healthPolicy: NodeHealth.Policy {
        NodeHealth.Policy(
            failureCountMax: failureCountUntilEjection, backoffMin: ejectionMin,
            backoffMax: ejectionMax, jitter: 0.2,
            restartPatience: othersHaveTheKey
                ? .zero : restartPatience ?? requestTimeout)
    }

    private var othersHaveTheKey: Bool { copies.count > 1 || deadNodes == .nextNode }

    var connectionSettings: NodeConnection.Settings {
        NodeConnection.Settings(
            limits: ConnectionStateMachine.Limits(
                inFlightCountMax: inFlightCountMax, connectTimeout: connectTimeout,
                silenceTimeout: silenceTimeout),
            outstandingCountMax: outstandingCountMax,
            // What other clients have stored may be as large as the node's limit allows.
            valueByteCountMax: valueByteCountMax + Self.itemOverheadByteCountMax)
    }
}
