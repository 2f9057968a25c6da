import Logging
import Synchronization

/// Items in this process, and a clock that stands still until somebody moves it.
///
/// Goals: a store of sessions cannot tell it from a cluster of one node that has room for everything.
/// Not goals: a bound on memory. What has expired goes when there are twice as many items as at the last
/// look; the rest stays until it expires or is deleted.
final class MemoryItems: SessionItems {
    fileprivate struct Item {
        var value: [UInt8]
        var casUnique: CASUnique
        /// Unix time; nil for never.
        var deadlineMilliseconds: Int64?

        func isExpired(at milliseconds: Int64) -> Bool {
            deadlineMilliseconds.map { $0 <= milliseconds } ?? false
        }
    }

    fileprivate struct State {
        var items: [CacheKey: Item] = [:]
        var milliseconds: Int64
        var lastNumber: UInt64 = 0
        var failure: CacheError?
        /// With so many items those that have expired go.
        var sweepCount = 1_024
    }

    private let state: Mutex<State>
    let logger = Logger(label: "sojourn-client")
    fileprivate static let valueByteCountMax = CacheClientConfiguration().valueByteCountMax

    init(milliseconds: Int64) { state = Mutex(State(milliseconds: milliseconds)) }

    /// Unix time.
    var milliseconds: Int64 { state.withLock { $0.milliseconds } }

    func advance(by duration: Duration) {
        state.withLock { $0.milliseconds += duration.wholeMilliseconds }
    }

    func fail(with error: CacheError?) { state.withLock { $0.failure = error } }

    /// Items, those that have expired included.
    var heldCount: Int { state.withLock { $0.items.count } }

    var liveCount: Int {
        state.withLock { state in
            state.items.values.count { !$0.isExpired(at: state.milliseconds) }
        }
    }

    // MARK: Items

    func get(_ key: CacheKey, touching expiry: Expiry?) throws(CacheError) -> CacheItem? {
        try withState { state throws(CacheError) in
            guard var item = state.live(key) else { return nil }
            if let expiry {
                item.deadlineMilliseconds = state.deadline(expiry)
                state.items[key] = item
            }
            let timeLeft = item.deadlineMilliseconds.map {
                Duration.milliseconds($0 - state.milliseconds)
            }
            return CacheItem(
                value: item.value, clientFlags: 0, casUnique: item.casUnique, timeLeft: timeLeft)
        }
    }

    func addFresh(
        _ key: CacheKey, _ value: [UInt8], expiry: Expiry
    ) throws(CacheError) -> CASUnique? {
        try withState { state throws(CacheError) in
            state.sweep()
            guard state.live(key) == nil else { return nil }
            return try state.store(key, value, expiry)
        }
    }

    func compareAndSet(
        _ key: CacheKey, to value: [UInt8], expected: CASUnique, expiry: Expiry,
        clientFlags: UInt32
    ) throws(CacheError) -> CompareAndSetOutcome {
        try withState { state throws(CacheError) in
            guard let item = state.live(key) else { return .notFound }
            guard item.casUnique == expected else { return .conflict }
            return .stored(try state.store(key, value, expiry))
        }
    }

    func compareAndDelete(
        _ key: CacheKey, expected: CASUnique
    ) throws(CacheError) -> CompareAndDeleteOutcome {
        try withState { state throws(CacheError) in
            guard let item = state.live(key) else { return .notFound }
            guard item.casUnique == expected else { return .conflict }
            state.items[key] = nil
            return .deleted
        }
    }

    func delete(_ key: CacheKey) throws(CacheError) -> Bool {
        try withState { state throws(CacheError) in
            let item = state.live(key)
            state.items[key] = nil
            return item != nil
        }
    }

    private func withState<Outcome: Sendable>(
        _ body: (inout State) throws(CacheError) -> Outcome
    ) throws(CacheError) -> Outcome {
        if Task.isCancelled { throw CacheError(.cancelled) }
        return try state.withLock { state throws(CacheError) in
            if let failure = state.failure { throw failure }
            return try body(&state)
        }
    }
}

extension MemoryItems.State {
    fileprivate func live(_ key: CacheKey) -> MemoryItems.Item? {
        guard let item = items[key], !item.isExpired(at: milliseconds) else { return nil }
        return item
    }

    fileprivate mutating func store(
        _ key: CacheKey, _ value: [UInt8], _ expiry: Expiry
    ) throws(CacheError) -> CASUnique {
        let limit = MemoryItems.valueByteCountMax
        guard value.count <= limit else {
            throw CacheError(.valueTooLarge, reason: "above \(limit) bytes")
        }
        lastNumber += 1
        let casUnique = CASUnique(lastNumber)
        items[key] = MemoryItems.Item(
            value: value, casUnique: casUnique, deadlineMilliseconds: deadline(expiry))
        return casUnique
    }

    fileprivate func deadline(_ expiry: Expiry) -> Int64? {
        switch expiry {
        case .never: nil
        case .after(let duration): milliseconds + duration.wholeMilliseconds
        case .at(let unixSeconds): unixSeconds * 1_000
        }
    }

    fileprivate mutating func sweep() {
        guard items.count >= sweepCount else { return }
        let now = milliseconds
        items = items.filter { !$0.value.isExpired(at: now) }
        sweepCount = max(1_024, 2 * items.count)
    }
}

extension Duration {
    /// A part of one is left out.
    fileprivate var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
