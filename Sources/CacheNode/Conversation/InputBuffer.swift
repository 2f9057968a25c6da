import Glibc

/// What a peer has sent and was not used yet. Holds a block only while there is something.
///
/// It grows beyond a block only when told to, which is for the one kind of line that may be longer.
///
/// Invariant: `0 <= start <= end <= capacity`.
struct InputBuffer: ~Copyable {
    /// What it holds without growing.
    static let blockByteCount = BufferPool.blockByteCount

    private let pool: BufferPool
    private var block: UnsafeMutableRawPointer?
    /// What it holds unless it has grown.
    private var usualCapacity: Int
    private(set) var capacity: Int
    private var start = 0
    private var end = 0

    /// - Parameter capacity: less than a block, for a peer that is not trusted with one yet.
    init(pool: BufferPool, capacity: Int = Self.blockByteCount) {
        self.pool = pool
        usualCapacity = capacity
        self.capacity = capacity
    }

    deinit {
        if let block { Self.release(block, capacity: capacity, pool: pool) }
    }

    private static func release(
        _ block: UnsafeMutableRawPointer, capacity: Int, pool: BufferPool
    ) {
        if capacity == blockByteCount { pool.giveBack(block) } else { block.deallocate() }
    }

    var count: Int { end - start }
    var isEmpty: Bool { start == end }
    /// Whether no more can be received before some is used.
    var isFull: Bool { count == capacity }

    /// The bytes that were received and not used. Valid until the buffer changes.
    @inline(__always)
    var bytes: UnsafeBufferPointer<UInt8> {
        guard let block else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(
            start: (block + start).assumingMemoryBound(to: UInt8.self), count: count)
    }

    /// Where more can be received; what is left is moved to the front if that gains room.
    mutating func room() -> UnsafeMutableRawBufferPointer {
        let block = block ?? makeBlock()
        self.block = block
        if start > 0 {
            memmove(block, block + start, count)
            end -= start
            start = 0
        }
        return UnsafeMutableRawBufferPointer(start: block + end, count: capacity - end)
    }

    @inline(__always)
    private func makeBlock() -> UnsafeMutableRawPointer {
        capacity == Self.blockByteCount
            ? pool.borrow() : .allocate(byteCount: capacity, alignment: 16)
    }

    mutating func noteReceived(_ count: Int) {
        precondition(count >= 0 && end + count <= capacity)
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
        Self.release(block, capacity: capacity, pool: pool)
        self.block = nil
        capacity = usualCapacity
    }

    /// From here on it holds a block.
    mutating func widen() {
        usualCapacity = Self.blockByteCount
        guard capacity < usualCapacity else { return }
        let old = block.map { (start: $0, capacity: capacity) }
        capacity = usualCapacity
        guard let old else { return }
        let wider = pool.borrow()
        wider.copyMemory(from: old.start + start, byteCount: count)
        Self.release(old.start, capacity: old.capacity, pool: pool)
        block = wider
        end -= start
        start = 0
    }

    /// Doubles the capacity.
    mutating func grow() {
        guard let old = block else { return }
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity * 2, alignment: 16)
        larger.copyMemory(from: old + start, byteCount: count)
        Self.release(old, capacity: capacity, pool: pool)
        block = larger
        capacity *= 2
        end -= start
        start = 0
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
