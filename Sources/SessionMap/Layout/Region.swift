import Glibc
import Synchronization

/// One shard's part of the arena: the only type that touches its memory.
///
/// Every access names an extent, an item or a segment and one of its fields (or a byte range), and is
/// checked against the region. The
/// memory is not initialised by this type and not owned by it; the arena outlives it.
///
/// An **extent** is a run of units. Its first 8 bytes are its header, whatever it holds:
///
///     byte 0    length in units (27 bits) · kind (4 bits) · the extent before is free (1 bit)
///     byte 4    link: the next extent of the item, or of the free list (27)
///               · the item has client flags (1) · its key came in base64 (1) · item's epoch (3)
///
/// The head extent of an item goes on like this; a continuation goes on with value bytes.
///
///     byte 8    CAS unique (64)
///     byte 16   recency queue: next, previous
///     byte 24   timing wheel: next, previous
///     byte 32   last access or creation (24, see `EvictionQueues`) · bytes of the key (8)
///     byte 36   bytes of the value (28) · marks (4), which say what byte 32 means
///     byte 40   deadline (31) · each access puts it off (1)
///     then      checksum (32), if the arena has checksums: one store changes it with the deadline
///     then      birth (32), if the arena has births
///     then      client flags, if they are not 0; many clients' always are
///     then      key, then the value's beginning
///
/// Every byte of these counts: an item of a few hundred bytes is what there is millions of. So a unit
/// is no larger than an extent's header, and what a node does not need is not there (`ArenaFeatures`).
///
/// A free extent keeps the back link of its list at byte 8 and its length once more in its last 4
/// bytes, so that its successor finds its start. One of a single unit has room for header and
/// length only, and is in no list.
struct Region {
    static let unitByteCount = 8
    static let guardByteCount = 64
    /// 27 bits of length: an extent, and with it a region, is at most 1 GiB less one unit.
    static let unitCountMax: UInt32 = (1 << 27) - 1

    let base: UnsafeMutableRawPointer
    /// What the region may grow to; how much of it is in use is its allocator's business.
    let unitCount: UInt32
    let features: ArenaFeatures
    /// Where client flags or, without any, the key of an item start.
    private let plainHeaderByteCount: UInt16
    #if DEBUG
        /// For tests of recovery: told before every store, so that it can look at the memory as a
        /// death of the process would leave it.
        var observer: StoreObserver?
    #endif

    init(base: UnsafeMutableRawPointer, unitCount: UInt32, features: ArenaFeatures = []) {
        self.base = base
        self.unitCount = unitCount
        self.features = features
        plainHeaderByteCount = UInt16(Self.itemHeaderByteCount(features, clientFlags: 0))
    }

    @inline(__always)
    private func willStore() {
        #if DEBUG
            observer?.body()
        #endif
    }

