/// How input is cut into the pieces in which it arrives.
package enum Cuts: Sendable, CustomStringConvertible {
    case whole
    /// Pieces of one size, the last one excepted.
    case pieces(byteCount: Int)
    /// One cut.
    case once(at: Int)
    /// Mostly small pieces, now and then a large one.
    case random(seed: UInt64)

    package var description: String {
        switch self {
        case .whole: "whole"
        case .pieces(let byteCount): "in pieces of \(byteCount)"
        case .once(let place): "cut at \(place)"
        case .random(let seed): "at random, seed \(seed)"
        }
    }

    /// The lengths of the pieces of an input of `byteCount` bytes.
    package func lengths(of byteCount: Int) -> [Int] {
        var left = byteCount
        var lengths: [Int] = []
        func take(_ wanted: Int) {
            let length = min(max(wanted, 1), left)
            lengths.append(length)
            left -= length
        }
        switch self {
        case .whole: if left > 0 { take(left) }
        case .pieces(let size): while left > 0 { take(size) }
        case .once(let place):
            if place > 0, left > 0 { take(place) }
            if left > 0 { take(left) }
        case .random(let seed):
            var generator = SeededGenerator(seed: seed &+ UInt64(byteCount))
            while left > 0 {
                let bound = Int.random(in: 0..<4, using: &generator) == 0 ? 40_000 : 24
                // Of a large input most pieces are large, or it takes too long.
                let least = byteCount > 20_000 ? 1_000 : 1
                take(Int.random(in: least...max(bound, 2 * least), using: &generator))
            }
        }
        return lengths
    }
}
