import ClusterFile
public import HashRing
public import Logging
public import NIOCore
public import NIOPosix

/// The cache commands, on a cluster of nodes.
///
/// Goals: each key goes to the node that the ring says; a dead or hung node costs its own keys, and at
/// most the deadline; nothing waits for ever, and no queue grows without a bound.
/// Not goals: retrying what a node may have carried out already. A command that fails with
/// `deadlineExceeded`, `cancelled` or `connectionLost` may have been carried out or not. Only retrievals
/// are asked once more when a connection broke, and commands of which nothing was sent.
///
/// ```swift
/// let cache = try CacheClient(nodes: [Node(host: "10.0.0.1"), Node(host: "10.0.0.2")])
/// try await cache.set("greeting", to: Array("hello".utf8), expiry: .after(.seconds(60)))
/// let item = try await cache.get("greeting")
/// ```
///
/// It is a value to be passed around; all copies share their connections. Run it as a service, or call
/// `shutDown()` at the end.
public struct CacheClient: Sendable {
    let core: ClientCore
    let follower: MembershipFollower
    private var timeout: Duration

    /// A client of nodes that stay the same.
    ///
    /// - Throws: see `init(membership:configuration:eventLoopGroup:logger:)`.
    public init(
        nodes: [Node], configuration: CacheClientConfiguration = CacheClientConfiguration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = Logger(label: "sojourn-client")
    ) throws {
        try self.init(
            membership: .fixed(nodes), configuration: configuration,
            eventLoopGroup: eventLoopGroup, logger: logger)
    }

    /// A client of nodes that may change: `run()` has to run for it to notice. What is asked of it
    /// before any node is known waits.
    ///
    /// - Throws: `RingError` if the nodes make no ring, `DefinitionError` for a definition that is wrong,
    ///   `ConfigurationError` for a setting that is out of its range or a file that cannot be used. Nodes are
    ///   not contacted.
    public init(
        membership: Membership,
        configuration: CacheClientConfiguration = CacheClientConfiguration(),
        eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = Logger(label: "sojourn-client")
    ) throws {
        try membership.validate()
        var configuration = configuration
        if case .definition(let path, _) = membership {
            let text = try MembershipReader.firstText(of: path)
            let definition = try ClusterDefinition(yaml: text, file: path)
            configuration.copies.count = definition.copyCountForClients
            // Any of them answers for every key.
            if definition.peers != nil { configuration.deadNodes = .nextNode }
            try configuration.takeAccess(of: definition)
        }
        let core = try ClientCore(
            configuration: configuration, group: eventLoopGroup, logger: logger)
        try self.init(membership: membership, core: core)
    }

    init(membership: Membership, core: ClientCore) throws {
        self.core = core
        timeout = core.configuration.requestTimeout
        follower = MembershipFollower(membership, core: core)
        try follower.begin()
    }

    /// The same client, with another time until a command has failed: 1 ms to 1 h, or the nearer end.
    public func withTimeout(_ timeout: Duration) -> CacheClient {
        var client = self
        client.timeout = min(max(timeout, .milliseconds(1)), .seconds(3_600))
        return client
    }

    /// Ends the client: what is under way is completed, new commands fail with `.shutDown`.
    public func shutDown() { core.shutDown() }

    /// The nodes as they are known now; none before the first answer, and none after the shut-down.
    public var nodes: [Node] { core.currentTopology?.ring.nodes ?? [] }

    var deadline: Instant { .now + timeout }

    /// Counts and times a command.
    func measured<Outcome>(
        _ command: ClientMetrics.Command,
        _ body: (Instant) async throws(CacheError) -> Outcome
    ) async throws(CacheError) -> Outcome {
        let start = Instant.now
        do throws(CacheError) {
            let outcome = try await body(start + timeout)
            core.metrics.record(command, since: start)
            return outcome
        } catch {
            core.metrics.record(command, since: start)
            core.metrics.countError(error)
            throw error
        }
    }
}
