/// The opaque number that a node gives to each state of an item.
public struct CASUnique: Hashable, Sendable {
    /// As the node sends it.
    public let number: UInt64

    /// For a number that was kept elsewhere, such as in a form.
    public init(_ number: UInt64) { self.number = number }
}

/// An item as it was read.
public struct CacheItem: Hashable, Sendable {
    /// Empty if that was stored.
    public var value: [UInt8]
    /// What was stored with it; 0 if nothing was.
    public var clientFlags: UInt32
    /// Which state of the item this is, for `compareAndSet` and `compareAndDelete`.
    public var casUnique: CASUnique
    /// Nil for an item that never expires.
    public var timeLeft: Duration?
}

/// What `get` found of several keys: what is in neither is a miss.
public struct CacheItems: Sendable {
    /// Items that are there, by their keys.
    public var hits: [CacheKey: CacheItem] = [:]
    /// Keys of nodes that did not answer.
    public var failures: [CacheKey: CacheError] = [:]

    /// The item of a key; nil for a miss and for a failure.
    public subscript(_ key: CacheKey) -> CacheItem? { hits[key] }
}

/// What became of a store that wants the item unchanged.
public enum CompareAndSetOutcome: Hashable, Sendable {
    /// The item is the new one, in this state.
    case stored(CASUnique)
    /// Somebody else has changed the item.
    case conflict
    /// The item is gone.
    case notFound
}

/// What became of a deletion that wants the item unchanged.
public enum CompareAndDeleteOutcome: Hashable, Sendable {
    /// The item was as expected, and is gone.
    case deleted
    /// Somebody else has changed the item.
    case conflict
    /// The item is gone.
    case notFound
}
