import Histogram
import SessionMap
import Synchronization

/// How often numbers came, by `CountScale`, and what they come to: cells that one or several threads write and any
/// thread reads meanwhile. Who has the memory is whose cells these are.
struct DistributionCells {
    /// Behind the places, the sum.
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>
    static let cellCount = CountScale.placeCount + 1

    /// - Parameter cells: `cellCount` of them, zero at first.
    @inline(__always)
    init(_ cells: UnsafeMutablePointer<Atomic<UInt64>>) { self.cells = cells }

    /// By the one thread that writes here: it costs what ordinary additions cost.
    @inline(__always)
    func add(_ value: UInt64, times count: UInt64 = 1) {
        Self.add(count, to: cells + CountScale.place(of: value))
        Self.add(count &* value, to: cells + CountScale.placeCount)
    }

    @inline(__always)
    private static func add(_ amount: UInt64, to cell: UnsafeMutablePointer<Atomic<UInt64>>) {
        let value = cell.pointee.load(ordering: .relaxed)
        cell.pointee.store(value &+ amount, ordering: .relaxed)
    }

    /// By whichever thread.
    func addBeside(_ value: UInt64) {
        cells[CountScale.place(of: value)].wrappingAdd(1, ordering: .relaxed)
        cells[CountScale.placeCount].wrappingAdd(value, ordering: .relaxed)
    }

    var reading: Distribution {
        var reading = Distribution()
        for place in reading.counts.indices {
            reading.counts[place] = cells[place].load(ordering: .relaxed)
        }
        reading.sum = cells[CountScale.placeCount].load(ordering: .relaxed)
        return reading
    }
}

/// Cells with memory of their own, for several threads. `@unchecked Sendable`: the memory is reached through atomic
/// operations only, and stays where it is.
final class SharedDistribution: @unchecked Sendable {
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>

    init() {
        cells = .allocate(capacity: DistributionCells.cellCount)
        for place in 0..<DistributionCells.cellCount { (cells + place).initialize(to: Atomic(0)) }
    }

    deinit {
        cells.deinitialize(count: DistributionCells.cellCount)
        cells.deallocate()
    }

    func add(_ value: UInt64) { DistributionCells(cells).addBeside(value) }

    var reading: Distribution { DistributionCells(cells).reading }
}

/// What was read of such cells.
struct Distribution: Equatable, Sendable {
    fileprivate(set) var counts = [UInt64](repeating: 0, count: CountScale.placeCount)
    fileprivate(set) var sum: UInt64 = 0

    var count: UInt64 { counts.reduce(0, &+) }

    mutating func add(_ other: Distribution) {
        for place in counts.indices { counts[place] &+= other.counts[place] }
        sum &+= other.sum
    }

    /// What has come since `zero`, which was read before.
    func since(_ zero: Distribution) -> Distribution {
        var left = self
        for place in counts.indices { left.counts[place] = counts[place].since(zero.counts[place]) }
        left.sum = sum.since(zero.sum)
        return left
    }

    /// How many were at most this, exactly where a place ends with it, as one does below each power of two.
    func count(upTo bound: UInt64) -> UInt64 {
        var count: UInt64 = 0
        for place in counts.indices where CountScale.largest(at: place) <= bound {
            count &+= counts[place]
        }
        return count
    }

    /// The same for the library, which knows quantiles.
    var histogram: Histogram<UInt64> {
        var histogram = Histogram<UInt64>(
            lowestDiscernibleValue: 1, highestTrackableValue: CountScale.valueMax,
            numberOfSignificantValueDigits: .one)
        for (place, count) in counts.enumerated() where count > 0 {
            histogram.record(CountScale.largest(at: place), count: count)
        }
        return histogram
    }
}
