/// What is known of one of the predecessor's servers: what is asked of it, what it is still to be told, and who waits. A state
/// machine that knows no socket and no clock.
///
/// **What it is for.** A key whose item is not here may have one there. It is *asked for* once, whoever wants it. What is found is
/// stored here and then *cleared* there: from then on the item is here alone. So, of a live item here, nothing is there any more, or
/// the order to clear it is on its way; and whatever becomes of the item here (changed, deleted, expired, evicted), the
/// old value cannot come back. What there is no item of is settled, too: nothing is there.
///
/// **When the server does not answer** (away, or late), commands go on as if nothing were there. One that
/// makes or deletes an item makes what the server has out of date: an answer that comes later is *void*, and the key
/// is *owed*: it is not asked for again before the server has been told to clear it. What is owed is told first
/// on the next connection. All other keys are asked for once more.
///
/// **Bounds.** `askedCountMax` keys are asked for at a time, `owedCountMax` are owed. A server that is owed more is given up:
/// nothing is asked of it any more, because nobody knows what of it is out of date.
///
/// Guarded by the lock of `Predecessor`.
struct PredecessorBook {
    enum Standing: Equatable {
        /// No connection has been made yet: who asks waits for it.
        case connecting
        case there
        case away
        /// For good.
        case givenUp
    }

    enum Order: Equatable {
        case ask([UInt8])
        case clear([UInt8])
        /// At a time in nanoseconds; 0 is now.
        case flush(at: UInt64)
    }

    /// What came of an item that was found, here.
    enum Storing {
        case stored
        /// There is something newer here.
        case superseded
        /// Too large, or no memory.
        case impossible
    }

    struct Waiter {
        let settlement: Settlement
        /// The command makes or deletes the item: it goes on only when nothing is there any more.
        let changes: Bool
    }

    private enum Stage {
        case asked
        case cleared
        case owed
    }

    private struct Entry {
        var stage: Stage
        /// What the server has is out of date.
        var isVoid = false
        var waiters: [Waiter] = []
    }

    private(set) var standing = Standing.connecting
    /// Its answers take too long at the moment.
    private(set) var isLate = false
    private var entries: [[UInt8]: Entry] = [:]
    private(set) var owedCount = 0
    private var orders: [Order] = []
    private var flushWaiters: [Settlement] = []
    /// A flush that it has not heard of.
    private var owedFlush: UInt64?

    static let askedCountMax = 65_536
    static let owedCountMax = 100_000

    var hasOrders: Bool { !orders.isEmpty }
    /// Keys for which an answer is to come.
    var askedCount: Int { entries.count - owedCount }

    /// Takes what is to be sent, in this order.
    mutating func takeOrders() -> [Order] {
        defer { orders = [] }
        return orders
    }

    private var answers: Bool {
        switch standing {
        case .connecting, .there: !isLate
        case .away, .givenUp: false
        }
    }

    // MARK: Commands

    /// A command on a key whose item is not here. False if it is to go on at once, as if nothing were there.
    mutating func settle(_ key: [UInt8], _ waiter: Waiter) -> Bool {
        guard standing != .givenUp else { return false }
        guard answers else {
            if waiter.changes { void(key) }
            return false
        }
        if entries[key] != nil {
            entries[key]?.waiters.append(waiter)
            return true
        }
        guard askedCount < Self.askedCountMax else {
            if waiter.changes { void(key) }
            return false
        }
        entries[key] = Entry(stage: .asked, waiters: [waiter])
        orders.append(.ask(key))
        return true
    }

    /// What the server has of a key is out of date, or will be at once.
    mutating func void(_ key: [UInt8]) {
        guard standing != .givenUp else { return }
        if let entry = entries[key] {
            if entry.stage == .asked { entries[key]?.isVoid = true }
            return
        }
        // Who waits for one of them does not wait for long.
        guard entries.count < (standing == .away ? 0 : Self.askedCountMax) + Self.owedCountMax
        else {
            _ = giveUp()
            return
        }
        if standing == .away {
            entries[key] = Entry(stage: .owed)
            owedCount += 1
        } else {
            entries[key] = Entry(stage: .cleared)
            orders.append(.clear(key))
        }
    }

