/// Finds a pattern in a value, in one pass over it: for each byte it looks at every place of the pattern that may
/// be reached, and at none twice.
struct PatternSearch {
    /// A way to get to a place of the pattern. Those that began earlier come first, and of these the greedier ones.
    private struct Way {
        var place: Int
        var start: Int
        var end: Int
    }

    private let pattern: BytePattern
    private var present: [Way] = []
    private var next: [Way] = []
    /// Places of `next`, by bits: a second way to one of them comes behind the first.
    private var reached: UInt64 = 0
    private var found: Range<Int>?

    init(_ pattern: BytePattern) { self.pattern = pattern }

    /// Where what the group stands for is; nil if the pattern is nowhere.
    mutating func search(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Range<Int>? {
        present.removeAll(keepingCapacity: true)
        found = nil
        var offset = 0
        for piece in pieces {
            if !search(piece, at: offset, isFirst: offset == 0) { break }
            offset += piece.count
        }
        // What is left at the end of the value.
        guard pattern.endsAtEnd else { return found }
        return present.first { $0.place == pattern.items.count }.map { $0.start..<$0.end }
    }

    /// False when there is nothing more to be found.
    private mutating func search(
        _ bytes: UnsafeRawBufferPointer, at offset: Int, isFirst: Bool
    ) -> Bool {
        var place = 0
        while place < bytes.count {
            if present.isEmpty {
                if found != nil || pattern.beginsAtStart && offset + place > 0 { return false }
                // Nothing has begun: where could something begin?
                if let first = pattern.head.first, !pattern.beginsAtStart {
                    let rest = UnsafeRawBufferPointer(rebasing: bytes[place...])
                    // One that goes on in the next piece begins near the end.
                    let tailCount = pattern.head.count - 1
                    if let whole = ByteSearch.first(pattern.head, in: rest) {
                        place += whole
                    } else {
                        place += max(0, rest.count - tailCount)
                        guard place < bytes.count else { return true }
                        let tail = UnsafeRawBufferPointer(rebasing: bytes[place...])
                        guard let begin = ByteSearch.first(first, in: tail) else { return true }
                        place += begin
                    }
                }
            }
            step(over: bytes[place], at: offset + place)
            place += 1
        }
        return true
    }

    private mutating func step(over byte: UInt8, at offset: Int) {
        var ways: [Way] = []
        swap(&ways, &present)
        // A new beginning comes behind all that is under way; a match that is there is the earlier one.
        if found == nil, !pattern.beginsAtStart || offset == 0 {
            reached = ways.reduce(0) { $0 | 1 << UInt64($1.place) }
            add(Way(place: 0, start: -1, end: -1), at: offset, to: &ways)
        }
        var following: [Way] = []
        swap(&following, &next)
        following.removeAll(keepingCapacity: true)
        reached = 0
        for var way in ways where way.place < pattern.items.count {
            let item = pattern.items[way.place]
            guard item.bytes.contains(byte) else { continue }
            if !item.repeats { way.place += 1 }
            if add(way, at: offset + 1, to: &following) { break }
        }
        present = following
        next = ways
    }

    /// Takes note that a place is reached with the byte at `offset` the next one, and with it those that can be
    /// reached without a byte. True when the pattern is over: what comes behind is worth less.
    @discardableResult
    private mutating func add(_ way: Way, at offset: Int, to ways: inout [Way]) -> Bool {
        var way = way
        while true {
            if way.place == pattern.group.lowerBound, way.start < 0 { way.start = offset }
            if way.place >= pattern.group.upperBound, way.end < 0 { way.end = offset }
            guard reached & 1 << UInt64(way.place) == 0 else { return false }
            reached |= 1 << UInt64(way.place)
            if way.place == pattern.items.count {
                if pattern.endsAtEnd {
                    ways.append(way)
                    return false
                }
                found = way.start..<way.end
                return true
            }
            ways.append(way)
            guard pattern.items[way.place].mayBeMissing else { return false }
            way.place += 1
        }
    }
}
