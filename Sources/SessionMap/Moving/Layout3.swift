/// Layout 3, as nodes wrote it: facts of its own, which do not change when this build's layout does.
///
/// First page: see `ArenaHeader`, whose first 80 bytes are these. A region's first 64 bytes are a border
/// extent, with the CAS counter at byte 8, the flush epoch at 24, the flush deadline at 28 and at 32 the
/// item that another was about to replace. Extents and items:
///
///     byte 0    length in units of 8 bytes (27) · kind (4) · the extent before is free (1)
///     byte 4    next extent of the item (27) · has client flags (1) · epoch (4)
///     byte 8    CAS unique (64)
///     byte 16   links of queues and wheel (128)
///     byte 32   last access or creation (24) · bytes of the key (8)
///     byte 36   bytes of the value (27) · marks (5)
///     byte 40   deadline
///     byte 44   client flags, if they are not 0; then key, then the value's beginning
///
/// A continuation's value bytes begin at byte 8.
enum Layout3 {
    static let version: UInt32 = 3
    static let unitByteCount = 8
    static let epochCount: UInt32 = 16

    /// The numbers of a page whose magic, byte order and version have been looked at.
    static func header(_ page: UnsafeRawBufferPointer) -> ArenaHeader? {
        func number(_ offset: Int) -> Int {
            Int(clamping: page.load(fromByteOffset: offset, as: UInt64.self))
        }
        let (byteCount, regionCount, regionByteCount) = (number(16), number(24), number(32))
        let (regionBytes, overflow) = regionCount.multipliedReportingOverflow(by: regionByteCount)
        guard regionCount > 0, regionCount.nonzeroBitCount == 1, !overflow,
            regionBytes <= byteCount - 4_096 - 64, regionByteCount >= 1 << 14,
            regionByteCount % unitByteCount == 0,
            regionByteCount / unitByteCount <= Int(Region.unitCountMax)
        else { return nil }
        return ArenaHeader(
            arenaByteCount: byteCount, regionCount: regionCount,
            regionByteCount: regionByteCount,
            hashSeed: page.load(fromByteOffset: 40, as: UInt64.self), features: [],
            arenaID: [0, 0])
    }
}

// Where an item's or a shard's fields were elsewhere, or had other bits.

extension Region.Field where Place == Item {
    static var layout3Epoch: Self { Self(offset: 4, shift: 28, bits: 4) }
    static var layout3ValueByteCount: Self { Self(offset: 36, bits: 27) }
    static var layout3Marks: Self { Self(offset: 36, shift: 27, bits: 5) }
}

extension Region.Field where Place == Border {
    static var layout3ShardEpoch: Self { Self(offset: 24) }
}
