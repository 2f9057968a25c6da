/// Items in the order of their last access, linked through the items themselves.
///
/// Constant time for everything. The queue does not know why an item leaves it.
struct RecencyQueue {
    let region: Region
    /// The most recently used item; null when the queue is empty.
    private(set) var newest = Item.null
    /// The least recently used item; null when the queue is empty.
    private(set) var oldest = Item.null
    private(set) var count = 0

    init(region: Region) { self.region = region }

    mutating func insert(_ item: Item) {
        region[item, .recencyPrevious] = 0
        region[item, .recencyNext] = newest.unit
        if !newest.isNull { region[newest, .recencyPrevious] = item.unit } else { oldest = item }
        newest = item
        count += 1
    }

    mutating func remove(_ item: Item) {
        let next = older(than: item)
        let previous = newer(than: item)
        if !previous.isNull { region[previous, .recencyNext] = next.unit } else { newest = next }
        if !next.isNull {
            region[next, .recencyPrevious] = previous.unit
        } else {
            oldest = previous
        }
        count -= 1
    }

    /// Takes note that an item, its links included, has been copied to another place.
    mutating func relocate(_ item: Item, to place: Item) {
        let next = older(than: item)
        let previous = newer(than: item)
        if !previous.isNull { region[previous, .recencyNext] = place.unit } else { newest = place }
        if !next.isNull { region[next, .recencyPrevious] = place.unit } else { oldest = place }
    }

    @inline(__always)
    mutating func bump(_ item: Item) {
        guard item != newest else { return }
        remove(item)
        insert(item)
    }

    /// The item that was used just before `item`; null at the oldest end.
    func older(than item: Item) -> Item { Item(region[item, .recencyNext]) }

    /// The item that was used just after `item`; null at the newest end.
    func newer(than item: Item) -> Item { Item(region[item, .recencyPrevious]) }
}
