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
extension Region.Field where Place == Border {
    fileprivate static var shardFlushes: Self { Self(offset: 24) }
    fileprivate static var shardEpoch: Self { Self(offset: 24, bits: 3) }
    fileprivate static var shardFlushDeadline: Self { Self(offset: 28) }
    static var shardStampRule: Self { Self(offset: 36) }
    fileprivate static var changing: Self { Self(offset: 40) }
}

extension Region {
    private static let counterOffset = 8
    private static let changingCASUniqueOffset = 16

    /// What has been flushed, and what will be: one store changes both, and their check.
    var shardFlushes: FlushState {
        get {
            FlushState(
                epoch: self[.shardEpoch],
                deadline: Deadline(stored: self[.shardFlushDeadline]))
        }
        nonmutating set {
            setWord64(
                0, offset: Field<Border>.shardFlushes.offset,
                Self.word(Self.checked(newValue), newValue.deadline.seconds))
        }
    }

    /// Whether what is known of flushes is what was stored.
    var hasIntactFlushes: Bool { self[.shardFlushes] == Self.checked(shardFlushes) }

    private static func checked(_ flushes: FlushState) -> UInt32 {
        let all = UInt64(flushes.epoch) << 32 | UInt64(flushes.deadline.seconds)
        return flushes.epoch
            | UInt32(truncatingIfNeeded: spread(all) >> 32) & ~epochMask
    }

    private static let epochMask: UInt32 = 7
    private static let counterMask: UInt64 = (1 << 54) - 1

    @inline(__always)
    func setShardCASCounter(_ value: UInt64) {
        setWord64(
            0, offset: Self.counterOffset,
            value & Self.counterMask | Self.spread(value) & ~Self.counterMask)
    }

    /// Nothing when it is not what was stored.
    var shardCASCounter: UInt64? {
        let stored = word64(0, offset: Self.counterOffset)
        let value = stored & Self.counterMask
        return stored & ~Self.counterMask == Self.spread(value) & ~Self.counterMask ? value : nil
    }

    /// A multiplication that any bit of `value` changes the upper bits of.
    @inline(__always)
    private static func spread(_ value: UInt64) -> UInt64 { ~(value &* 0x9E37_79B9_7F4A_7C15) }

    // MARK: An item that is being changed

    func setChange(_ item: Item, casUnique: UInt64) {
        setWord64(0, offset: Self.changingCASUniqueOffset, casUnique)
        Self.order()
        self[.changing] = item.unit
        Self.order()
    }

    func clearChange() {
        Self.order()
        self[.changing] = 0
    }

    var change: (item: Item, casUnique: UInt64)? {
        let item = Item(self[.changing])
        return item.isNull
            ? nil : (item, word64(0, offset: Self.changingCASUniqueOffset))
    }

    /// Lays the first border out as it is before anything was stored.
    func clearBorder() {
        shardFlushes = FlushState()
        Journal(region: self).settle()
        self[.changing] = 0
        setShardCASCounter(0)
    }
}
