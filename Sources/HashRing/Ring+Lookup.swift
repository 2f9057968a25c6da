extension Ring {
    /// The index in `nodes` of the key's node. Never allocates.
    public func index(for key: RawSpan) -> Int {
        continuum.owner(of: continuum.firstPoint(atOrAfter: MD5.digest(key).a))
    }

    /// The key's node.
    public func node(for key: RawSpan) -> Node { nodes[index(for: key)] }

    /// The indices of the first `count` different nodes for a key: its own, then those that hold its
    /// replicas, nearest first. All live ones, if there are fewer.
    public func indices(for key: RawSpan, count: Int) -> [Int] {
        let count = min(count, liveIndices.count)
        guard count > 0 else { return [] }
        var found: [Int] = []
        found.reserveCapacity(count)
        var point = continuum.firstPoint(atOrAfter: MD5.digest(key).a)
        for _ in 0..<continuum.count {
            let owner = continuum.owner(of: point)
            if !found.contains(owner) {
                found.append(owner)
                if found.count == count { break }
            }
            point = point + 1 == continuum.count ? 0 : point + 1
        }
        return found
    }

    /// The first `count` different nodes for a key. See `indices(for:count:)`.
    public func nodes(for key: RawSpan, count: Int) -> [Node] {
        indices(for: key, count: count).map { nodes[$0] }
    }
}

// The same for keys in other hands. A key is bytes: a string stands for its UTF-8.
extension Ring {
    /// Allocates only for a collection that has no contiguous storage.
    @inlinable
    public func index(for key: some Collection<UInt8>) -> Int {
        key.withContiguousStorageIfAvailable { index(for: $0.span.bytes) }
            ?? index(for: Array(key).span.bytes)
    }

    @inlinable
    public func node(for key: some Collection<UInt8>) -> Node { nodes[index(for: key)] }

    @inlinable
    public func indices(for key: some Collection<UInt8>, count: Int) -> [Int] {
        key.withContiguousStorageIfAvailable { indices(for: $0.span.bytes, count: count) }
            ?? indices(for: Array(key).span.bytes, count: count)
    }

    @inlinable
    public func nodes(for key: some Collection<UInt8>, count: Int) -> [Node] {
        indices(for: key, count: count).map { nodes[$0] }
    }

    public func index(for key: String) -> Int { index(for: key.utf8) }

    public func node(for key: String) -> Node { node(for: key.utf8) }

    public func indices(for key: String, count: Int) -> [Int] {
        indices(for: key.utf8, count: count)
    }

    public func nodes(for key: String, count: Int) -> [Node] { nodes(for: key.utf8, count: count) }
}
