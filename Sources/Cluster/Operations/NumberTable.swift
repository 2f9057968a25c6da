/// Values by numbers that members count up: open addressing, which costs a fraction of a dictionary's.
///
/// A dictionary hashes its keys so that nobody can choose colliding ones. These numbers are members' own, or hashes
/// already; who could choose them is trusted with everything else.
struct NumberTable<Value> {
    private struct Slot {
        var number: UInt64
        var value: Value?
    }

    /// A power of two; at most half of them are in use.
    private var slots: [Slot]
    private(set) var count = 0

    private static var leastCapacity: Int { 64 }

    init() {
        slots = Array(repeating: Slot(number: 0, value: nil), count: Self.leastCapacity)
    }

    var isEmpty: Bool { count == 0 }

    subscript(number: UInt64) -> Value? {
        get { slots[place(of: number)].value }
        set {
            if let newValue {
                _ = update(newValue, for: number)
            } else {
                _ = remove(number)
            }
        }
    }

    /// Where it is, or where it would be: behind a hole there is nothing of its block any more.
    private func place(of number: UInt64) -> Int {
        slots.withUnsafeBufferPointer { slots in
            // No place is beyond the mask.
            var place = home(of: number)
            while slots[place].number != number, slots[place].value != nil { place = next(place) }
            return place
        }
    }

    /// Returns what was there before.
    mutating func update(_ value: Value, for number: UInt64) -> Value? {
        let place = place(of: number)
        if let old = slots[place].value {
            slots[place].value = value
            return old
        }
        slots[place] = Slot(number: number, value: value)
        count += 1
        if count * 2 > slots.count { grow() }
        return nil
    }

    mutating func remove(_ number: UInt64) -> Value? {
        var place = place(of: number)
        guard let old = slots[place].value.take() else { return nil }
        count -= 1
        // Whatever would not be found any more behind the hole moves into it.
        var hole = place
        place = next(place)
        while slots[place].value != nil {
            let distance = (place - home(of: slots[place].number)) & mask
            if distance >= (place - hole) & mask {
                slots.swapAt(hole, place)
                hole = place
            }
            place = next(place)
        }
        return old
    }

    /// In no order.
    var numbers: [UInt64] { slots.filter { $0.value != nil }.map(\.number) }
    var values: [Value] { slots.compactMap(\.value) }

    private var mask: Int { slots.count - 1 }

    /// Numbers that follow each other lie beside each other, a few of them: they are looked for one after the other.
    /// Such blocks lie far apart, by Fibonacci hashing.
    @inline(__always)
    private func home(of number: UInt64) -> Int {
        let block = (number ^ number >> 32) >> Self.blockBits &* 0x9E37_79B9_7F4A_7C15
        let low = number & (1 << Self.blockBits - 1)
        return Int(truncatingIfNeeded: (block >> 32) << Self.blockBits | low) & mask
    }

    private static var blockBits: UInt64 { 3 }

    @inline(__always)
    private func next(_ place: Int) -> Int { (place + 1) & mask }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Slot(number: 0, value: nil), count: old.count * 2)
        count = 0
        for slot in old {
            if let value = slot.value { _ = update(value, for: slot.number) }
        }
    }
}
