/// Blocks of I/O memory that a worker lends to its connections while they are busy.
///
/// An idle connection holds none, so that thousands of them cost little. Confined to one worker.
final class BufferPool {
    static let blockByteCount = 16_384
    /// Blocks that are kept for later; more are given back to the system.
    private static let keptCount = 64

    private var free: [UnsafeMutableRawPointer] = []
    private(set) var lentCount = 0

    init() { free.reserveCapacity(Self.keptCount) }

    deinit {
        for block in free { block.deallocate() }
    }

    var freeCount: Int { free.count }

    func borrow() -> UnsafeMutableRawPointer {
        lentCount += 1
        return free.popLast()
            ?? .allocate(byteCount: Self.blockByteCount, alignment: 16)
    }

    func giveBack(_ block: UnsafeMutableRawPointer) {
        lentCount -= 1
        if free.count < Self.keptCount { free.append(block) } else { block.deallocate() }
    }
}
