/// Writes value bytes into the extents of an item, one after the other.
struct ValueWriter {
    private let region: Region
    private(set) var extent: Extent
    private(set) var offset: Int

    /// Starts right behind the key of `item`.
    init(region: Region, item: Item) {
        self.region = region
        extent = item.head
        offset = region.valueOffset(item)
    }

    /// What is left of the present extent.
    var room: Int { Int(region.length(extent)) * Region.unitByteCount - offset }

    /// The rest of the present extent as a place to write to, at most `count` bytes of it.
    func window(atMost count: Int) -> UnsafeMutableRawBufferPointer {
        region.bytes(extent, offset: offset, count: min(room, count))
    }

    mutating func advance(by count: Int) {
        precondition(count <= room)
        offset += count
    }

    /// Goes on in the next extent; false when there is none.
    mutating func nextExtent() -> Bool {
        let next = region.next(after: extent)
        guard !next.isNull else { return false }
        extent = next
        offset = Region.continuationHeaderByteCount
        return true
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while rest.count > 0 {
            if room == 0 {
                guard nextExtent() else { preconditionFailure("a value larger than its extents") }
            }
            let window = window(atMost: rest.count)
            window.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<window.count]))
            advance(by: window.count)
            rest = UnsafeRawBufferPointer(rebasing: rest[window.count...])
        }
    }

    mutating func write(valueOf item: Item) {
        var pieces = ValuePieces(region: region, item: item)
        while let piece = pieces.next() { write(piece) }
    }
}
