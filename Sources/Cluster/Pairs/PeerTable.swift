/// Values by members' numbers, which are small: an array costs less than a dictionary.
struct PeerTable<Value>: Sequence {
    private var slots: [Value?] = []
    /// In ascending order.
    private(set) var keys: [Int] = []

    subscript(peer: Int) -> Value? {
        // In its place: some values are large. Inlined, or each look would allocate what it goes on from.
        @inline(__always) _read {
            if slots.indices.contains(peer) { yield slots[peer] } else { yield nil }
        }
        _modify {
            while slots.count <= peer { slots.append(nil) }
            let wasThere = slots[peer] != nil
            defer {
                if (slots[peer] != nil) != wasThere {
                    keys = slots.indices.filter { slots[$0] != nil }
                }
            }
            yield &slots[peer]
        }
    }

    struct Iterator: IteratorProtocol {
        fileprivate let table: PeerTable
        fileprivate var place = 0

        mutating func next() -> (key: Int, value: Value)? {
            while place < table.keys.count {
                let key = table.keys[place]
                place += 1
                if let value = table.slots[key] { return (key, value) }
            }
            return nil
        }
    }

    /// In ascending order of the members' numbers.
    func makeIterator() -> Iterator { Iterator(table: self) }
}
