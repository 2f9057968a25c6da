/// Items in the order of their last access, linked through the items themselves.
///
/// Constant time for everything. The queue does not know why an item leaves it.
struct RecencyQueue {
    let region: Region
    /// The most recently used item; 0 when the queue is empty.
    private(set) var newest: Unit = 0
    /// The least recently used item; 0 when the queue is empty.
    private(set) var oldest: Unit = 0
    private(set) var count = 0

    init(region: Region) { self.region = region }

    mutating func insert(_ item: Unit) {
        region[item, .recencyPrevious] = 0
        region[item, .recencyNext] = newest
        if newest != 0 { region[newest, .recencyPrevious] = item } else { oldest = item }
        newest = item
        count += 1
    }

    mutating func remove(_ item: Unit) {
        let next = region[item, .recencyNext]
        let previous = region[item, .recencyPrevious]
        if previous != 0 { region[previous, .recencyNext] = next } else { newest = next }
        if next != 0 { region[next, .recencyPrevious] = previous } else { oldest = previous }
        count -= 1
    }

    /// Takes note that an item, its links included, has been copied to another place.
    mutating func relocate(_ item: Unit, to place: Unit) {
        let next = region[item, .recencyNext]
        let previous = region[item, .recencyPrevious]
        if previous != 0 { region[previous, .recencyNext] = place } else { newest = place }
        if next != 0 { region[next, .recencyPrevious] = place } else { oldest = place }
    }

    @inline(__always)
    mutating func bump(_ item: Unit) {
        guard item != newest else { return }
        remove(item)
        insert(item)
    }

    /// The item that was used just before `item`; 0 at the oldest end.
    func older(than item: Unit) -> Unit { region[item, .recencyNext] }

    /// The item that was used just after `item`; 0 at the newest end.
    func newer(than item: Unit) -> Unit { region[item, .recencyPrevious] }
}
