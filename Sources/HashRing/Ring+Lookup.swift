extension Ring {
    /// The index in `nodes` of the key's node. Never allocates.
    public func index(for key: RawSpan) -> Int {
        key.withUnsafeBytes { key in
            // What most rings are, again: without the state of a search that may go on, which costs a
            // tenth of a lookup.
            if selection == .pointAtOrAfter, isLive.isEmpty, hashTag == nil {
                let hash = (keyHash ?? .md5).hash(key)
                return continuum.owner(of: continuum.point(atOrAfter: hash))
            }
            let key = hashTag?.part(of: key) ?? key
            var current = firstTry(key)
            while !isLive(current.owner) { advance(&current, key) }
            return current.owner
        }
    }

    /// The key's node.
    public func node(for key: RawSpan) -> Node { nodes[index(for: key)] }

    /// The indices of the first `count` different nodes for a key, or of all if there are fewer: its own,
    /// then those where its further copies are, in the order in which they would take the key over if the ones
    /// before were left out.
    public func indices(for key: RawSpan, count: Int) -> [Int] {
        let count = min(count, liveIndices.count)
        guard count > 0 else { return [] }
        return key.withUnsafeBytes { key in
            let key = hashTag?.part(of: key) ?? key
            var found: [Int] = []
            found.reserveCapacity(count)
            var current = firstTry(key)
            while true {
                if isLive(current.owner), !found.contains(current.owner) {
                    found.append(current.owner)
                    if found.count == count { return found }
                }
                advance(&current, key)
            }
        }
    }

    /// The same for two nodes, of which there may be one. Allocates nothing where most rings are: a node that keeps copies asks
    /// for each command.
    public func firstTwoIndices(for key: RawSpan) -> (first: Int, second: Int?) {
        guard selection == .pointAtOrAfter, retrying == .next, isLive.isEmpty, hashTag == nil,
            nodes.count > 1, continuum.hasSeveralOwners
        else {
            let indices = indices(for: key, count: 2)
            return (indices[0], indices.count > 1 ? indices[1] : nil)
        }
        let hash = key.withUnsafeBytes { (keyHash ?? .md5).hash($0) }
        var point = continuum.point(atOrAfter: hash)
        let first = continuum.owner(of: point)
        var second = first
        while second == first {
            point = point + 1 == continuum.count ? 0 : point + 1
            second = continuum.owner(of: point)
        }
        return (first, second)
    }

    /// Whether every key has the same index in both, also when nodes are left out of both.
    public func placesKeys(as other: Ring) -> Bool {
        strategy == other.strategy && keyHash == other.keyHash && hashTag == other.hashTag
            && nodes.count == other.nodes.count && liveIndices == other.liveIndices
            && slots == other.slots && scoringNames == other.scoringNames
            && continuum == other.continuum
    }

    @inline(__always)
    func isLive(_ index: Int) -> Bool { isLive.isEmpty || isLive[index] }

    /// The first `count` different nodes for a key. See `indices(for:count:)`.
    public func nodes(for key: RawSpan, count: Int) -> [Node] {
        indices(for: key, count: count).map { nodes[$0] }
    }
}

// The same for keys in other hands. A key is bytes: a string stands for its UTF-8.
extension Ring {
    /// The index in `nodes` of the key's node. Allocates only for a collection without contiguous storage.
    @inlinable
    public func index(for key: some Collection<UInt8>) -> Int {
        key.withContiguousStorageIfAvailable { index(for: $0.span.bytes) }
            ?? index(for: Array(key).span.bytes)
    }

    /// The key's node.
    @inlinable
    public func node(for key: some Collection<UInt8>) -> Node { nodes[index(for: key)] }

    /// The indices of the first `count` different nodes for a key, in the order in which they would take it
    /// over.
    @inlinable
    public func indices(for key: some Collection<UInt8>, count: Int) -> [Int] {
        key.withContiguousStorageIfAvailable { indices(for: $0.span.bytes, count: count) }
            ?? indices(for: Array(key).span.bytes, count: count)
    }

    /// The first `count` different nodes for a key, in the order in which they would take it over.
    @inlinable
    public func nodes(for key: some Collection<UInt8>, count: Int) -> [Node] {
        indices(for: key, count: count).map { nodes[$0] }
    }

    /// The index in `nodes` of the key's node.
    public func index(for key: String) -> Int { index(for: key.utf8) }

    /// The key's node.
    public func node(for key: String) -> Node { node(for: key.utf8) }

    /// The indices of the first `count` different nodes for a key, in the order in which they would take it
    /// over.
    public func indices(for key: String, count: Int) -> [Int] {
        indices(for: key.utf8, count: count)
    }

    /// The first `count` different nodes for a key, in the order in which they would take it over.
    public func nodes(for key: String, count: Int) -> [Node] { nodes(for: key.utf8, count: count) }
}
