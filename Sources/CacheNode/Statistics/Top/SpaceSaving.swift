/// Who has the most, in bounded memory, of a stream whose names are too many to be counted.
///
/// Source: Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams" (2005). Who
/// is not there takes the place of whoever has the least, with what that one had as a possible error. So what is told of
/// a name is never too little, and too much by its error at most; and that is at most the sum of all, by `capacity`: a
/// name with more than this is there.
///
/// Adding looks at all of the places, which are few: for what is sampled.
struct SpaceSaving<Name: Hashable & Sendable>: Sendable {
    struct Entry: Equatable, Sendable {
        let name: Name
        /// Not less than what was added under this name.
        var count: UInt64
        /// Not less than what of it was not.
        var error: UInt64
    }

    let capacity: Int
    private(set) var entries: [Entry] = []

    init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        entries.reserveCapacity(capacity)
    }

    mutating func add(_ name: Name, _ amount: UInt64) {
        var least = 0
        for place in entries.indices {
            if entries[place].name == name {
                entries[place].count &+= amount
                return
            }
            if entries[place].count < entries[least].count { least = place }
        }
        guard entries.count == capacity else {
            entries.append(Entry(name: name, count: amount, error: 0))
            return
        }
        let count = entries[least].count
        entries[least] = Entry(name: name, count: count &+ amount, error: count)
    }

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    /// What a name may have that is not there.
    private var missing: UInt64 {
        entries.count < capacity ? 0 : entries.lazy.map(\.count).min() ?? 0
    }

    /// Of several, what of each name is told of all of them: still never too little, and too much by the error at most.
    /// Those with the most first.
    static func merged(_ all: [SpaceSaving]) -> [Entry] {
        var sums: [Name: Entry] = [:]
        let missing = all.reduce(0) { $0 &+ $1.missing }
        for one in all {
            for entry in one.entries {
                // Where it is not known, it may have had this.
                var sum =
                    sums[entry.name] ?? Entry(name: entry.name, count: missing, error: missing)
                sum.count &+= entry.count &- one.missing
                sum.error = sum.error &+ entry.error &- one.missing
                sums[entry.name] = sum
            }
        }
        return sums.values.sorted { $0.count > $1.count }
    }
}

/// The largest of all, by what was seen of each last.
struct Largest<Name: Hashable & Sendable>: Sendable {
    let capacity: Int
    private(set) var entries: [(name: Name, size: UInt64)] = []

    init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        entries.reserveCapacity(capacity)
    }

    mutating func note(_ name: Name, size: UInt64) {
        var least = 0
        for place in entries.indices {
            if entries[place].name == name {
                entries[place].size = size
                return
            }
            if entries[place].size < entries[least].size { least = place }
        }
        if entries.count < capacity {
            entries.append((name, size))
        } else if entries[least].size < size {
            entries[least] = (name, size)
        }
    }

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }
}
