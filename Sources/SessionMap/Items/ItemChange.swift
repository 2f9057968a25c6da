/// Why an item left.
enum RemovalReason {
    case deleted
    /// What was to take its place found no memory.
    case outdated
    /// Another of its key has taken its place.
    case replaced
    case expired
    case flushed
    /// Alive, to make room.
    case evicted
}

/// What has happened to an item.
enum ItemChange {
    case stored
    case removed(RemovalReason)
    /// It lies somewhere else now; whoever knows its place must look again.
    case moved
    case deadline
    /// Marks that a client can see, or the value's standing: fetched, stale, claimed.
    case marks
}

/// What holds a key's place in the index. Eviction may take it away, or move its slot.
struct Present {
    /// Null: nothing does.
    var item: Item
    var slot: ItemIndex.Slot?
    let moveCount: UInt64

    static var none: Present { Present(item: .null, slot: nil, moveCount: 0) }
}

extension Items {
    /// What a written item still lacks when it is stored.
    struct Seal {
        let casUnique: UInt64
        let time: MapTime
        /// With checksums, what its bytes come to, if that is known.
        let content: ItemChecksum?
    }
}
