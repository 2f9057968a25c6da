import Synchronization

/// Requests that go to one node together, and the caller that waits for their replies.
///
/// It is settled exactly once, by whoever comes first: the replies, a failure, its deadline, or the
/// cancellation of the task that waits. What a connection receives for it afterwards is dropped.
final class Exchange: Sendable {
    /// Why there are no replies.
    struct Failure: Error, Equatable, Sendable {
        var error: CacheError
        /// Whether the node may have carried out some of it.
        var wasSent: Bool
    }

    typealias Outcome = Result<[NodeReply], Failure>

    private enum State {
        case open
        case awaited(CheckedContinuation<Outcome, Never>)
        case settled(Outcome)
    }

    /// In order. At least one.
    let requests: [NodeRequest]
    let deadline: Instant
    private let state = Mutex<State>(.open)

    init(_ requests: [NodeRequest], deadline: Instant) {
        precondition(!requests.isEmpty, "an exchange has a request")
        self.requests = requests
        self.deadline = deadline
    }

    var isSettled: Bool {
        state.withLock { if case .settled = $0 { true } else { false } }
    }

    /// - Returns: false if it was settled before.
    @discardableResult
    func settle(_ outcome: Outcome) -> Bool {
        var waiter: CheckedContinuation<Outcome, Never>?
        let isFirst = state.withLock { state in
            switch state {
            case .settled: return false
            case .awaited(let continuation): waiter = continuation
            case .open: break
            }
            state = .settled(outcome)
            return true
        }
        waiter?.resume(returning: outcome)
        return isFirst
    }

    func fail(_ error: CacheError, wasSent: Bool) {
        settle(.failure(Failure(error: error, wasSent: wasSent)))
    }

    /// Begins it, and waits until it is settled. To be called once.
    ///
    /// - Parameter begin: hands it to whoever will settle it. It is not called in a task that was
    ///   cancelled before: nothing of its exchange is sent.
    func outcome(
        beginning begin: (Exchange) throws(CacheError) -> Void = { _ in }
    ) async -> Outcome {
        await withTaskCancellationHandler {
            // In a cancelled task the handler has been called before this.
            if !isSettled {
                do throws(CacheError) {
                    try begin(self)
                } catch {
                    fail(error, wasSent: false)
                }
            }
            return await withCheckedContinuation { continuation in
                let early: Outcome? = state.withLock { state in
                    if case .settled(let outcome) = state { return outcome }
                    state = .awaited(continuation)
                    return nil
                }
                if let early { continuation.resume(returning: early) }
            }
        } onCancel: {
            fail(CacheError(.cancelled), wasSent: true)
        }
    }
}
