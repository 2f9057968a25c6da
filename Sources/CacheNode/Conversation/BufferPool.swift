/// Blocks of I/O memory that a worker lends to its connections while they are busy.
///
/// An idle connection holds none, so that thousands of them cost little. Confined to one worker.
final class BufferPool {
    static let blockByteCount = 16_384
    private var blocks = FreeBlocks(byteCount: blockByteCount, keptCount: 64)
    private(set) var lentCount = 0
    /// For who has more to say at once than a block holds.
    private var largeBlocks = FreeBlocks(byteCount: OutputBuffer.largeBlockByteCount, keptCount: 4)

    var freeCount: Int { blocks.count }

    @inline(__always)
    func borrow() -> UnsafeMutableRawPointer {
        lentCount += 1
        return blocks.take()
    }

    @inline(__always)
    func giveBack(_ block: UnsafeMutableRawPointer) {
        lentCount -= 1
        blocks.keep(block)
    }

    func borrowLarge() -> UnsafeMutableRawPointer { largeBlocks.take() }

    func giveBackLarge(_ block: UnsafeMutableRawPointer) { largeBlocks.keep(block) }
}

/// Blocks of one size, some of which are kept for later; more are given back to the system.
private struct FreeBlocks: ~Copyable {
    private let byteCount: Int
    private let keptCount: Int
    /// Each has the address of the next one in its first bytes.
    private var first: UnsafeMutableRawPointer?
    private(set) var count = 0

    init(byteCount: Int, keptCount: Int) {
        self.byteCount = byteCount
        self.keptCount = keptCount
    }

    deinit {
        var next = first
        while let block = next {
            next = block.load(as: UnsafeMutableRawPointer?.self)
            block.deallocate()
        }
    }

    @inline(__always)
    mutating func take() -> UnsafeMutableRawPointer {
        guard let block = first else { return .allocate(byteCount: byteCount, alignment: 16) }
        first = block.load(as: UnsafeMutableRawPointer?.self)
        count -= 1
        return block
    }

    @inline(__always)
    mutating func keep(_ block: UnsafeMutableRawPointer) {
        guard count < keptCount else { return block.deallocate() }
        block.storeBytes(of: first, as: UnsafeMutableRawPointer?.self)
        first = block
        count += 1
    }
}
