/// A live item, seen while its shard is locked. Must not leave the closure that it was given to.
package struct Hit {
    let region: Region
    let item: Unit
    /// Seconds on the node's clock.
    let now: UInt32

    package var clientFlags: UInt32 { region[item, .clientFlags] }
    package var casUnique: UInt64 { region.casUnique(item) }
    package var valueByteCount: Int { Int(region[item, .valueByteCount]) }
    package var keyByteCount: Int { Int(region[item, .keyByteCount]) }
    /// Seconds until the item expires; none is never.
    package var secondsLeft: UInt32? {
        let deadline = region[item, .deadline]
        return deadline == 0 ? nil : deadline - min(deadline, now)
    }

    /// Copies the key to the front of `target`, which must hold it.
    package func copyKey(into target: UnsafeMutableRawBufferPointer) {
        target.copyMemory(from: region.key(item))
    }

    /// Copies the value to the front of `target`, which must hold it.
    package func copyValue(into target: UnsafeMutableRawBufferPointer) {
        precondition(target.count >= valueByteCount)
        var pieces = ValuePieces(region: region, item: item)
        var position = 0
        while let piece = pieces.next() {
            UnsafeMutableRawBufferPointer(rebasing: target[position...]).copyMemory(from: piece)
            position += piece.count
        }
    }
}

/// An item's value, piece by piece, in the order of its extents.
struct ValuePieces {
    private let region: Region
    private var extent: Unit
    private var offset: Int
    private var left: Int

    init(region: Region, item: Unit) {
        self.region = region
        extent = item
        offset = Region.itemHeaderByteCount + Int(region[item, .keyByteCount])
        left = Int(region[item, .valueByteCount])
    }

    mutating func next() -> UnsafeRawBufferPointer? {
        while left > 0 {
            let room = Int(region.length(extent)) * Region.unitByteCount - offset
            let count = min(room, left)
            let piece = region.bytes(extent, offset: offset, count: count)
            left -= count
            extent = region[extent, .link]
            offset = Region.continuationHeaderByteCount
            if count > 0 { return UnsafeRawBufferPointer(piece) }
        }
        return nil
    }
}

/// A value that a reply still needs: its bytes stay as they are, whatever happens to the item,
/// until `SessionMap.unpin`.
package struct PinnedValue {
    let shard: Int
    let item: Unit
    /// The value's pieces, in order. Valid until it is unpinned.
    package let pieces: [UnsafeRawBufferPointer]
    package let byteCount: Int
}
