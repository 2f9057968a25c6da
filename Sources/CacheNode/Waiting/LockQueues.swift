import SessionMap
import Synchronization

/// The locks of a space for which somebody waits, and who comes next.
///
/// A lock is an item that its holder has made by `add` and will delete. An `add` that finds one is held
/// back; when the lock goes, for whatever reason, the first in line is called: its own worker executes
/// its `add`. While anybody waits, the map refuses the key to an `add` out of turn.
///
/// Under keys that are given by their end an item with the value `0` is no lock to those who wait.
///
/// **No lost wake-up.** Who joins takes the mutex, and within it the shard's lock, under which its `add`
/// fails and the key is awaited from that moment on. A removal is noted under the shard's lock and told
/// here, with the mutex, after it: so the line has its waiter by then. Who is first and was called has
/// not looked yet; who has looked and found an item is told of any later change.
/// A first who leaves, called or not, has its successor called, if the lock may be free.
///
/// **When it goes by itself**: who is first sees the deadline, and looks again at that second.
///
/// The order of locks is mutex, shard, `changed`. All three are held for some microseconds. None is
/// touched where nobody waits, but by an `add` that was refused under a lock's key.
final class LockQueues: Sendable {
    /// A waiter's own name of its place.
    struct Place: Equatable, Sendable {
        let hash: UInt64
        let number: UInt64
    }

    struct Counts: Equatable, Sendable {
        /// Each ends as one of the three that follow.
        var waits: UInt64 = 0
        var handOvers: UInt64 = 0
        var timeouts: UInt64 = 0
        /// The peer had gone, or ended its sending; or there was no memory for the lock.
        var cancellations: UInt64 = 0
        var waitMicroseconds: UInt64 = 0
        var longestWaitMicroseconds: UInt64 = 0
        var waiting = 0
    }

    enum Admission: Equatable {
        /// There was no need to wait.
        case over(StoreOutcome)
        case waits(Place, heldUntil: Deadline)
    }

    enum Attempt: Equatable {
        case over(StoreOutcome)
        case held(until: Deadline)
    }

    private struct State {
        var lines: [UInt64: LockLine] = [:]
        var lastNumber: UInt64 = 0
        var counts = Counts()
    }

    let rules: LockRules
    private let map: SessionMap
    private let state = Mutex(State())
    private let changed = Mutex(Set<UInt64>())
    private let hasChanges = Atomic<Bool>(false)

    init(_ rules: LockRules, map: SessionMap) {
        self.rules = rules
        self.map = map
        map.observeAwaited { [weak self] in self?.noteChange($0) }
    }

    // MARK: Waiting

    /// Stores, or joins the line. Beyond the bounds the answer is that of today.
    func join(
        _ key: Span<UInt8>, _ request: StoreRequest, value: Span<UInt8>, ticket: Ticket,
        worker: WorkerRecord, began: UInt64, now: Moment, _ show: (Hit) -> Void
    ) -> Admission {
        let hash = map.keyHash(key)
        let seconds = UInt32((rules.waitMilliseconds + 999) / 1_000) + 1
        return state.withLock { state in
            guard state.counts.waiting < rules.waiterCountMax,
                state.lines[hash]?.count ?? 0 < rules.waiterCountMaxPerKey
            else { return .over(.notStored) }
            let outcome = map.claim(
                key, request, value: value, isFirst: false,
                zeroIsFree: rules.isCountedLock(key), now: now.seconds, fraction: now.fraction, show
            )
            switch outcome {
            case .stored: return .over(.stored)
            case .refused(let outcome): return .over(outcome)
            case .held(let deadline):
                state.lastNumber += 1
                let place = Place(hash: hash, number: state.lastNumber)
                let waiter = LockLine.Waiter(
                    number: place.number, ticket: ticket, worker: worker, began: began,
                    lastSecond: now.seconds &+ seconds)
                let isFirst = state.lines[hash] == nil
                if isFirst {
                    state.lines[hash] = LockLine(key: key.withUnsafeBytes { Array($0) })
                    state.lines[hash]?.note(deadline)
                }
                state.lines[hash]?.append(waiter)
                state.counts.waits += 1
                state.counts.waiting += 1
                // Who is not the first is told when it is.
                return .waits(place, heldUntil: isFirst ? deadline : .never)
            }
        }
    }

    /// Executes the `add` of somebody who waits, if it is the first in line.
    func attempt(
        _ place: Place, key: Span<UInt8>, _ request: StoreRequest, value: Span<UInt8>,
        nanoseconds: UInt64, now: Moment, _ show: (Hit) -> Void
    ) -> Attempt {
        var next: LockLine.Waiter?
        defer { next?.call() }
        return state.withLock { state in
            guard state.lines[place.hash]?.firstWaiter?.number == place.number else {
                return .held(until: .never)
            }
            var heldUntil = request.deadline
            let outcome = map.claim(
                key, request, value: value, isFirst: true,
                zeroIsFree: rules.isCountedLock(key), now: now.seconds, fraction: now.fraction
            ) { hit in
                heldUntil = hit.deadline
                show(hit)
            }
            switch outcome {
            case .held(let deadline):
                state.lines[place.hash]?.isFirstCalled = false
                state.lines[place.hash]?.note(deadline)
                return .held(until: deadline)
            case .stored:
                state.lines[place.hash]?.isFirstCalled = false
                state.lines[place.hash]?.note(heldUntil)
                next = remove(place, from: &state, \.handOvers, nanoseconds)
                return .over(.stored)
            case .refused(let outcome):
                // The lock is still to be had.
                state.lines[place.hash]?.isFirstCalled = true
                next = remove(place, from: &state, \.cancellations, nanoseconds)
                return .over(outcome)
            }
        }
    }

