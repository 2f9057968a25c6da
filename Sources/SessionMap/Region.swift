import Glibc

/// A place in a region, counted in units of 16 bytes. 0 stands for "none": the first units of a
/// region hold no extent.
typealias Unit = UInt32

/// One shard's part of the arena: the only type that touches its memory.
///
/// Every access names a unit and a field (or a byte range), and is checked against the region. The
/// memory is not initialised by this type and not owned by it; the arena outlives it.
///
/// An **extent** is a run of units. Its first 8 bytes are its header, whatever it holds:
///
///     byte 0..3   length in units (27 bits) · kind (4 bits) · the extent before is free (1 bit)
///     byte 4..7   link: the item's next extent, or the next extent of the same free list
///
/// The head extent of an item goes on with the fields below, the key, and the value's beginning; a
/// continuation goes on with value bytes from byte 8. A free extent keeps the back link of its list
/// at byte 8 and its length once more in its last 4 bytes, so that its successor finds its start.
struct Region {
    static let unitByteCount = 16
    static let guardByteCount = 64
    /// 27 bits of length: an extent, and with it a region, is at most 2 GiB less one unit.
    static let unitCountMax: UInt32 = (1 << 27) - 1

    let base: UnsafeMutableRawPointer
    /// What the region may grow to; how much of it is in use is its allocator's business.
    let unitCount: UInt32

    /// What an extent holds. The numbers are part of the layout.
    enum Kind: UInt32 {
        case free = 0
        /// The head of a stored item.
        case item = 1
        /// A further extent of an item.
        case continuation = 2
        /// Taken, but not an item yet (or no longer): being received, or pinned by a reply.
        case held = 3
        /// A segment of the index.
        case index = 4
        /// The borders of the region.
        case border = 5
    }

    struct Field32 {
        let offset: Int
        static let lengthAndKind = Field32(offset: 0)
        static let link = Field32(offset: 4)
        static let freePrevious = Field32(offset: 8)
        static let recencyNext = Field32(offset: 16)
        static let recencyPrevious = Field32(offset: 20)
        static let wheelNext = Field32(offset: 24)
        static let wheelPrevious = Field32(offset: 28)
        static let deadline = Field32(offset: 32)
        static let accessed = Field32(offset: 36)
        static let clientFlags = Field32(offset: 40)
        static let valueByteCount = Field32(offset: 44)
    }
    struct Field8 {
        let offset: Int
        static let keyByteCount = Field8(offset: 48)
        static let epoch = Field8(offset: 49)
        static let marks = Field8(offset: 50)
    }
    static let casUniqueOffset = 8
    /// Where an item's key starts in its head extent.
    static let itemHeaderByteCount = 51
    /// Where value bytes start in a continuation.
    static let continuationHeaderByteCount = 8

    @inline(__always)
    private func address(_ unit: Unit) -> UnsafeMutableRawPointer {
        precondition(unit < unitCount, "a unit outside of the region")
        return base + Int(unit) &* Region.unitByteCount
    }

    @inline(__always)
    subscript(unit: Unit, field: Field32) -> UInt32 {
        get { address(unit).load(fromByteOffset: field.offset, as: UInt32.self) }
        nonmutating set {
            address(unit).storeBytes(of: newValue, toByteOffset: field.offset, as: UInt32.self)
        }
    }

    @inline(__always)
    subscript(unit: Unit, field: Field8) -> UInt8 {
        get { address(unit).load(fromByteOffset: field.offset, as: UInt8.self) }
        nonmutating set {
            address(unit).storeBytes(of: newValue, toByteOffset: field.offset, as: UInt8.self)
        }
    }

    func casUnique(_ unit: Unit) -> UInt64 {
        address(unit).load(fromByteOffset: Region.casUniqueOffset, as: UInt64.self)
    }

    func setCASUnique(_ unit: Unit, _ value: UInt64) {
        address(unit).storeBytes(
            of: value, toByteOffset: Region.casUniqueOffset, as: UInt64.self)
    }

    // MARK: Extent headers

    private static let lengthMask: UInt32 = (1 << 27) - 1
    private static let previousIsFreeBit: UInt32 = 1 << 31

    @inline(__always)
    func length(_ unit: Unit) -> UInt32 { self[unit, .lengthAndKind] & Region.lengthMask }

    @inline(__always)
    func kind(_ unit: Unit) -> Kind {
        guard let kind = Kind(rawValue: (self[unit, .lengthAndKind] >> 27) & 0xF) else {
            preconditionFailure("an extent of no known kind")
        }
        return kind
    }

    @inline(__always)
    func previousIsFree(_ unit: Unit) -> Bool {
        self[unit, .lengthAndKind] & Region.previousIsFreeBit != 0
    }

    /// Publishes an extent's length and kind by one aligned store.
    @inline(__always)
    func setHeader(_ unit: Unit, length: UInt32, kind: Kind, previousIsFree: Bool) {
        self[unit, .lengthAndKind] =
            length | kind.rawValue << 27 | (previousIsFree ? Region.previousIsFreeBit : 0)
    }

    @inline(__always)
    func setKind(_ unit: Unit, _ kind: Kind) {
        setHeader(unit, length: length(unit), kind: kind, previousIsFree: previousIsFree(unit))
    }

    @inline(__always)
    func setPreviousIsFree(_ unit: Unit, _ isFree: Bool) {
        let word = self[unit, .lengthAndKind]
        self[unit, .lengthAndKind] =
            isFree ? word | Region.previousIsFreeBit : word & ~Region.previousIsFreeBit
    }

    /// The length that a free extent repeats in its last 4 bytes, read from the unit behind it.
    func freeLength(before unit: Unit) -> UInt32 {
        address(unit - 1).load(fromByteOffset: 12, as: UInt32.self)
    }

    func setFreeFooter(_ unit: Unit, length: UInt32) {
        address(unit + length - 1).storeBytes(of: length, toByteOffset: 12, as: UInt32.self)
    }

    // MARK: Bytes

    /// The bytes `offset ..< offset + count` of the extent at `unit`.
    @inline(__always)
    func bytes(_ unit: Unit, offset: Int, count: Int) -> UnsafeMutableRawBufferPointer {
        precondition(
            offset >= 0 && count >= 0
                && offset &+ count <= Int(length(unit)) &* Region.unitByteCount,
            "bytes outside of their extent")
        return UnsafeMutableRawBufferPointer(start: address(unit) + offset, count: count)
    }

    @inline(__always)
    func key(_ item: Unit) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            bytes(
                item, offset: Region.itemHeaderByteCount, count: Int(self[item, .keyByteCount])))
    }

    /// Whether the item's key is `key`.
    @inline(__always)
    func hasKey(_ item: Unit, _ key: Span<UInt8>) -> Bool {
        guard Int(self[item, .keyByteCount]) == key.count else { return false }
        let stored = self.key(item)
        return key.withUnsafeBytes { wanted in
            guard let left = stored.baseAddress, let right = wanted.baseAddress else {
                return true
            }
            return memcmp(left, right, wanted.count) == 0
        }
    }

    /// Units that hold `byteCount` bytes.
    @inline(__always)
    static func units(forByteCount byteCount: Int) -> UInt32 {
        UInt32((byteCount &+ (unitByteCount - 1)) / unitByteCount)
    }

}
