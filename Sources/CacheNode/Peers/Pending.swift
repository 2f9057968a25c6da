import Cluster
import Synchronization

/// Commands that were asked of the cluster together, and that a client waits for: one, or those of a pipeline.
///
/// Whoever waits is told once, when all have their outcomes: a pipeline's replies are one send.
final class Pending: Sendable {
    enum Result: Equatable {
        case reply([UInt8])
        /// Nobody knows what has come of it.
        case none
    }

    private struct State {
        var outcomes: [Result?]
        var leftCount: Int
    }

    private let state: Mutex<State>
    let worker: WorkerRecord
    let ticket: Ticket

    init(count: Int, worker: WorkerRecord, ticket: Ticket) {
        state = Mutex(
            State(outcomes: Array(repeating: nil, count: count), leftCount: count))
        self.worker = worker
        self.ticket = ticket
    }

    var isOver: Bool { state.withLock { $0.leftCount == 0 } }

    /// In the order of the commands: what has come of each, once that is known.
    var outcomes: [Result?] { state.withLock { $0.outcomes } }

    /// - Parameters:
    ///   - place: of the command among these.
    ///   - isAwaited: whether somebody has to be told.
    ///   - thread: the worker on whose thread this is, if it is one's: it takes what is there for it by itself.
    func end(
        _ place: Int, _ new: Result, isAwaited: Bool, on thread: WorkerRecord? = nil
    ) {
        let isTold = state.withLock { state in
            state.outcomes[place] = new
            state.leftCount -= 1
            return isAwaited && state.leftCount == 0
        }
        if isTold { worker.resume(ticket, wakes: thread !== worker) }
    }
}

/// Everything that was asked and has no outcome yet.
struct PendingRequests {
    struct Request {
        let pending: Pending
        /// Of this one among those that are waited for together.
        let place: Int
        /// Microseconds of the boot-time clock.
        let askedAt: UInt64
    }

    private var places: [(turn: UInt32, request: Request?)] = []
    private var free: [Int] = []

    /// A name that nothing else has had, as long as it matters.
    mutating func insert(_ request: Request) -> UInt64 {
        let place = free.popLast() ?? places.count
        if place == places.count { places.append((0, nil)) }
        places[place].turn &+= 1
        places[place].request = request
        return UInt64(places[place].turn) << 32 | UInt64(place)
    }

    mutating func remove(_ name: UInt64) -> Request? {
        let place = Int(name & 0xFFFF_FFFF)
        guard places.indices.contains(place), places[place].turn == name >> 32,
            let request = places[place].request.take()
        else { return nil }
        free.append(place)
        return request
    }
}
