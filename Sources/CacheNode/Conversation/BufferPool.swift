/// Blocks of I/O memory that a worker lends to its connections while they are busy.
///
/// An idle connection holds none, so that thousands of them cost little. Confined to one worker.
final class BufferPool {
    static let blockByteCount = 16_384
    /// Blocks that are kept for later; more are given back to the system.
    private static let keptCount = 64

    /// Free blocks, each with the address of the next one in its first bytes.
    private var firstFree: UnsafeMutableRawPointer?
    private(set) var freeCount = 0
    private(set) var lentCount = 0

    deinit {
        while let block = takeFree() { block.deallocate() }
    }

    @inline(__always)
    func borrow() -> UnsafeMutableRawPointer {
        lentCount += 1
        return takeFree() ?? .allocate(byteCount: Self.blockByteCount, alignment: 16)
    }

    @inline(__always)
    func giveBack(_ block: UnsafeMutableRawPointer) {
        lentCount -= 1
        guard freeCount < Self.keptCount else { return block.deallocate() }
        block.storeBytes(of: firstFree, as: UnsafeMutableRawPointer?.self)
        firstFree = block
        freeCount += 1
    }

    @inline(__always)
    private func takeFree() -> UnsafeMutableRawPointer? {
        guard let block = firstFree else { return nil }
        firstFree = block.load(as: UnsafeMutableRawPointer?.self)
        freeCount -= 1
        return block
    }
}
