/// Makes whole messages of what comes over a link, however it is cut.
///
/// Nothing is allocated for what is only announced: room is made for what has come, at most a few times as much
/// as has waited at once. Each byte is copied a bounded number of times, also of a large frame in small pieces.
package struct FrameReader {
    /// So much room stays when everything was taken, so that a busy link does not allocate.
    private static let keptByteCountMax = 256 << 10

    private let bodyByteCountMax: Int
    private let version: WireVersion
    private var buffer: [UInt8] = []
    /// What is before it was taken.
    private var start = 0
    private var error: FrameError?

    /// - Parameters:
    ///   - frameByteCountMax: how much a header may announce: the largest item and 64 KiB.
    ///   - version: the link's.
    package init(frameByteCountMax: Int, version: WireVersion) {
        bodyByteCountMax = frameByteCountMax
        self.version = version
    }

    /// What has come, and was not taken yet.
    package var waitingByteCount: Int { buffer.count - start }

    /// For tests: what there is memory for.
    package var capacity: Int { buffer.capacity }

    /// Takes over what has come. `next` is to be called until it gives nothing, or it becomes more and more.
    package mutating func append(_ bytes: RawSpan) {
        // Nothing of it can be understood any more.
        guard error == nil else { return }
        // Moves at most as much as was taken since the last time.
        if start > 0, start >= waitingByteCount { discardTaken() }
        bytes.withUnsafeBytes { buffer.append(contentsOf: $0) }
    }

    /// The same for what `receive` puts there: at most so much, and how much it was.
    package mutating func append(
        byteCountMax: Int, receive: (UnsafeMutableRawBufferPointer) -> Int
    ) {
        guard error == nil else { return }
        if start > 0, start >= waitingByteCount { discardTaken() }
        let needed = buffer.count + byteCountMax
        // So that what comes in many pieces is moved a few times, not with each of them.
        if needed > buffer.capacity { buffer.reserveCapacity(max(needed, buffer.capacity * 2)) }
        buffer.append(addingCapacity: byteCountMax) { (room: inout OutputSpan<UInt8>) in
            room.withUnsafeMutableBufferPointer { bytes, initializedCount in
                let count = receive(UnsafeMutableRawBufferPointer(bytes))
                precondition(count <= bytes.count, "more has come than there was room for")
                initializedCount = count
            }
        }
    }

    private mutating func discardTaken() {
        if waitingByteCount > 0 {
            buffer.removeSubrange(..<start)
        } else if buffer.capacity <= Self.keptByteCountMax {
            buffer.removeAll(keepingCapacity: true)
        } else {
            buffer = []
        }
        start = 0
    }

    /// The next message; nil if it is not whole yet. After an error the link must be closed: the same error
    /// comes again and again.
    package mutating func next() throws(FrameError) -> PeerMessage? {
        if let error { throw error }
        do {
            var byteCount = 0
            let message = try decodeFirst(&byteCount)
            start += byteCount
            if byteCount > 0, waitingByteCount == 0 { discardTaken() }
            return message
        } catch {
            self.error = error
            buffer = []
            start = 0
            throw error
        }
    }

    /// - Parameter byteCount: what it takes, once it is there.
    private func decodeFirst(_ byteCount: inout Int) throws(FrameError) -> PeerMessage? {
        try buffer.withUnsafeBufferPointer { (buffer) throws(FrameError) in
            let waiting = UnsafeRawBufferPointer(buffer).dropFirst(start)
            guard waiting.count >= FrameHeader.byteCount else { return nil }
            let header = try FrameHeader(
                decoding: UnsafeRawBufferPointer(rebasing: waiting.prefix(FrameHeader.byteCount)),
                bodyByteCountMax: bodyByteCountMax, in: version)
            let rest = waiting.dropFirst(FrameHeader.byteCount)
            guard rest.count >= header.bodyByteCount else { return nil }
            let body = UnsafeRawBufferPointer(rebasing: rest.prefix(header.bodyByteCount))
            byteCount = FrameHeader.byteCount + body.count
            return try PeerMessage(header, body: body, in: version)
        }
    }
}
