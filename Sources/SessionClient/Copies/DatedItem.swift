/// An item that knows when it ends, as a node holds it.
///
///     value: | deadline, Unix seconds: 8 bytes | client flags: 4 bytes | the item's value |
///
/// A write that does not reach all copies may leave an older one behind that lives longer than what was
/// written: it would be the item again when that has expired. So what was written stays for as long as a
/// deletion does, and counts as one from its deadline on. It becomes a plain item again when somebody
/// reads it and sees that all copies are up to date.
struct DatedItem {
    /// Marks it for the client; its own client flags are inside.
    static let clientFlags: UInt32 = 0x746F_6D63

    static let headByteCount = 12

    private var deadline: Int64
    private var clientFlags: UInt32
    private var value: [UInt8]

    /// - Parameter content: of an item that is not dated.
    /// - Returns: nil if it never expires, or is no item.
    static func dating(_ content: CopySet.Content, lifetime: Duration) -> CopySet.Content? {
        guard content.clientFlags != CopySet.tombstoneClientFlags,
            let deadline = Expiry.deadline(of: content.exptime)
        else { return nil }
        let now = Expiry.unixSeconds()
        let longest = max(.seconds(deadline - now), lifetime)
        let head = deadline.bigEndianBytes + content.clientFlags.bigEndianBytes
        return CopySet.Content(
            value: head + content.value, clientFlags: Self.clientFlags,
            exptime: Expiry.after(longest).exptime(), version: content.version)
    }

    /// - Parameter item: as a node holds it.
    /// - Returns: nil if it is another.
    init?(_ item: CacheItem) {
        guard item.clientFlags == Self.clientFlags,
            let deadline = Int64(bigEndianBytes: item.value.prefix(8)),
            let clientFlags = UInt32(bigEndianBytes: item.value.dropFirst(8).prefix(4))
        else { return nil }
        self.deadline = deadline
        self.clientFlags = clientFlags
        value = Array(item.value.dropFirst(Self.headByteCount))
    }

    /// - Returns: nil if it is over.
    func item(
        casUnique: CASUnique, unixSeconds now: Int64 = Expiry.unixSeconds()
    ) -> CacheItem? {
        guard now < deadline else { return nil }
        return CacheItem(
            value: value, clientFlags: clientFlags, casUnique: casUnique,
            timeLeft: .seconds(deadline - now))
    }
}
