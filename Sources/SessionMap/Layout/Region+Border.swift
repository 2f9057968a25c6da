/// What a shard keeps for recovery, behind the header of the region's first border:
///
///     byte 8    CAS counter (54) · its check (10)
///     byte 16   the CAS unique that an item is being given, see `makeStale` (64)
///     byte 24   epoch (3) · check of epoch and flush (29)
///     byte 28   when a flush that was asked for in advance is due
///     byte 32   the item that another of its key is about to replace; 0 when there is none
///     byte 36   how items are stamped, a `StampRule` (32)
///     byte 40   the item that is being changed; 0 when there is none
///     byte 44   0, up to byte 63
extension Region.Field {
    fileprivate static let shardFlushes = Region.Field(offset: 24)
    fileprivate static let shardEpoch = Region.Field(offset: 24, bits: 3)
    fileprivate static let shardFlushDeadline = Region.Field(offset: 28)
    static let superseded = Region.Field(offset: 32)
    static let shardStampRule = Region.Field(offset: 36)
    fileprivate static let changing = Region.Field(offset: 40)
}

extension Region {
    private static let changingCASUniqueOffset = 16

    /// What has been flushed, and what will be: one store changes both, and their check.
    var shardFlushes: FlushState {
        get {
            FlushState(
                epoch: self[0, .shardEpoch],
                deadline: Deadline(stored: self[0, .shardFlushDeadline]))
        }
        nonmutating set {
            setWords(
                0, offset: Field.shardFlushes.offset, Self.checked(newValue),
                newValue.deadline.seconds)
        }
    }

    /// Whether what is known of flushes is what was stored.
    var hasIntactFlushes: Bool { self[0, .shardFlushes] == Self.checked(shardFlushes) }

    private static func checked(_ flushes: FlushState) -> UInt32 {
        let all = UInt64(flushes.epoch) << 32 | UInt64(flushes.deadline.seconds)
        return flushes.epoch
            | UInt32(truncatingIfNeeded: spread(all) >> 32) & ~epochMask
    }

    private static let epochMask: UInt32 = 7
    private static let counterMask: UInt64 = (1 << 54) - 1

    /// Shares the place of an item's CAS unique, in the border's units.
    @inline(__always)
    func setShardCASCounter(_ value: UInt64) {
        setCASUnique(0, value & Self.counterMask | Self.spread(value) & ~Self.counterMask)
    }

    /// Nothing when it is not what was stored.
    var shardCASCounter: UInt64? {
        let stored = casUnique(0)
        let value = stored & Self.counterMask
        return stored & ~Self.counterMask == Self.spread(value) & ~Self.counterMask ? value : nil
    }

    /// A multiplication that any bit of `value` changes the upper bits of.
    @inline(__always)
    private static func spread(_ value: UInt64) -> UInt64 { ~(value &* 0x9E37_79B9_7F4A_7C15) }

    // MARK: An item that is being changed

    func setChange(_ item: Unit, casUnique: UInt64) {
        setWords(
            0, offset: Self.changingCASUniqueOffset, UInt32(truncatingIfNeeded: casUnique),
            UInt32(truncatingIfNeeded: casUnique >> 32))
        Self.order()
        self[0, .changing] = item
        Self.order()
    }

    func clearChange() {
        Self.order()
        self[0, .changing] = 0
    }

    var change: (item: Unit, casUnique: UInt64)? {
        let item = self[0, .changing]
        guard item != 0 else { return nil }
        let low = self[0, Field(offset: Self.changingCASUniqueOffset)]
        let high = self[0, Field(offset: Self.changingCASUniqueOffset + 4)]
        return (item, UInt64(high) << 32 | UInt64(low))
    }

    /// Lays the first border out as it is before anything was stored.
    func clearBorder() {
        shardFlushes = FlushState()
        self[0, .superseded] = 0
        self[0, .changing] = 0
        setShardCASCounter(0)
    }
}
