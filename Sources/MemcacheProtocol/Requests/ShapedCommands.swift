/// A command about one key, as `CommandShape` sees it.
package struct KeyedCommand: Equatable, Sendable {
    /// As it was sent; `withKey` has the key itself.
    package var key: ByteRange
    /// It was sent in base64: a meta command's `b`.
    package var isKeyEncoded = false
    /// Its line with the line's end, or header, extras and key: where a data block begins.
    package var headByteCount: Int
    /// Of the data block, its end not counted; 0 where there is none.
    package var valueByteCount: Int
    /// All of it, the data block and that one's end included. It need not have arrived.
    package var byteCount: Int
    /// It leaves the item as it is, but for when it was last read. An `mg` also takes the right to renew an
    /// item that is stale, which its line does not show.
    package var isRead: Bool
    package var isBinary = false
    /// Not every outcome is answered: `noreply`, a meta command's `q`, a quiet opcode. Of the three the
    /// first keeps errors back, too.
    package var isQuiet: Bool

    init(_ key: ByteRange, block: DataBlock, isQuiet: Bool) {
        self.key = key
        headByteCount = block.start
        valueByteCount = block.valueEnd - block.start
        byteCount = block.next
        isRead = false
        self.isQuiet = isQuiet
    }

    /// One without a data block.
    init(_ key: ByteRange, next: Int, isRead: Bool = false, isQuiet: Bool) {
        self.key = key
        headByteCount = next
        valueByteCount = 0
        byteCount = next
        self.isRead = isRead
        self.isQuiet = isQuiet
    }

    /// Whether all of it is there.
    package func isWhole(in input: Span<UInt8>) -> Bool { input.count >= byteCount }

    /// Calls `body` with the key, decoded if need be.
    ///
    /// - Parameter input: that which this is the shape of, or its first `headByteCount` bytes.
    @inline(__always)
    package func withKey<R>(in input: Span<UInt8>, _ body: (Span<UInt8>) -> R) -> R {
        let sent = input.extracting(key.range)
        guard isKeyEncoded else { return body(sent) }
        // Encoded, a key has at most 250 bytes.
        var bytes = InlineArray<192, UInt8>(repeating: 0)
        var target = bytes.mutableSpan
        let count = Base64.decode(sent, into: &target)
        return body(bytes.span.extracting(first: count))
    }
}

/// A `get`, `gets`, `gat` or `gats` of two keys or more, all of whose line has arrived.
///
/// The same for some of its keys: the input up to `retrieval.keysStart`, a space and a key for each of
/// them, and a line's end.
package struct SeveralKeys: Equatable, Sendable {
    package var retrieval: Retrieval
    package var verb: ByteRange
    /// As it was sent, of `gat` and `gats`.
    package var exptime: ByteRange?
    /// Where the line ends, its end not counted.
    package var keysEnd: Int
    /// Of the line, its end included.
    package var byteCount: Int

    init(
        _ retrieval: Retrieval, verb: ByteRange, exptime: ByteRange?, keysEnd: Int, byteCount: Int
    ) {
        self.retrieval = retrieval
        self.verb = verb
        self.exptime = exptime
        self.keysEnd = keysEnd
        self.byteCount = byteCount
    }

    package var isRead: Bool { retrieval.exptime == nil }

    package var keys: Keys { Keys(position: retrieval.keysStart, end: keysEnd) }

    /// The keys from a place on, in the line's order; none is looked at before it is asked for. A copy goes
    /// on where this one is.
    package struct Keys: Equatable, Sendable {
        package private(set) var position: Int
        private let end: Int

        fileprivate init(position: Int, end: Int) {
            self.position = position
            self.end = end
        }

        /// - Parameter input: that which has this shape, or at least its line.
        package mutating func next(in input: Span<UInt8>) -> ByteRange? {
            let line = input.extracting(first: end)
            guard let key = nextWord(in: line, from: position) else { return nil }
            position = key.end
            return key
        }
    }
}

/// `flush_all`, or a binary flush, all of which has arrived.
package struct FlushCommand: Equatable, Sendable {
    package var byteCount: Int
    /// As an exptime is sent, and never negative; 0 is now.
    package var delay: UInt32
    package var isQuiet: Bool
}
