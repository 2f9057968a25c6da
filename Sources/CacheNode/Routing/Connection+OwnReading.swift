import MemcacheProtocol
import SessionMap

/// The most frequent commands of all, where they cost hardly more than at a node by itself.
extension Connection.Step {
    /// `get`, `gets`, `gat` or `gats` of one key whose item is here, while all that is here may be read, as it may `until`
    /// then. False, and nothing is told, of everything else.
    ///
    /// Both owners of a key may let it live longer: the later end counts, and the other one has a note of it.
    static func readHere(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        _ peers: Peers, until end: UInt64, epoch: UInt64, now: Moment
    ) -> Bool {
        guard let newline = input.newline() else { return false }
        let bytes = input.bytes
        let span = bytes.span
        guard let line = OwnRead(span.extracting(first: newline)) else { return false }
        let key = span.extracting(line.key.range)
        guard !peers.mayBeUnsettled(key) else { return false }
        let deadline = line.exptime.map { executor.rule.deadline($0, now: now) }
        if deadline != nil, !peers.gates.isEverybodyHere { return false }
        let pendingByteCount = output.pendingByteCount
        let found = executor.retrieveHere(key, isTouch: deadline != nil, now: now) { hit in
            // What proves an item is to be at both owners before anybody is told that it is there.
            guard !hit.isStale, !peers.provesByReading(hit) else { return nil }
            var use = HitUse()
            if let wish = deadline {
                let deadline = executor.lifetimes.deadline(wish, of: hit)
                if deadline != hit.deadline {
                    guard Self.isRenewal(deadline, of: hit, now: now) else { return nil }
                    use.deadline = deadline
                    // Where too many notes wait it is a change like any other.
                    guard peers.notes.add(key) else { return nil }
                }
            } else if executor.lifetimes.hasIdleTimeout {
                switch peers.renewal(byReading: hit, executor.lifetimes) {
                case .none: break
                case .told: guard peers.notes.add(key) else { return nil }
                case .decided: return nil
                }
            }
            use.pinsValue = output.append(hit, key: key, showsCASUnique: line.showsCASUnique)
            return use
        }
        guard let found else {
            output.takeBack(output.pendingByteCount - pendingByteCount)
            return false
        }
        // Kept from going on for longer, it may have read what is so no more; or what another thread has changed meanwhile,
        // and may still be lost.
        guard end == .max || peers.now < end, epoch == peers.gates.epoch, !peers.mayBeUnsettled(key)
        else {
            if let pinned = found { executor.map.unpin(pinned) }
            output.takeBack(output.pendingByteCount - pendingByteCount)
            return false
        }
        if let pinned = found { output.append(block: pinned) }
        output.append(.end)
        executor.requests.note(
            .retrieval(showsCASUnique: line.showsCASUnique, touches: deadline != nil))
        input.use(newline + 1)
        return true
    }

    /// Whether an item would live longer, and long enough without it.
    @inline(__always)
    private static func isRenewal(_ deadline: Deadline, of hit: Hit, now: Moment) -> Bool {
        guard let left = hit.secondsLeft, left >= NodeStore.secondsWithoutRenewal else {
            return false
        }
        guard let later = deadline.secondsLeft(at: now.seconds) else { return true }
        return later > left
    }
}

/// A line that is `get` or `gets` and a key, or `gat` or `gats`, an exptime and a key.
private struct OwnRead {
    let key: ByteRange
    let exptime: Int32?
    let showsCASUnique: Bool

    @inline(__always)
    init?(_ line: Span<UInt8>) {
        guard line.count > 5, line[0] == UInt8(ascii: "g"), line[2] == UInt8(ascii: "t") else {
            return nil
        }
        let end = line[line.count - 1] == UInt8(ascii: "\r") ? line.count - 1 : line.count
        let words = line.extracting(first: end)
        showsCASUnique = line[3] == UInt8(ascii: "s")
        var start = showsCASUnique ? 5 : 4
        guard line[start - 1] == UInt8(ascii: " ") else { return nil }
        switch line[1] {
        case UInt8(ascii: "e"): exptime = nil
        case UInt8(ascii: "a"):
            guard let word = nextWord(in: words, from: start), word.start == start,
                let seconds = line.signed32(at: word)
            else { return nil }
            exptime = seconds
            start = word.end + 1
        default: return nil
        }
        guard let key = nextWord(in: words, from: start), key.start == start, key.end == end,
            key.count <= ProtocolLimits.keyByteCountMax
        else { return nil }
        self.key = key
    }
}