    /// A command that waited for this key goes on, as its time is over. Whether it was kept waiting by this server.
    mutating func overdue(_ key: [UInt8], _ settlement: Settlement) -> Bool {
        guard let waiters = entries[key]?.waiters,
            let place = waiters.firstIndex(where: { $0.settlement === settlement })
        else { return false }
        entries[key]?.waiters.remove(at: place)
        if waiters[place].changes { void(key) }
        isLate = true
        return true
    }

    /// All items go, at a time. False if who asked for it need not wait.
    mutating func flush(at time: UInt64, _ settlement: Settlement) -> Bool {
        guard standing != .givenUp else { return false }
        guard standing != .away else {
            owe(flushAt: time)
            return false
        }
        orders.append(.flush(at: time))
        guard answers else {
            if time == 0 { voidAll() }
            return false
        }
        flushWaiters.append(settlement)
        return true
    }

    /// Who waited for a flush goes on, as the time is over: whatever is on its way from there is out of date.
    mutating func flushOverdue(_ settlement: Settlement) {
        guard let place = flushWaiters.firstIndex(where: { $0 === settlement }) else { return }
        flushWaiters.remove(at: place)
        voidAll()
        isLate = true
    }

    /// Of several the first one.
    private mutating func owe(flushAt time: UInt64) {
        owedFlush = min(owedFlush ?? time, time)
        if time == 0 { voidAll() }
    }

    private mutating func voidAll() {
        for (key, entry) in entries where entry.stage == .asked { entries[key]?.isVoid = true }
    }

    // MARK: Answers

    /// The server has an item.
    ///
    /// - Parameter store: stores it here; is not called if it is out of date.
    /// - Returns: who goes on.
    mutating func found(_ key: [UInt8], _ store: () -> Storing) -> [Settlement] {
        guard var entry = entries[key], entry.stage == .asked else { return [] }
        let changes = entry.waiters.contains { $0.changes }
        let outcome = entry.isVoid ? Storing.superseded : store()
        if case .impossible = outcome, !changes { return remove(key) }
        let readers = entry.waiters.filter { !$0.changes }.map(\.settlement)
        entry.waiters.removeAll { !$0.changes }
        entry.stage = .cleared
        entries[key] = entry
        orders.append(.clear(key))
        return readers
    }

    /// The server has no item, or none any more.
    mutating func missing(_ key: [UInt8]) -> [Settlement] { remove(key) }

    private mutating func remove(_ key: [UInt8]) -> [Settlement] {
        guard let entry = entries.removeValue(forKey: key) else { return [] }
        return entry.waiters.map(\.settlement)
    }

    mutating func flushed() -> [Settlement] {
        flushWaiters.isEmpty ? [] : [flushWaiters.removeFirst()]
    }

    /// It answers as fast as it should.
    mutating func catchUp() { isLate = false }

    // MARK: Connections

    /// What is owed is told first.
    mutating func connected() {
        guard standing != .givenUp else { return }
        let waiting = orders
        standing = .there
        isLate = false
        orders = []
        if let time = owedFlush { orders.append(.flush(at: time)) }
        owedFlush = nil
        for (key, entry) in entries where entry.stage == .owed {
            entries[key]?.stage = .cleared
            orders.append(.clear(key))
        }
        owedCount = 0
        orders += waiting
    }

    /// There is no connection, or none any more.
    ///
    /// - Parameter unanswered: of the orders that were sent, in their order.
    /// - Returns: who goes on.
    mutating func lost(unanswered: [Order]) -> [Settlement] {
        guard standing != .givenUp else { return [] }
        var released = flushWaiters
        for case .flush(let time) in unanswered + orders { owe(flushAt: time) }
        flushWaiters = []
        orders = []
        standing = .away
        for (key, entry) in entries {
            released += entry.waiters.map(\.settlement)
            let isOutOfDate =
                entry.isVoid || entry.stage != .asked || entry.waiters.contains { $0.changes }
            entries[key] = isOutOfDate ? Entry(stage: .owed) : nil
        }
        owedCount = entries.count
        if owedCount > Self.owedCountMax { _ = giveUp() }
        return released
    }

    /// Nothing is asked any more, and nothing told. Returns who goes on.
    mutating func giveUp() -> [Settlement] {
        let released = flushWaiters + entries.values.flatMap { $0.waiters.map(\.settlement) }
        standing = .givenUp
        flushWaiters = []
        entries = [:]
        owedCount = 0
        orders = []
        return released
    }
}
