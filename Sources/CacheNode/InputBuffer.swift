import Glibc

/// What a peer has sent and was not used yet. Holds a block only while there is something.
///
/// Invariant: `0 <= start <= end <= capacity`.
struct InputBuffer: ~Copyable {
    static let capacity = BufferPool.blockByteCount

    private let pool: BufferPool
    private var block: UnsafeMutableRawPointer?
    private var start = 0
    private var end = 0

    init(pool: BufferPool) { self.pool = pool }

    deinit {
        if let block { pool.giveBack(block) }
    }

    var count: Int { end - start }
    var isEmpty: Bool { start == end }
    /// Whether no more can be received before some is used.
    var isFull: Bool { count == Self.capacity }

    /// The bytes that were received and not used. Valid until the buffer changes.
    @inline(__always)
    var bytes: UnsafeBufferPointer<UInt8> {
        guard let block else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(
            start: (block + start).assumingMemoryBound(to: UInt8.self), count: count)
    }

    /// Where more can be received; what is left is moved to the front if that gains room.
    mutating func room() -> UnsafeMutableRawBufferPointer {
        let block = block ?? pool.borrow()
        self.block = block
        if start > 0 {
            memmove(block, block + start, count)
            end -= start
            start = 0
        }
        return UnsafeMutableRawBufferPointer(start: block + end, count: Self.capacity - end)
    }

    mutating func noteReceived(_ count: Int) {
        precondition(count >= 0 && end + count <= Self.capacity)
        end += count
    }

    @inline(__always)
    mutating func use(_ count: Int) {
        precondition(count >= 0 && count <= self.count)
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Gives the block back when there is nothing in it.
    mutating func releaseIfEmpty() {
        guard isEmpty, let block else { return }
        pool.giveBack(block)
        self.block = nil
    }

    /// The place of the first LF, counted from the first unused byte.
    @inline(__always)
    func newline() -> Int? {
        guard let block, count > 0, let found = memchr(block + start, 10, count) else {
            return nil
        }
        return UnsafeRawPointer(found) - UnsafeRawPointer(block + start)
    }
}
