extension Ring {
    /// Why a key is where it is, for people: `sojourn ring KEY`.
    public struct Explanation: Hashable, Sendable {
        /// The index of the key's node.
        public var index: Int
        /// What was hashed: the key, or the part of it within the hash tag.
        public var hashedBytes: [UInt8]
        /// Such as `md5`.
        public var hashName: String
        /// 32 bits, or 64 with `jump`; with `rendezvous` the winning score.
        public var hash: UInt64
        /// How the hash became the first node tried.
        public var selection: Selection
        /// Indices of nodes left out that would have come first.
        public var passedOver: [Int]

        /// How a hash becomes a node.
        public enum Selection: Hashable, Sendable {
            /// The first point at or after the hash (`dalli`: the last at or before it), of `count`.
            /// `origin` is what the point was made from.
            case point(UInt32, number: Int, count: Int, origin: String)
            /// The hash modulo the number of slots.
            case slot(Int, count: Int)
            /// A jump among so many nodes.
            case jump(count: Int)
            /// The highest score among so many nodes.
            case score(count: Int)
        }
    }

    /// Looks a key up, and tells each step. It takes longer than a lookup.
    public func explanation(for key: some Collection<UInt8>) -> Explanation {
        Array(key).withUnsafeBytes { key in
            let key = hashTag?.part(of: key) ?? key
            let first = firstTry(key)
            var current = first
            var passedOver: [Int] = []
            while !isLive(current.owner) {
                if !passedOver.contains(current.owner) { passedOver.append(current.owner) }
                advance(&current, key)
            }
            return Explanation(
                index: current.owner, hashedBytes: Array(key), hashName: hashName,
                hash: selection == .score ? UInt64(first.position) : first.hash,
                selection: explained(first), passedOver: passedOver)
        }
    }

    private var hashName: String {
        if let keyHash { return keyHash.rawValue }
        return selection == .jump ? "xxh3" : "murmur3"
    }

    private func explained(_ first: Try) -> Explanation.Selection {
        switch selection {
        case .pointAtOrAfter, .pointAtOrBefore:
            let point = continuum[first.position]
            let points = Points(nodes: nodes, live: liveIndices)
            return .point(
                point.value, number: first.position + 1, count: continuum.count,
                origin: points.origin(of: point, strategy, keyHash: keyHash))
        case .slot: return .slot(first.position, count: slots.count)
        case .jump: return .jump(count: nodes.count)
        case .score: return .score(count: nodes.count)
        }
    }

    /// How many points or slots each node has, by index; all 0 for a strategy that has neither.
    public var pointCounts: [Int] {
        var counts = Array(repeating: 0, count: nodes.count)
        for point in 0..<continuum.count { counts[continuum.owner(of: point)] += 1 }
        for owner in slots { counts[Int(owner)] += 1 }
        return counts
    }
}

extension Points {
    /// What a point of a node was made from: the text that was hashed, or a word of its digest.
    func origin(
        of point: Continuum.Point, _ strategy: Ring.Strategy, keyHash: Ring.KeyHash?
    ) -> String {
        let node = nodes[point.owner]
        switch strategy {
        case .dalli:
            let texts = (0..<160 * nodes.count).lazy.map { "\(node.hostAndPort):\($0)" }
            let text = texts.first { SHA1.prefix(Array($0.utf8)) == point.value }
            return "sha1 of \(text ?? node.hostAndPort)"
        case .nginx: return "crc32 of \(node.hostAndPort) and the point before"
        case .ketamaSessions: return plainOrigin(of: point, keyHash ?? .oneAtATime)
        case .ketama where !nodes.contains { $0.weight > 1 }:
            return plainOrigin(of: point, keyHash ?? .oneAtATime)
        default: break
        }
        let name = strategy == .spymemcached ? node.hostAndPort : node.hostAndUnusualPort
        for number in 0..<40 * nodes.count {
            let digest = "\(name)-\(number)".withBytes { MD5.digest($0) }
            let words = [digest.a, digest.b, digest.c, digest.d]
            if let word = words.firstIndex(of: point.value) {
                return "md5 of \(name)-\(number), word \(word + 1) of 4"
            }
        }
        return "md5 of \(name)"
    }

    private func plainOrigin(of point: Continuum.Point, _ hash: Ring.KeyHash) -> String {
        let name = nodes[point.owner].hostAndUnusualPort
        let texts = (0..<100).lazy.map { "\(name)-\($0)" }
        let text = texts.first { text in text.withBytes { hash.hash($0) } == point.value }
        return "\(hash.rawValue) of \(text ?? name)"
    }
}
