import Glibc
import MemcacheProtocol
import SessionMap

/// Replies on their way to a peer: bytes, and values that are sent from where they are stored.
///
/// Holds a block only while there is something: a large one for a batch of replies, from its start where the batch before
/// was one, too. Whoever fills it stops at the high-water mark, so what is pending stays below that and one reply. A peer
/// that never takes all of it, but always a part, costs no more memory: what has been sent makes room.
///
/// Invariants: `sent <= end <= capacity`, and capacity is below four times what was pending at its
/// most, or a block, or a large one; inserts are in the order of their places.
struct OutputBuffer: ~Copyable {
    /// Above this nothing more is executed for the connection until its replies are sent.
    static let highWaterByteCount = 64 << 10
    /// Values from this size on are not copied but pinned and sent from the arena.
    static let pinnedValueByteCountMin = 32 << 10

    /// Holds what is below the high-water mark, a value that is copied, and its head.
    static let largeBlockByteCount = highWaterByteCount + pinnedValueByteCountMin + (8 << 10)

    private let pool: BufferPool
    private let map: SessionMap
    private var memory: UnsafeMutableRawPointer?
    private var capacity = 0
    private var end = 0
    private var sent = 0
    /// What was sent last did not fit a block: to begin with one would be to copy it soon.
    private var needsLarge = false
    /// Values that go between the bytes.
    private var inserts: [Insert] = []
    /// Of values that are not sent to their end, all bytes: until then they hold their memory.
    private var pinnedByteCount = 0

    private struct Insert {
        /// The value goes before the byte of this place.
        var place: Int
        let value: PinnedValue
        var sent = 0
    }

    init(pool: BufferPool, map: SessionMap) {
        self.pool = pool
        self.map = map
    }

    deinit {
        for insert in inserts { map.unpin(insert.value) }
        if let memory { Self.release(memory, capacity: capacity, pool: pool) }
    }

    private static func release(
        _ memory: UnsafeMutableRawPointer, capacity: Int, pool: BufferPool
    ) {
        switch capacity {
        case BufferPool.blockByteCount: pool.giveBack(memory)
        case largeBlockByteCount: pool.giveBackLarge(memory)
        default: memory.deallocate()
        }
    }

    var isEmpty: Bool { sent == end && inserts.isEmpty }
    /// Bytes that have not been sent, and all of each value that was not sent to its end.
    var pendingByteCount: Int { end - sent + pinnedByteCount }
    /// A value that is pinned counts in full: else a peer that reads most of one and stops could have a
    /// second one pinned, and a third.
    @inline(__always)
    var isAboveHighWater: Bool { pendingByteCount >= Self.highWaterByteCount }
    /// Bytes of memory that it takes, pinned values apart.
    var heldByteCount: Int { capacity }

    /// Whether it holds memory of one of these shards.
    func holds(_ shards: Set<Int>, of map: SessionMap) -> Bool {
        map === self.map && inserts.contains { shards.contains($0.value.shard) }
    }

    // MARK: Filling

    /// Room for `count` bytes at the end; `noteAppended` says how many were written.
    @inline(__always)
    mutating func room(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if capacity - end < count { grow(count) }
        return UnsafeMutableRawBufferPointer(
            start: memory.unsafelyUnwrapped + end, count: capacity - end)
    }

    @inline(__always)
    mutating func noteAppended(_ count: Int) {
        precondition(count >= 0 && end + count <= capacity)
        end += count
    }

    /// Takes back the last `count` bytes, nothing of which has been offered to anybody.
    mutating func takeBack(_ count: Int) {
        precondition(
            count >= 0 && end - count >= sent && inserts.allSatisfy { $0.place <= end - count })
        end -= count
    }

    /// Lets go of all that was not sent: its peer is told nothing any more.
    mutating func abandon() {
        for insert in inserts { map.unpin(insert.value) }
        inserts = []
        pinnedByteCount = 0
        end = sent
    }

    private mutating func grow(_ count: Int) {
        guard let old = memory else {
            let least = needsLarge ? Self.largeBlockByteCount : BufferPool.blockByteCount
            (memory, capacity) = fresh(max(count, least))
            return
        }
        let pending = end - sent
        // Moving costs no more than was sent since the last time.
        if sent >= pending, pending + count <= capacity {
            memmove(old, old + sent, pending)
        } else {
            let larger =
                pending + count <= Self.largeBlockByteCount && capacity < Self.largeBlockByteCount
                ? Self.largeBlockByteCount : pending * 2 + count
            let (block, byteCount) = fresh(larger)
            block.copyMemory(from: old + sent, byteCount: pending)
            Self.release(old, capacity: capacity, pool: pool)
            (memory, capacity) = (block, byteCount)
        }
        for index in inserts.indices { inserts[index].place -= sent }
        end = pending
        sent = 0
    }

