import MemcacheProtocol
import SessionMap

/// The most frequent command of all, where it costs hardly more than at a node by itself.
extension Connection.Step {
    /// `get` or `gets` of one key whose item is here, while all that is here may be read. False, and nothing is done, of
    /// everything else.
    static func readHere(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        _ peers: Peers, now: Moment
    ) -> Bool {
        guard let newline = input.newline() else { return false }
        let bytes = input.bytes
        let span = bytes.span
        guard let (range, showsCASUnique) = onlyKey(span.extracting(first: newline)) else {
            return false
        }
        let key = span.extracting(range.range)
        guard !peers.mayBeUnsettled(key) else { return false }
        var isProven = false
        let pendingByteCount = output.pendingByteCount
        let found = executor.retrieveHere(key, now: now) { hit in
            guard !hit.isStale else { return nil }
            isProven = peers.provesByReading(hit)
            var use = HitUse()
            use.pinsValue = output.append(hit, key: key, showsCASUnique: showsCASUnique)
            return use
        }
        guard let found else {
            output.takeBack(output.pendingByteCount - pendingByteCount)
            return false
        }
        if isProven { peers.noteProven(key) }
        if let pinned = found { output.append(block: pinned) }
        output.append(.end)
        input.use(newline + 1)
        return true
    }

    /// The key of a line that is `get` or `gets`, a space and a key.
    @inline(__always)
    private static func onlyKey(_ line: Span<UInt8>) -> (key: ByteRange, showsCASUnique: Bool)? {
        guard line.count > 5, line[0] == UInt8(ascii: "g"), line[1] == UInt8(ascii: "e"),
            line[2] == UInt8(ascii: "t")
        else { return nil }
        let showsCASUnique = line[3] == UInt8(ascii: "s")
        let start = showsCASUnique ? 5 : 4
        guard line[start - 1] == UInt8(ascii: " ") else { return nil }
        let end = line[line.count - 1] == UInt8(ascii: "\r") ? line.count - 1 : line.count
        guard let key = nextWord(in: line.extracting(first: end), from: start),
            key.start == start, key.end == end, key.count <= ProtocolLimits.keyByteCountMax
        else { return nil }
        return (key, showsCASUnique)
    }
}
