import Glibc
import Synchronization

/// One worker's requests of a space: how many of which kind, and how long they took. Written by that worker alone, read
/// by any thread.
///
/// **Cost.** A request adds one. A worker receives for all that are ready, executes for all, and sends for
/// all; so those of a turn share two readings of the clock, one of which the turn needs anyway, and are put down
/// together when its replies have gone. A request whose reply comes later is put down then.
///
/// What a turn's times tell is what its clients have waited for, less the network and the time in which the worker was
/// busy with an earlier turn.
///
/// `@unchecked Sendable`: what others read is reached through atomic operations only, and immutable in place and size;
/// all the rest is the worker's own.
final class RequestTally: @unchecked Sendable {
    /// The kind of this turn's latest, and how many of that kind have come one after the other: most turns have no other.
    private var kind = RequestKind.textOther.rawValue
    private var streak: UInt32 = 0
    /// Of this turn before those, by kind.
    private let turn: UnsafeMutablePointer<UInt32>
    /// Of which kinds there are any before those.
    private var pending: UInt64 = 0
    /// Of all turns before, by kind.
    private let totals: UnsafeMutablePointer<Atomic<UInt64>>
    /// By `RequestKind.timedPlace`.
    private let times: UnsafeMutablePointer<Atomic<UInt64>>
    /// Of each kind.
    private let timedPlaces: UnsafeMutablePointer<Int>

    /// Of what is sampled.
    let tops = TopLists()
    /// So many requests until the next one is looked at.
    private var countToSample = 1
    private(set) var isSampleAwaited = false

    private static let kindCount = RequestKind.allCases.count

    init() {
        turn = .allocate(capacity: Self.kindCount)
        turn.initialize(repeating: 0, count: Self.kindCount)
        totals = Self.makeCells(Self.kindCount)
        times = Self.makeCells(RequestKind.timedPlaceCount * DistributionCells.cellCount)
        timedPlaces = .allocate(capacity: Self.kindCount)
        for kind in RequestKind.allCases {
            (timedPlaces + Int(kind.rawValue)).initialize(to: kind.timedPlace)
        }
    }

    deinit {
        turn.deallocate()
        timedPlaces.deallocate()
        free(totals)
        free(times)
    }

    /// Zero, and no memory yet as long as nobody comes: most protocols and families are not used.
    private static func makeCells(_ count: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        guard let memory = calloc(count, MemoryLayout<Atomic<UInt64>>.stride) else {
            fatalError("no memory for a worker's statistics")
        }
        return memory.bindMemory(to: Atomic<UInt64>.self, capacity: count)
    }

    // MARK: Called by the worker

    /// A request has been executed, and its reply will be sent in this turn.
    @inline(__always)
    func note(_ next: RequestKind) {
        if next.rawValue == kind { streak &+= 1 } else { begin(next) }
    }

    @inline(never)
    private func begin(_ next: RequestKind) {
        if streak > 0 {
            turn[Int(kind)] &+= streak
            pending |= 1 << UInt64(kind)
        }
        kind = next.rawValue
        streak = 1
    }

    /// Whether there are any in this turn.
    @inline(__always)
    var hasAny: Bool { streak != 0 }

    /// Whether the next sample has come. To be asked once for each of what is sampled; if so, `awaitSample` follows.
    @inline(__always)
    func isSampleDue() -> Bool {
        countToSample &-= 1
        return countToSample == 0
    }

    /// On average so many until the next one; 0 is never.
    func awaitSample(oneIn interval: Int) {
        isSampleAwaited = true
        countToSample = interval > 0 ? Int.random(in: 1..<(2 * interval)) : .max
    }

    /// A turn's replies were sent, so long after it began.
    @inline(__always)
    func finishTurn(nanoseconds: UInt64) {
        put(UInt64(streak), Int(kind), nanoseconds)
        streak = 0
        if pending != 0 { finishOthers(nanoseconds) }
    }

    @inline(never)
    private func finishOthers(_ nanoseconds: UInt64) {
        while pending != 0 {
            let kind = pending.trailingZeroBitCount
            pending &= pending &- 1
            put(UInt64(turn[kind]), kind, nanoseconds)
            turn[kind] = 0
        }
    }

    /// Some that had to wait are answered.
    func note(_ kinds: [RequestKind], nanoseconds: UInt64) {
        for kind in kinds { put(1, Int(kind.rawValue), nanoseconds) }
    }

    @inline(__always)
    private func put(_ count: UInt64, _ kind: Int, _ nanoseconds: UInt64) {
        let total = totals[kind].load(ordering: .relaxed)
        totals[kind].store(total &+ count, ordering: .relaxed)
        let unit = LatencySnapshot.unitNanoseconds
        cells(at: timedPlaces[kind]).add((nanoseconds &+ unit / 2) / unit, times: count)
    }

    @inline(__always)
    private func cells(at timedPlace: Int) -> DistributionCells {
        DistributionCells(times + timedPlace &* DistributionCells.cellCount)
    }

    // MARK: Called by any thread

    func count(_ kind: RequestKind) -> UInt64 {
        totals[Int(kind.rawValue)].load(ordering: .relaxed)
    }

    func times(at timedPlace: Int) -> Distribution { cells(at: timedPlace).reading }
}
