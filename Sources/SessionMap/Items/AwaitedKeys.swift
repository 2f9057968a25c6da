/// The keys of a shard for which somebody waits: until the item that is there has gone. By hash; two
/// keys of one hash are told of together, which costs a look.
///
/// While a key is here, an ordinary `add` does not take it, though it be free: who waits comes first.
/// Any other command may.
///
/// Costs one comparison per removal and per changed deadline where nobody waits. As many keys as its
/// map's user lets in.
struct AwaitedKeys {
    /// Beside the set, which lies elsewhere in memory.
    private(set) var isEmpty = true
    /// Each with whether a zero counts as a free key: see `SessionMap.claim`.
    private var hashes: [UInt64: Bool] = [:]
    /// Told of a change, with the shard's lock held: it must not call the map.
    var observer: ((_ hash: UInt64) -> Void)?

    @inline(__always)
    func contains(_ hash: UInt64) -> Bool { !isEmpty && hashes[hash] != nil }

    /// Whether a zero under this key is promised to who waits first.
    @inline(__always)
    func promisesZero(_ hash: UInt64) -> Bool { !isEmpty && hashes[hash] == true }

    mutating func insert(_ hash: UInt64, zeroIsFree: Bool) {
        hashes[hash] = zeroIsFree
        isEmpty = false
    }

    mutating func remove(_ hash: UInt64) {
        hashes[hash] = nil
        isEmpty = hashes.isEmpty
    }

    /// The item of a key has gone, was replaced, or has another deadline.
    func noteChange(_ hash: UInt64) {
        if hashes[hash] != nil { observer?(hash) }
    }

    /// All of them may have gone.
    func noteFlush() {
        guard !isEmpty else { return }
        for hash in hashes.keys { observer?(hash) }
    }
}
