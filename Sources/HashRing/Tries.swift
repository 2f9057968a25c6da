/// Where the search for one key's node stands. The key is not part of it: it is only borrowed.
struct Try {
    /// The index of the node that this try leads to.
    var owner: Int
    var hash: UInt64
    /// A point, a slot, or a score.
    var position = 0
    /// How many tries there were before this one.
    var number = 0
}

extension Ring {
    /// The node to which a key belongs, whether it is live or not. Never allocates.
    @inline(__always)
    func firstTry(_ key: UnsafeRawBufferPointer) -> Try {
        switch selection {
        case .pointAtOrAfter, .pointAtOrBefore, .slot:
            // Every strategy of this kind has a key hash.
            var hash = (keyHash ?? .md5).hash(key)
            if strategy == .pythonMemcached, hash == 0 { hash = 1 }
            return selected(UInt64(hash))
        case .jump: return selected(XXH3.hash(key))
        case .score: return bestScore(of: key, below: nil)
        }
    }

    /// The try that follows from a hash.
    @inline(__always)
    private func selected(_ hash: UInt64) -> Try {
        switch selection {
        case .pointAtOrAfter:
            let point = continuum.point(atOrAfter: UInt32(truncatingIfNeeded: hash))
            return Try(owner: continuum.owner(of: point), hash: hash, position: point)
        case .pointAtOrBefore:
            let point = continuum.point(atOrBefore: UInt32(truncatingIfNeeded: hash))
            return Try(owner: continuum.owner(of: point), hash: hash, position: point)
        case .slot:
            let slot = Int(hash % UInt64(slots.count))
            return Try(owner: Int(slots[slot]), hash: hash, position: slot)
        case .jump, .score:
            return Try(owner: Jump.bucket(of: hash, count: nodes.count), hash: hash)
        }
    }

    /// What the strategy's client tries next; after the last of its tries, the node after this one, so
    /// that the search always ends. Nodes come repeatedly.
    func advance(_ current: inout Try, _ key: UnsafeRawBufferPointer) {
        let number = current.number + 1
        if number >= tryCountMax {
            current.owner = current.owner + 1 == nodes.count ? 0 : current.owner + 1
            current.number = number
            return
        }
        switch retrying {
        case .next: current = next(after: current, key)
        case .dalli: current = selected(UInt64(numberedChecksum(number - 1, key)))
        case .spymemcached:
            let hash = current.hash + UInt64(numberedDigest(number - 1, key))
            current = selected(hash & 0xffff_ffff)
        case .cacheMemcached:
            let hash = current.hash + UInt64(numberedChecksum(number, key) >> 16 & 0x7fff)
            current = selected(hash)
        case .pythonMemcached:
            var crc = CRC32()
            crc.updateDecimal(Int(current.hash))
            crc.updateDecimal(number - 1)
            current = selected(max(1, UInt64(crc.checksum >> 16 & 0x7fff)))
        case .mixing:
            let mixed = Jump.mixed(current.hash, tryNumber: number)
            current.owner = Jump.bucket(of: mixed, count: nodes.count)
        }
        current.number = number
    }

    private func next(after current: Try, _ key: UnsafeRawBufferPointer) -> Try {
        var next = current
        switch selection {
        case .pointAtOrAfter, .pointAtOrBefore:
            next.position = next.position + 1 == continuum.count ? 0 : next.position + 1
            next.owner = continuum.owner(of: next.position)
        case .slot:
            next.position = next.position + 1 == slots.count ? 0 : next.position + 1
            next.owner = Int(slots[next.position])
        case .score: next = bestScore(of: key, below: current)
        case .jump: break
        }
        return next
    }
}

// What the clients make of the number of a try and the key.
extension Ring {
    private func numberedChecksum(_ number: Int, _ key: UnsafeRawBufferPointer) -> UInt32 {
        var crc = CRC32()
        crc.updateDecimal(number)
        crc.update(key)
        return crc.checksum
    }

    private func numberedDigest(_ number: Int, _ key: UnsafeRawBufferPointer) -> UInt32 {
        precondition(number < 10, "spymemcached makes seven tries")
        return withUnsafeTemporaryAllocation(byteCount: key.count + 1, alignment: 1) { text in
            text[0] = UInt8(ascii: "0") + UInt8(number)
            UnsafeMutableRawBufferPointer(rebasing: text[1...]).copyMemory(from: key)
            return MD5.firstWord(UnsafeRawBufferPointer(text))
        }
    }
}

// Rendezvous hashing.
extension Ring {
    /// The node with the highest score for the key, among those below a try's.
    ///
    /// Of equal scores the larger name's is the higher one, as pymemcache has it.
    private func bestScore(of key: UnsafeRawBufferPointer, below limit: Try?) -> Try {
        var best: Try?
        for owner in scoringNames.indices {
            var murmur = Murmur.State3(seed: 0)
            scoringNames[owner].withUnsafeBytes { murmur.update($0) }
            murmur.update(key)
            let score = Int(murmur.finish())
            if let limit, !isScore(score, of: owner, below: limit) { continue }
            if let best, isScore(score, of: owner, below: best) { continue }
            best = Try(owner: owner, hash: 0, position: score)
        }
        guard let best else { preconditionFailure("there are as many tries as nodes") }
        return best
    }

    private func isScore(_ score: Int, of owner: Int, below other: Try) -> Bool {
        score != other.position
            ? score < other.position
            : scoringNames[owner].lexicographicallyPrecedes(scoringNames[other.owner])
    }
}
