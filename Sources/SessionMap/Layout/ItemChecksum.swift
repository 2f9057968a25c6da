/// What an item comes to, in 32 bits: for recovery from memory that may be damaged.
///
/// It covers the key, the value, their sizes, the client flags, the birth and the epoch; and, as a mask on
/// top, what changes without them: deadline, CAS unique and whether the item is stale. So a touch need
/// not read the value. Not covered is what a mere hit changes (time stamp and the other marks), nor the
/// links, which recovery makes anew.
///
/// It starts from the arena's secret seed: nobody can choose a value that looks like an item. The bytes
/// are taken extent by extent as they lie, so a value that arrives in parts is never read again, however
/// it was cut on its way. About 450 instructions for 1 KB.
struct ItemChecksum {
    private var first: UInt64
    private var second: UInt64

    /// Bytes that are taken at once.
    static let blockByteCount = 32

    init(seed: UInt64) {
        first = seed ^ Wyhash.secret0
        second = seed ^ Wyhash.secret1
    }

    /// Takes all whole blocks at the front of `bytes`, and says how many bytes they were.
    @inline(__always)
    mutating func absorbBlocks(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        let end = bytes.count & ~(Self.blockByteCount - 1)
        var position = 0
        while position < end {
            // Within the buffer: `end` is not above its count.
            let word = (base + position).loadUnaligned(
                as: (UInt64, UInt64, UInt64, UInt64).self)
            absorb(word)
            position &+= Self.blockByteCount
        }
        return end
    }

    /// Takes the bytes behind the last whole block of an extent, fewer than a block.
    @inline(__always)
    mutating func endExtent(_ rest: UnsafeRawBufferPointer) {
        precondition(rest.count < Self.blockByteCount)
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: rest) }
        first ^= UInt64(truncatingIfNeeded: rest.count)
        absorb(words)
    }

    mutating func absorbExtent(_ bytes: UnsafeRawBufferPointer) {
        let end = absorbBlocks(bytes)
        endExtent(UnsafeRawBufferPointer(rebasing: bytes[end...]))
    }

    @inline(__always)
    private mutating func absorb(_ words: (UInt64, UInt64, UInt64, UInt64)) {
        first = Wyhash.mix(words.0 ^ Wyhash.secret2, words.1 ^ first)
        second = Wyhash.mix(words.2 ^ Wyhash.secret3, words.3 ^ second)
    }

    /// The checksum without its mask. `shape` is what says how the bytes are to be read.
    @inline(__always)
    func sealed(shape: UInt64) -> UInt32 {
        let all = Wyhash.mix(first ^ shape ^ Wyhash.secret1, second ^ Wyhash.secret0)
        return UInt32(truncatingIfNeeded: all ^ all >> 32)
    }

    /// What lies over it: exclusive or takes it off and puts another one on.
    @inline(__always)
    static func mask(deadline: UInt32, casUnique: UInt64, isStale: Bool) -> UInt32 {
        let rest = UInt64(deadline) << 1 | (isStale ? 1 : 0)
        let all = Wyhash.mix(rest ^ Wyhash.secret2, casUnique ^ Wyhash.secret3)
        return UInt32(truncatingIfNeeded: all ^ all >> 32)
    }
}

/// The checksums of a region's items, in an arena that has them.
extension Region {
    /// The bytes of an item, whose extents must be sound.
    func content(of item: Item, seed: UInt64) -> ItemChecksum {
        var sum = ItemChecksum(seed: seed)
        var extent = item.head
        var offset = Region.contentOffset
        var left = valueOffset(item) + Int(self[item, .valueByteCount]) - offset
        while true {
            let count = min(left, Int(length(extent)) * Region.unitByteCount - offset)
            sum.absorbExtent(UnsafeRawBufferPointer(bytes(extent, offset: offset, count: count)))
            left -= count
            guard left > 0 else { return sum }
            extent = next(after: extent)
            offset = Region.continuationHeaderByteCount
        }
    }

    private func checksum(_ item: Item, _ content: ItemChecksum) -> UInt32 {
        let shape =
            UInt64(self[item, .valueByteCount]) | UInt64(self[item, .keyByteCount]) << 28
            | UInt64(self[item, .shape]) << 36
        return content.sealed(shape: shape) ^ mask(item)
    }

    private func mask(_ item: Item) -> UInt32 {
        ItemChecksum.mask(
            deadline: self[item, .deadline], casUnique: casUnique(item),
            isStale: self[item, .marks] & ItemMark.stale != 0)
    }

    /// Gives a complete item its checksum, before it is published.
    @inline(__always)
    func seal(_ item: Item, _ content: ItemChecksum) {
        self[item, .checksum] = checksum(item, content)
    }

    /// Whether an item, whose extents must be sound, is what was stored.
    func isIntact(_ item: Item, seed: UInt64) -> Bool {
        self[item, .checksum] == checksum(item, content(of: item, seed: seed))
    }

    /// Sets an item's deadline, and its checksum by the same store.
    @inline(__always)
    func setDeadline(_ item: Item, _ new: Deadline) {
        let deadline = new.word
        guard features.contains(.checksums) else {
            self[item, .deadline] = deadline
            return
        }
        let unmasked = self[item, .checksum] ^ mask(item)
        let mask = ItemChecksum.mask(
            deadline: deadline, casUnique: casUnique(item),
            isStale: self[item, .marks] & ItemMark.stale != 0)
        setWord64(
            item.unit, offset: Field<Item>.deadline.offset, Self.word(deadline, unmasked ^ mask))
    }

    /// Marks an item as stale and gives it another CAS unique and deadline. With checksums a death in
    /// between must leave it whole, so what is being done is written down first: `finishChange` does it
    /// to the end.
    func makeStale(_ item: Item, casUnique: UInt64, deadline new: Deadline) {
        let deadline = new.word
        if features.contains(.checksums) {
            let unmasked = self[item, .checksum] ^ mask(item)
            let mask = ItemChecksum.mask(
                deadline: deadline, casUnique: casUnique, isStale: true)
            setChange(item, casUnique: casUnique)
            setWord64(
                item.unit, offset: Field<Item>.deadline.offset, Self.word(deadline, unmasked ^ mask)
            )
            setStale(item, casUnique: casUnique)
            clearChange()
        } else {
            setStale(item, casUnique: casUnique)
            self[item, .deadline] = deadline
        }
    }

    private func setStale(_ item: Item, casUnique: UInt64) {
        self[item, .marks] = self[item, .marks] & ~ItemMark.claimed | ItemMark.stale
        setCASUnique(item, casUnique)
    }

    /// Does to the end what `makeStale` had begun with an item that is not intact.
    func finishChange(_ item: Item) {
        guard let change, change.item == item else { return }
        setStale(item, casUnique: change.casUnique)
    }
}
