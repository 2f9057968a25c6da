import ClusterFile
import HashRing

/// What a definition says beside its nodes: where keys go, and how many copies there are.
struct PlacementRule: Equatable, Sendable {
    var strategy: Ring.Strategy
    /// Nil is the strategy's own.
    var keyHash: Ring.KeyHash?
    var hashTag: Ring.HashTag?
    /// A client keeps to what it had at its start.
    var copyCount: Int

    init(_ definition: ClusterDefinition) {
        strategy = definition.strategy
        keyHash = definition.keyHash
        hashTag = definition.hashTag
        copyCount = definition.copyCountForClients
    }

    /// That of a client which is told nothing.
    init(_ configuration: CacheClientConfiguration) {
        strategy = configuration.strategy
        keyHash = configuration.keyHash
        hashTag = configuration.hashTag
        copyCount = configuration.copies.count
    }
}
