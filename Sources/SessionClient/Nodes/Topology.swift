import HashRing

/// The nodes of a cluster at one time, and the connections to them.
struct Topology: Sendable {
    let ring: Ring
    /// By the ring's indices.
    let pools: [NodePool]

    func pool(for key: CacheKey) -> NodePool { pools[ring.index(for: key.bytes)] }

    /// The key's node, then those that would take its place, nearest first.
    func pools(for key: CacheKey, count: Int) -> [NodePool] {
        ring.indices(for: key.bytes, count: count).map { pools[$0] }
    }
}
