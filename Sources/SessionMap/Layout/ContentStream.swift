/// The checksum of an item whose value arrives in parts, made of the bytes as they come.
struct ContentStream {
    private(set) var content: ItemChecksum
    /// The first byte of the present extent that has not been taken yet.
    private var rest: UnsafeMutableRawPointer

    /// Of an item whose header is written; the value goes where `writer` stands. Nothing in an arena
    /// without checksums.
    init?(region: Region, item: Item, writer: ValueWriter, valueByteCount: Int, seed: UInt64) {
        guard region.features.contains(.checksums) else { return nil }
        content = ItemChecksum(seed: seed)
        let head = region.bytes(
            item.head, offset: Region.contentOffset,
            count: region.valueOffset(item) - Region.contentOffset)
        guard let start = head.baseAddress else { preconditionFailure("an item without a key") }
        rest = start
        if writer.extent != item.head {
            content.absorbExtent(UnsafeRawBufferPointer(head))
            if let start = writer.window(atMost: 1).baseAddress { rest = start }
        } else if valueByteCount == 0 {
            content.absorbExtent(UnsafeRawBufferPointer(head))
        }
    }

    /// The value is there up to `window`, what is left to be written of the present extent.
    mutating func takeArrived(upTo window: UnsafeMutableRawBufferPointer) {
        guard let end = window.baseAddress else { return }
        let bytes = UnsafeRawBufferPointer(start: rest, count: end - rest)
        let taken = content.absorbBlocks(bytes)
        if window.isEmpty {
            content.endExtent(UnsafeRawBufferPointer(rebasing: bytes[taken...]))
        }
        rest += taken
    }

    mutating func goOn(in window: UnsafeMutableRawBufferPointer) {
        if let start = window.baseAddress { rest = start }
    }
}
