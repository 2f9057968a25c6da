import EventLoop
import SessionMap
import Synchronization

/// The memcached, or the several with their ring, whose place a space takes: what is not here is looked for there, and moves over.
///
/// Goals: nobody is logged out as clients change their address; what was changed, deleted or has ended here never comes back from
/// there; a predecessor that is away or slow costs a bounded wait, and no error. Not goals: reading the predecessor's items without
/// being asked (`sojourn import` asks), TLS, logins.
///
/// A connection asks `settle` before it carries a command out whose item is not here; see `PredecessorBook` for what follows from the
/// answers, and `PredecessorThread` for how they come. Any thread may call any function.
///
/// The order of locks is this one's, then a shard's.
final class Predecessor: Sendable {
    struct Counts: Equatable {
        /// Keys that a server was asked for, and what it had.
        var asked: UInt64 = 0
        var hits: UInt64 = 0
        var misses: UInt64 = 0
        /// Of what was found: stored here; not stored, for there was something newer; could not be stored.
        var stored: UInt64 = 0
        var superseded: UInt64 = 0
        var notStored: UInt64 = 0
        /// Keys that a server has been told to delete.
        var cleared: UInt64 = 0
        /// Keys for which a command has waited in vain.
        var late: UInt64 = 0
        /// Keys that were not asked for, as their server is away or late.
        var away: UInt64 = 0
        var lastHitNanoseconds: UInt64?
    }

    struct State {
        var books: [PredecessorBook]
        var counts = Counts()
    }

    let configuration: PredecessorConfiguration
    let timeoutNanoseconds: UInt64
    let state: Mutex<State>
    private let attention = Mutex<WakeUp?>(nil)
    private let end = Flag()

    init(_ configuration: PredecessorConfiguration) {
        self.configuration = configuration
        timeoutNanoseconds = UInt64(configuration.timeoutMilliseconds) * 1_000_000
        state = Mutex(
            State(books: Array(repeating: PredecessorBook(), count: configuration.servers.count)))
    }

    // MARK: Its end

    /// Whether an operator has taken it out: nothing is asked of it any more.
    var isOver: Bool { end.isSet }

    func finish() {
        end.set()
        wake()
    }

    /// Called by the thread that asks, when it begins and when it ends.
    func attend(by wakeUp: WakeUp?) { attention.withLock { $0 = wakeUp } }

    private func wake() { attention.withLock { $0?.wake() } }

    // MARK: Commands

    private func server(of key: [UInt8]) -> Int {
        configuration.servers.count > 1 ? configuration.place(key) : 0
    }

    /// What a command waits for, on keys whose items are not here; nothing if it is to go on at once.
    ///
    /// - Parameters:
    ///   - changes: whether the command makes or deletes an item where there is none.
    ///   - commandCount: of a pipeline, how many commands the keys are of.
    func settle(
        _ keys: [[UInt8]], changes: Bool, for commandCount: Int = 1, worker: WorkerRecord,
        descriptor: Int32
    ) -> Settling? {
        let settlement = Settlement(
            worker: worker, ticket: worker.makeTicket(descriptor: descriptor))
        let waiter = PredecessorBook.Waiter(settlement: settlement, changes: changes)
        let (awaited, hasOrders) = state.withLock { state in
            var awaited: [(key: [UInt8], server: Int)] = []
            var hasOrders = false
            for key in keys {
                let server = server(of: key)
                if state.books[server].settle(key, waiter) {
                    awaited.append((key, server))
                } else {
                    state.counts.away += 1
                }
                if state.books[server].hasOrders { hasOrders = true }
            }
            settlement.expect(awaited.count)
            return (awaited, hasOrders)
        }
        if hasOrders { wake() }
        return awaited.isEmpty
            ? nil : Settling(self, settlement, .keys(awaited), precededCount: commandCount)
    }

    /// All items go. Nothing if nobody need wait for that.
    ///
    /// - Parameter time: in nanoseconds; 0 is now.
    func flush(at time: UInt64, worker: WorkerRecord, descriptor: Int32) -> Settling? {
        let settlement = Settlement(
            worker: worker, ticket: worker.makeTicket(descriptor: descriptor))
        let count = state.withLock { state in
            var count = 0
            for number in state.books.indices
            where state.books[number].flush(at: time, settlement) { count += 1 }
            settlement.expect(count)
            return count
        }
        wake()
        return count == 0 ? nil : Settling(self, settlement, .flush, precededCount: 1)
    }

    /// What a server has of a key is out of date: nobody waits for it to be told.
    func void(_ key: Span<UInt8>) {
        guard !isOver else { return }
        let key = key.withUnsafeBytes { Array($0) }
        state.withLock { $0.books[server(of: key)].void(key) }
        wake()
    }

    /// A command does not wait any longer.
    func giveUp(_ settlement: Settlement, _ what: Settling.What) {
        state.withLock { state in
            switch what {
            case .keys(let keys):
                for (key, server) in keys where state.books[server].overdue(key, settlement) {
                    state.counts.late += 1
                }
            case .flush:
                for number in state.books.indices { state.books[number].flushOverdue(settlement) }
            }
        }
    }
}

/// A command that waits until it is settled what the predecessor has of its keys. Then it is carried out, as any other.
final class Settling: AwaitingCommand {
    enum What {
        case keys([(key: [UInt8], server: Int)])
        case flush
    }

    private let predecessor: Predecessor
    private let settlement: Settlement
    private let what: What
    let precededCount: Int

    init(
        _ predecessor: Predecessor, _ settlement: Settlement, _ what: What, precededCount: Int
    ) {
        self.precededCount = precededCount
        self.predecessor = predecessor
        self.settlement = settlement
        self.what = what
    }

    var ticket: Ticket { settlement.ticket }
    var needsPeer: Bool { false }
    var outlivesPeersInput: Bool { true }

    func finish(
        _ ending: WaitEnding, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> AwaitingStep {
        if ending != .ready { predecessor.giveUp(settlement, what) }
        return .answered
    }

    /// Nobody waits; what is found moves over all the same.
    func cancel() {}
}
