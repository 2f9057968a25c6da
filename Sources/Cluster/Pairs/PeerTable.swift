/// Values by members' numbers, which are small: an array costs less than a dictionary.
struct PeerTable<Value>: Sequence {
    private var slots: [Value?] = []

    subscript(peer: Int) -> Value? {
        get { slots.indices.contains(peer) ? slots[peer] : nil }
        _modify {
            while slots.count <= peer { slots.append(nil) }
            yield &slots[peer]
        }
    }

    /// In ascending order.
    var keys: [Int] { slots.indices.filter { slots[$0] != nil } }
    var values: [Value] { slots.compactMap(\.self) }

    func makeIterator() -> AnyIterator<(key: Int, value: Value)> {
        var rest = keys.makeIterator()
        return AnyIterator {
            guard let peer = rest.next(), let value = self[peer] else { return nil }
            return (peer, value)
        }
    }
}