    /// Somebody waits no longer.
    func leave(_ place: Place, isTimeOver: Bool, nanoseconds: UInt64) {
        let next = state.withLock { state in
            remove(
                place, from: &state, isTimeOver ? \.timeouts : \.cancellations, nanoseconds)
        }
        next?.call()
    }

    /// Takes somebody out of its line. Returns who is to be called then.
    private func remove(
        _ place: Place, from state: inout State, _ count: WritableKeyPath<Counts, UInt64>,
        _ nanoseconds: UInt64
    ) -> LockLine.Waiter? {
        guard var line = state.lines.removeValue(forKey: place.hash) else { return nil }
        let removed = line.remove(number: place.number)
        if let waiter = removed?.waiter {
            let microseconds = (max(nanoseconds, waiter.began) - waiter.began) / 1_000
            state.counts[keyPath: count] += 1
            state.counts.waiting -= 1
            state.counts.waitMicroseconds += microseconds
            state.counts.longestWaitMicroseconds = max(
                state.counts.longestWaitMicroseconds, microseconds)
        }
        guard line.count > 0 else {
            map.stopAwaiting(place.hash)
            return nil
        }
        let next = removed?.wasFirst == true ? line.promoteFirst() : nil
        state.lines[place.hash] = line
        return next
    }

    // MARK: Locks that go

    /// An awaited item has gone or changed. Called with its shard's lock held.
    private func noteChange(_ hash: UInt64) {
        _ = changed.withLock { $0.insert(hash) }
        hasChanges.store(true, ordering: .sequentiallyConsistent)
    }

    /// Calls the first in line for each lock that has gone or changed. For every worker, at the end of a
    /// turn: whatever was removed in it is seen to. Costs one comparison when nothing was.
    @inline(__always)
    func callNext() {
        if hasChanges.load(ordering: .relaxed) { callFirst() }
    }

    private func callFirst() {
        // Before they are taken: what comes in between is told once more, or in vain.
        hasChanges.store(false, ordering: .sequentiallyConsistent)
        let hashes = changed.withLock { changed in
            defer { changed = [] }
            return changed
        }
        let waiters = state.withLock { state in
            hashes.compactMap { state.lines[$0]?.callFirst() }
        }
        for waiter in waiters { waiter.call() }
    }

    // MARK: Telling

    var counts: Counts { state.withLock { $0.counts } }

    /// For `stats reset`: the longest wait is that since then.
    func forgetLongestWait() { state.withLock { $0.counts.longestWaitMicroseconds = 0 } }

    /// Of the locks for which somebody waits now, the longest: nanoseconds that the first one has waited, and seconds that
    /// its holder has had it.
    func longest(at nanoseconds: UInt64, now: Moment) -> (waited: UInt64, held: UInt32) {
        var (waited, held): (UInt64, UInt32) = (0, 0)
        for lock in awaitedLocks {
            waited = max(waited, nanoseconds - min(lock.began, nanoseconds))
            _ = map.peek(lock.key.span, now: now.seconds, fraction: now.fraction) {
                held = max(held, $0.secondsSinceAccess)
            }
        }
        return (waited, held)
    }

    /// Locks for which somebody waits, those that are waited for the longest first.
    var awaitedLocks: [AwaitedLock] {
        let locks = state.withLock { state in
            state.lines.values.compactMap { line in
                line.firstWaiter.map {
                    AwaitedLock(key: line.key, waiterCount: line.count, began: $0.began)
                }
            }
        }
        return locks.sorted { $0.began < $1.began }
    }
}

extension LockLine {
    mutating func note(_ deadline: Deadline) {
        heldUntilSecond = deadline == .never ? nil : deadline.seconds
    }

    /// The lock may be free: who is first is to look, unless it was told already.
    mutating func callFirst() -> Waiter? {
        guard !isFirstCalled, let waiter = firstWaiter else { return nil }
        isFirstCalled = true
        return waiter
    }

    /// Another one is first now. It is to look if its predecessor was about to, and if the lock goes by
    /// itself in its time, at a moment that it must know.
    mutating func promoteFirst() -> Waiter? {
        let mayBeFree = isFirstCalled
        isFirstCalled = false
        guard let waiter = firstWaiter,
            mayBeFree || heldUntilSecond.map({ $0 <= waiter.lastSecond }) == true
        else { return nil }
        isFirstCalled = true
        return waiter
    }
}

extension LockLine.Waiter {
    /// Not with the mutex held: it may be a system call.
    func call() { worker.resume(ticket) }
}
