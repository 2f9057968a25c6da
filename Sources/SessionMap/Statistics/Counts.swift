/// Numbers by the cases of an enumeration: what is counted is named once, and summed up in one place.
struct Counts<Key: RawRepresentable<Int> & Sendable>: Equatable, Sendable {
    /// Room for the longest of the enumerations.
    private var numbers = InlineArray<32, Int>(repeating: 0)

    @inline(__always)
    subscript(key: Key) -> Int {
        get { numbers[key.rawValue] }
        set { numbers[key.rawValue] = newValue }
    }

    mutating func add(_ other: Self) {
        for place in numbers.indices { numbers[place] += other.numbers[place] }
    }

    /// What was counted since `zero`. Never a trap, whichever of the two was read first.
    func since(_ zero: Self) -> Self {
        var left = self
        for place in numbers.indices {
            left.numbers[place] = max(0, numbers[place] - zero.numbers[place])
        }
        return left
    }

    static func == (left: Self, right: Self) -> Bool {
        left.numbers.indices.allSatisfy { left.numbers[$0] == right.numbers[$0] }
    }
}