    /// Keeps the stores before it before the stores after it: a death of the process in between
    /// leaves the former done. Costs nothing on x86; it binds the compiler.
    @inline(__always)
    static func order() { atomicMemoryFence(ordering: .acquiringAndReleasing) }

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
        // What several nodes will need; no build writes these yet, and recovery knows no use for them.
        case tombstone = 6
        case guest = 7
        case guestTombstone = 8
    }

    /// Some bits of an aligned 32-bit word of an extent, item, segment or border.
    struct Field<Place> {
        let offset: Int
        fileprivate let shift: UInt32
        fileprivate let mask: UInt32

        @inline(__always)
        init(offset: Int, shift: UInt32 = 0, bits: UInt32 = 32) {
            self.offset = offset
            self.shift = shift
            mask = bits == 32 ? .max : (1 << bits) - 1
        }
    }

    static let casUniqueOffset = 8
    static let checksumOffset = 44
    /// Where what a checksum covers as bytes starts: birth, client flags, key and value.
    static let contentOffset = checksumOffset + 4
    private static let clientFlagsByteCount = 4
    /// The longest value: 256 MiB less one byte.
    static let valueByteCountMax = Int(Field<Item>.valueByteCount.mask)

    /// Where an item's key starts in its head extent.
    static func itemHeaderByteCount(_ features: ArenaFeatures, clientFlags: UInt32) -> Int {
        checksumOffset + (features.contains(.checksums) ? 4 : 0)
            + (features.contains(.births) ? 4 : 0)
            + (clientFlags == 0 ? 0 : clientFlagsByteCount)
    }

    @inline(__always)
    func itemHeaderByteCount(clientFlags: UInt32) -> Int {
        Int(plainHeaderByteCount) &+ (clientFlags == 0 ? 0 : Region.clientFlagsByteCount)
    }
    /// Where value bytes start in a continuation.
    static let continuationHeaderByteCount = 8

    @inline(__always)
    private func address(_ unit: Unit) -> UnsafeMutableRawPointer {
        precondition(unit < unitCount, "a unit outside of the region")
        return base + Int(unit) &* Region.unitByteCount
    }

    @inline(__always)
    private func load<Place>(_ unit: Unit, _ field: Field<Place>) -> UInt32 {
        let word = address(unit).load(fromByteOffset: field.offset, as: UInt32.self)
        return (word >> field.shift) & field.mask
    }

    @inline(__always)
    private func store<Place>(_ value: UInt32, _ unit: Unit, _ field: Field<Place>) {
        willStore()
        let place = address(unit) + field.offset
        guard field.mask != .max else { return place.storeBytes(of: value, as: UInt32.self) }
        let others = place.load(as: UInt32.self) & ~(field.mask << field.shift)
        place.storeBytes(of: others | (value & field.mask) << field.shift, as: UInt32.self)
    }

    @inline(__always)
    subscript(extent: Extent, field: Field<Extent>) -> UInt32 {
        get { load(extent.unit, field) }
        nonmutating set { store(newValue, extent.unit, field) }
    }

    @inline(__always)
    subscript(item: Item, field: Field<Item>) -> UInt32 {
        get { load(item.unit, field) }
        nonmutating set { store(newValue, item.unit, field) }
    }

    @inline(__always)
    subscript(segment: Segment, field: Field<Segment>) -> UInt32 {
        get { load(segment.unit, field) }
        nonmutating set { store(newValue, segment.unit, field) }
    }

    @inline(__always)
    subscript(field: Field<Border>) -> UInt32 {
        get { load(0, field) }
        nonmutating set { store(newValue, 0, field) }
    }

    /// The next extent of an item, or of the free list; null at the end.
    @inline(__always)
    func next(after extent: Extent) -> Extent { Extent(self[extent, .link]) }

    func casUnique(_ item: Item) -> UInt64 { word64(item.unit, offset: Region.casUniqueOffset) }

    func setCASUnique(_ item: Item, _ value: UInt64) {
        setWord64(item.unit, offset: Region.casUniqueOffset, value)
    }

    private var clientFlagsField: Field<Item> { Field(offset: Int(plainHeaderByteCount)) }

    @inline(__always)
    func clientFlags(_ item: Item) -> UInt32 {
        self[item, .hasClientFlags] == 0 ? 0 : self[item, clientFlagsField]
    }

    /// The item's key goes behind them, so they are set before it and never again.
    @inline(__always)
    func setClientFlags(_ item: Item, _ value: UInt32, hasEncodedKey: Bool = false) {
        let shape = Field<Item>(offset: Field<Item>.hasClientFlags.offset, shift: 27, bits: 2)
        self[item, shape] = (value == 0 ? 0 : 1) | (hasEncodedKey ? 2 : 0)
        if value != 0 { self[item, clientFlagsField] = value }
    }

    @inline(__always)
    func deadline(_ item: Item) -> Deadline { Deadline(stored: self[item, .deadline]) }

    /// All marks, also the one that is kept apart because it never changes.
    func marks(_ item: Item) -> UInt32 {
        self[item, .marks] | (self[item, .hasEncodedKey] == 0 ? 0 : ItemMark.encodedKey)
    }

    /// When the item's first value was stored, in an arena that has births.
    func birth(_ item: Item) -> UInt32 { self[item, birthField] }
    func setBirth(_ item: Item, _ seconds: UInt32) { self[item, birthField] = seconds }

    private var birthField: Field<Item> {
        precondition(features.contains(.births), "an arena without births")
        return Field(offset: Int(plainHeaderByteCount) - 4)
    }

    /// Where an item's key starts in its head extent.
    @inline(__always)
    func keyOffset(_ item: Item) -> Int {
        Int(plainHeaderByteCount) &+ Int(self[item, .hasClientFlags])
            &* Region.clientFlagsByteCount
    }

    /// Where an item's value starts in its head extent, or in the one behind it if it ends there.
    @inline(__always)
    func valueOffset(_ item: Item) -> Int {
        keyOffset(item) &+ Int(self[item, .keyByteCount])
    }

    /// Sets the sizes and marks of an item that is being made; its time stamp comes later.
    @inline(__always)
    func setSizes(_ item: Item, keyByteCount: Int, valueByteCount: Int, marks: UInt32) {
        precondition(keyByteCount <= 0xFF && valueByteCount <= Field.valueByteCount.mask)
        setAccessWords(
            item, UInt32(keyByteCount) << Field<Item>.keyByteCount.shift,
            UInt32(valueByteCount) | (marks & Field<Item>.marks.mask) << Field<Item>.marks.shift)
    }

    /// Sets marks and the time stamp, whose meaning they change, by one aligned store.
    func setMarks(_ item: Item, _ marks: UInt32, accessed: UInt32) {
        setAccessWords(
            item,
            accessed & Field<Item>.accessed.mask
                | self[item, .keyByteCount] << Field<Item>.keyByteCount.shift,
            self[item, .valueByteCount] | marks << Field<Item>.marks.shift)
    }

    @inline(__always)
    private func setAccessWords(_ item: Item, _ first: UInt32, _ second: UInt32) {
        setWord64(
            item.unit, offset: Field<Item>.accessed.offset, Region.word(first, second))
    }

    /// Two words side by side, for one aligned store: a death of the process leaves both or neither.
    /// (Of the byte orders this is for little endian, as all platforms of Swift have it.)
    @inline(__always)
    static func word(_ first: UInt32, _ second: UInt32) -> UInt64 {
        UInt64(first) | UInt64(second) << 32
    }

    @inline(__always)
    func word64(_ unit: Unit, offset: Int) -> UInt64 {
        address(unit).load(fromByteOffset: offset, as: UInt64.self)
    }

    @inline(__always)
    func setWord64(_ unit: Unit, offset: Int, _ value: UInt64) {
        willStore()
        address(unit).storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
    }

    // MARK: Extent headers

    private static let lengthMask: UInt32 = (1 << 27) - 1
    private static let previousIsFreeBit: UInt32 = 1 << 31

    @inline(__always)
    func length(_ extent: Extent) -> UInt32 { self[extent, .lengthAndKind] & Region.lengthMask }

    @inline(__always)
    func kind(_ extent: Extent) -> Kind {
        guard let kind = kindIfKnown(extent) else {
            preconditionFailure("an extent of no known kind")
        }
        return kind
    }

    @inline(__always)
    func kindIfKnown(_ extent: Extent) -> Kind? {
        Kind(rawValue: (self[extent, .lengthAndKind] >> 27) & 0xF)
    }

    @inline(__always)
    func previousIsFree(_ extent: Extent) -> Bool {
        self[extent, .lengthAndKind] & Region.previousIsFreeBit != 0
    }

    /// Publishes an extent's length and kind by one aligned store, in order with the stores before
    /// and after.
    @inline(__always)
    func setHeader(_ extent: Extent, length: UInt32, kind: Kind, previousIsFree: Bool) {
        Self.order()
        defer { Self.order() }
        self[extent, .lengthAndKind] =
            length | kind.rawValue << 27 | (previousIsFree ? Region.previousIsFreeBit : 0)
    }

    @inline(__always)
    func setKind(_ extent: Extent, _ kind: Kind) {
        setHeader(
            extent, length: length(extent), kind: kind, previousIsFree: previousIsFree(extent))
    }

    @inline(__always)
    func setPreviousIsFree(_ extent: Extent, _ isFree: Bool) {
        let word = self[extent, .lengthAndKind]
        self[extent, .lengthAndKind] =
            isFree ? word | Region.previousIsFreeBit : word & ~Region.previousIsFreeBit
    }

    /// The length that a free extent repeats in its last 4 bytes, read from the extent behind it.
    func freeLength(before extent: Extent) -> UInt32 {
        address(extent.unit - 1).load(fromByteOffset: 4, as: UInt32.self)
    }

    func setFreeFooter(_ extent: Extent, length: UInt32) {
        willStore()
        address(extent.unit + length - 1).storeBytes(of: length, toByteOffset: 4, as: UInt32.self)
    }

    /// What an extent and all that are linked behind it take together.
    @inline(__always)
    func chainSize(_ head: Extent) -> (unitCount: Int, extentCount: Int) {
        var units = 0
        var count = 0
        var extent = head
        while !extent.isNull {
            units += Int(length(extent))
            count += 1
            extent = next(after: extent)
        }
        return (units, count)
    }

    // MARK: Bytes

    /// The bytes `offset ..< offset + count` of an extent.
    @inline(__always)
    func bytes(_ extent: Extent, offset: Int, count: Int) -> UnsafeMutableRawBufferPointer {
        precondition(
            offset >= 0 && count >= 0
                && offset &+ count <= Int(length(extent)) &* Region.unitByteCount,
            "bytes outside of their extent")
        return UnsafeMutableRawBufferPointer(start: address(extent.unit) + offset, count: count)
    }

    @inline(__always)
    func key(_ item: Item) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            bytes(
                item.head, offset: keyOffset(item), count: Int(self[item, .keyByteCount])))
    }

    /// Whether the item's key is `key`.
    @inline(__always)
    func hasKey(_ item: Item, _ key: Span<UInt8>) -> Bool {
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

#if DEBUG
    /// See `Region.observer`.
    final class StoreObserver {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }
#endif
