import HashRing

extension ClusterDefinition {
    /// A number by which nodes notice that they go by different definitions: FNV-1a, 64 bits, over all that the
    /// placement of keys and the rules among peers depend on. Paths, memory and flags are each node's own, and
    /// addresses for peers change nothing of who has what: they are not in it.
    ///
    /// It stays the same between versions of this library: nodes are upgraded one after the other.
    public var placementHash: UInt64 {
        var hash = FNV1a()
        hash.add(name)
        hash.add(strategy.rawValue)
        // Named or not, it is the same one.
        hash.add((keyHash ?? strategy.keyHash)?.rawValue)
        hash.add(hashTag.map { "\($0)" })
        hash.add(copyCount)
        hash.add(peers?.timeoutMilliseconds ?? 0)
        if let peers, peers.partition != .both { hash.add(peers.partition.rawValue) }
        for (place, member) in members.enumerated() {
            let node = member.node
            // The number that it would have anyway is not worth a word.
            if let id = member.id, id != place { hash.add(id) }
            hash.add(node.name)
            hash.add(node.host)
            hash.add(node.port)
            hash.add(node.weight)
            hash.add(node.ringName)
        }
        return hash.value
    }

    /// The same over what no generation of the definition changes: nodes that differ in it never talk to each other.
    public var rulesHash: UInt64 {
        var hash = FNV1a()
        hash.add(name)
        hash.add(peers?.timeoutMilliseconds ?? 0)
        hash.add(peers?.partition.rawValue)
        return hash.value
    }
}

/// Numbers are 8 bytes, the lowest first. A text is its count of bytes, and these; none is a count of -1.
private struct FNV1a {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ number: Int) {
        let bits = UInt64(bitPattern: Int64(number))
        for place in 0..<8 { mix(UInt8(truncatingIfNeeded: bits >> UInt64(8 * place))) }
    }

    mutating func add(_ text: String?) {
        guard let text else { return add(-1) }
        add(text.utf8.count)
        for byte in text.utf8 { mix(byte) }
    }

    private mutating func mix(_ byte: UInt8) {
        value = (value ^ UInt64(byte)) &* 0x100_0000_01b3
    }
}
