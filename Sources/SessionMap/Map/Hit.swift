import Glibc

/// A live item, seen while its shard is locked. Must not leave the closure that it was given to.
package struct Hit {
    let region: Region
    let item: Item
    let time: MapTime
    /// Whether the item's time stamp is that of its creation.
    let keepsCreation: Bool
    /// It was made for want of another by the operation that shows it.
    package let isNew: Bool
    // What every reply asks for. Another module reads a stored property without a call.
    package let keyByteCount: Int
    package let valueByteCount: Int
    package let clientFlags: UInt32

    @inline(__always)
    init(region: Region, item: Item, time: MapTime, keepsCreation: Bool, isNew: Bool) {
        self.region = region
        self.item = item
        self.time = time
        self.keepsCreation = keepsCreation
        self.isNew = isNew
        keyByteCount = Int(region[item, .keyByteCount])
        valueByteCount = Int(region[item, .valueByteCount])
        clientFlags = region.clientFlags(item)
    }

    package var casUnique: UInt64 { region.casUnique(item) }
    package var deadline: Deadline { region.deadline(item) }
    /// In seconds since 2025, when the first value of its key was stored; nothing where nobody knows.
    package var birth: UInt32? {
        guard region.features.contains(.births) else { return nil }
        let birth = region.birth(item)
        return birth == 0 ? nil : birth
    }
    /// Seconds until the item expires; none is never.
    package var secondsLeft: UInt32? { deadline.secondsLeft(at: time.seconds) }
    /// Seconds since the last access before this one; of an item on probation, since it was stored.
    package var secondsSinceAccess: UInt32 {
        time.secondsSince(stamp: region[item, .accessed], isCreation: keepsCreation)
    }
    package var wasFetched: Bool { has(ItemMark.fetched) }
    package var isStale: Bool { has(ItemMark.stale) }
    /// Read back when it was old enough, so no flood of others evicts it.
    package var isProven: Bool { has(ItemMark.proven) }
    /// Some client has been told already to make a new value.
    package var isClaimed: Bool { has(ItemMark.claimed) }
    package var hasEncodedKey: Bool { region[item, .hasEncodedKey] != 0 }
    /// Arena bytes, header and rounding included.
    package var byteCount: Int { region.chainSize(item.head).unitCount * Region.unitByteCount }

    private func has(_ mark: UInt32) -> Bool { region[item, .marks] & mark != 0 }

    /// Calls `body` with the key, which lies in the arena.
    package func withKey<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { body(region.key(item)) }

    /// Whether this is its value.
    package func holds(_ value: Span<UInt8>) -> Bool {
        guard value.count == valueByteCount else { return false }
        return value.withUnsafeBytes { value in
            var pieces = ValuePieces(region: region, item: item)
            var position = 0
            while let piece = pieces.next() {
                let part = UnsafeRawBufferPointer(rebasing: value[position...].prefix(piece.count))
                guard
                    let (one, other) = part.baseAddress.flatMap({ one in
                        piece.baseAddress.map { (one, $0) }
                    }), memcmp(one, other, piece.count) == 0
                else { return false }
                position += piece.count
            }
            return true
        }
    }

    /// Copies the value to the front of `target`, which must hold it.
    package func copyValue(into target: UnsafeMutableRawBufferPointer) {
        precondition(target.count >= valueByteCount)
        let offset = region.valueOffset(item)
        if offset + valueByteCount <= Int(region.length(item.head)) * Region.unitByteCount {
            // In one piece, as nearly all are.
            return target.copyMemory(
                from: UnsafeRawBufferPointer(
                    region.bytes(item.head, offset: offset, count: valueByteCount)))
        }
        var pieces = ValuePieces(region: region, item: item)
        var position = 0
        while let piece = pieces.next() {
            UnsafeMutableRawBufferPointer(rebasing: target[position...]).copyMemory(from: piece)
            position += piece.count
        }
    }
}

/// What an operation makes of a live item that it was shown.
///
/// Public, though no application needs it: what is `package` is never inlined into other modules, with
/// `@inlinable` or without (Swift 6.3), and one of these is made for each hit.
public struct HitUse: Sendable {
    /// The value is sent from where it is, and pinned; otherwise what is needed has been copied.
    public var pinsValue = false
    /// The item's deadline from now on, if it changes.
    public var deadline: Deadline?
    /// The client is told to make a new value.
    public var claims = false
    /// It was read. If not, nobody is told of it here, and all stays as it was.
    package var isAccess = true

    @inlinable @inline(__always)
    public init() {}

    package static let copied = HitUse()

    package static var none: HitUse {
        var use = HitUse()
        use.isAccess = false
        return use
    }

    @inlinable @inline(__always)
    public static func touched(_ deadline: Deadline?) -> HitUse {
        var use = HitUse()
        use.deadline = deadline
        return use
    }
}

/// An item's value, piece by piece, in the order of its extents.
struct ValuePieces {
    private let region: Region
    private var extent: Extent
    private var offset: Int
    private var left: Int

    init(region: Region, item: Item) {
        self.region = region
        extent = item.head
        offset = region.valueOffset(item)
        left = Int(region[item, .valueByteCount])
    }

    mutating func next() -> UnsafeRawBufferPointer? {
        while left > 0 {
            let room = Int(region.length(extent)) * Region.unitByteCount - offset
            let count = min(room, left)
            let piece = region.bytes(extent, offset: offset, count: count)
            left -= count
            extent = region.next(after: extent)
            offset = Region.continuationHeaderByteCount
            if count > 0 { return UnsafeRawBufferPointer(piece) }
        }
        return nil
    }
}

/// A value that a reply still needs: its bytes stay as they are, whatever happens to the item,
/// until `SessionMap.unpin`.
package struct PinnedValue {
    package let shard: Int
    let item: Item
    /// The value's pieces, in order. Valid until it is unpinned.
    package let pieces: [UnsafeRawBufferPointer]
    package let byteCount: Int
}
