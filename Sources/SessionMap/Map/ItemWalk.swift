/// Where a walk over all items of a map stands.
///
/// It refers to no item, so anything may happen to the map between two steps: an item that is there
/// from the first step to the last is seen exactly once, and no key twice.
package struct ItemWalk: Equatable, Sendable {
    /// About how many items one step sees; a step holds a shard's lock for some tens of microseconds.
    package static let itemsPerStep = 64

    /// The shard that is next; all have been seen when there is none of that number.
    package private(set) var shard = 0
    /// The place in its index.
    var place: UInt64 = 0

    package init() {}

    /// From a shard on; it is for the caller to end it when it has come to the next one.
    package init(fromShard shard: Int) { self.shard = shard }

    mutating func goOn(from next: UInt64) {
        place = next
        guard next == ItemIndex.walkEnd else { return }
        place = 0
        shard += 1
    }
}