    /// Memory for so many bytes, or some more.
    private func fresh(_ count: Int) -> (UnsafeMutableRawPointer, byteCount: Int) {
        if count <= BufferPool.blockByteCount { return (pool.borrow(), BufferPool.blockByteCount) }
        if count <= Self.largeBlockByteCount {
            return (pool.borrowLarge(), Self.largeBlockByteCount)
        }
        return (.allocate(byteCount: count, alignment: 16), count)
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        let count = text.utf8CodeUnitCount
        let room = room(count)
        room.baseAddress.unsafelyUnwrapped.copyMemory(from: text.utf8Start, byteCount: count)
        noteAppended(count)
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        // There is no memory yet to make room for nothing in.
        guard !bytes.isEmpty else { return }
        room(bytes.count).copyMemory(from: bytes)
        noteAppended(bytes.count)
    }

    mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// Appends what `encode` writes, `count` bytes at most; returns how many.
    @inline(__always) @discardableResult
    mutating func append(atMost count: Int, _ encode: (inout ReplyWriter) -> Void) -> Int {
        var writer = ReplyWriter(room(count))
        encode(&writer)
        noteAppended(writer.count)
        return writer.count
    }

    /// Appends a value that stays where it is until it is sent. Takes over the pin.
    mutating func append(_ value: PinnedValue) {
        inserts.append(Insert(place: end, value: value))
        pinnedByteCount += value.byteCount
    }

    // MARK: Sending

    /// Of values, so much is sent before others get their turn: a peer may read as fast as it is sent to.
    private static let bytesPerSend = 1 << 20

    /// Offers what is pending to `write` until all is gone, it takes less than it was offered, or it was
    /// enough for a turn.
    mutating func send(_ write: (Pieces) -> Int) {
        var bytesLeft = Self.bytesPerSend
        while !isEmpty {
            let offered: Int
            let taken: Int
            if inserts.isEmpty {
                let bytes = UnsafeRawBufferPointer(
                    start: memory.unsafelyUnwrapped + sent, count: end - sent)
                offered = bytes.count
                taken = write(.one(bytes))
            } else {
                guard bytesLeft > 0 else { return }
                let pieces = pendingPieces()
                offered = pieces.reduce(0) { $0 + $1.count }
                taken = write(.several(pieces))
                bytesLeft -= taken
            }
            noteSent(taken)
            if taken < offered { return }
        }
        releaseMemory()
    }

    enum Pieces {
        case one(UnsafeRawBufferPointer)
        case several([UnsafeRawBufferPointer])
    }

    private static let piecesPerSend = 256

    private func pendingPieces() -> [UnsafeRawBufferPointer] {
        var pieces: [UnsafeRawBufferPointer] = []
        var place = sent
        for insert in inserts where pieces.count < Self.piecesPerSend {
            if insert.place > place { pieces.append(bytes(place..<insert.place)) }
            place = insert.place
            var skipped = insert.sent
            for piece in insert.value.pieces where pieces.count < Self.piecesPerSend {
                if skipped >= piece.count {
                    skipped -= piece.count
                    continue
                }
                pieces.append(UnsafeRawBufferPointer(rebasing: piece[skipped...]))
                skipped = 0
            }
        }
        if pieces.count < Self.piecesPerSend, end > place { pieces.append(bytes(place..<end)) }
        return pieces
    }

    private func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: memory.unsafelyUnwrapped + range.lowerBound, count: range.count)
    }

    @inline(__always)
    private mutating func noteSent(_ count: Int) {
        guard inserts.isEmpty else { return noteSentWithInserts(count) }
        precondition(sent + count <= end, "more was sent than there was")
        sent += count
    }

    // Apart: its changes to the array would cost the other case a copy of the empty one.
    @inline(never)
    private mutating func noteSentWithInserts(_ count: Int) {
        var left = count
        while left > 0 {
            let nextPlace = inserts.first?.place ?? end
            if nextPlace > sent {
                let step = min(left, nextPlace - sent)
                sent += step
                left -= step
                continue
            }
            precondition(!inserts.isEmpty, "more was sent than there was")
            let step = min(left, inserts[0].value.byteCount - inserts[0].sent)
            inserts[0].sent += step
            left -= step
            if inserts[0].sent == inserts[0].value.byteCount {
                pinnedByteCount -= inserts[0].value.byteCount
                map.unpin(inserts.removeFirst().value)
            }
        }
    }

    private mutating func releaseMemory() {
        guard let memory else { return }
        needsLarge = end > BufferPool.blockByteCount
        Self.release(memory, capacity: capacity, pool: pool)
        self.memory = nil
        capacity = 0
        end = 0
        sent = 0
    }
}
