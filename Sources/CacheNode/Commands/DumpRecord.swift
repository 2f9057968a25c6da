import MemcacheProtocol
import SessionMap
import Synchronization

/// Who dumps keys: one connection of the node at a time, as with memcached's crawler, whose name the
/// commands have. It can be switched off by an operator.
final class DumpRecord: Sendable {
    /// A dump that has not got on for so long, because its reader does not read, makes way for
    /// another one.
    static let patienceSeconds: UInt32 = 60

    enum Start: Equatable {
        case began(ticket: UInt64)
        case disabled
        case busy
    }

    private struct State {
        var isEnabled: Bool
        /// Dumps and crawls so far; a dump's ticket is its number.
        var startCount: UInt64 = 0
        /// The ticket of the dump that is running.
        var running: UInt64?
        var lastStepSeconds: UInt32 = 0

        func isBusy(at now: UInt32) -> Bool {
            running != nil && now - min(now, lastStepSeconds) < patienceSeconds
        }
    }
    private let state: Mutex<State>

    init(isEnabled: Bool) { state = Mutex(State(isEnabled: isEnabled)) }

    var isEnabled: Bool { state.withLock { $0.isEnabled } }
    var isRunning: Bool { state.withLock { $0.running != nil } }
    var startCount: UInt64 { state.withLock { $0.startCount } }

    /// False when it is on already.
    func enable() -> Bool {
        state.withLock { state in
            defer { state.isEnabled = true }
            return !state.isEnabled
        }
    }

    /// A dump that is running goes on.
    func disable() { state.withLock { $0.isEnabled = false } }

    /// Begins a dump.
    func begin(now: UInt32) -> Start {
        start(now: now) { state in
            state.running = state.startCount
            state.lastStepSeconds = now
        }
    }

    /// Begins a crawl, which ends at once: what has expired is gone already.
    func crawl(now: UInt32) -> Start { start(now: now) { _ in } }

    private func start(now: UInt32, _ note: (inout sending State) -> Void) -> Start {
        state.withLock { state in
            guard state.isEnabled else { return .disabled }
            guard !state.isBusy(at: now) else { return .busy }
            state.startCount += 1
            note(&state)
            return .began(ticket: state.startCount)
        }
    }

    /// Takes note of a step; false when another dump has taken this one's place.
    func goOn(_ ticket: UInt64, now: UInt32) -> Bool {
        state.withLock { state in
            guard state.running == ticket else { return false }
            state.lastStepSeconds = now
            return true
        }
    }

    func end(_ ticket: UInt64) {
        state.withLock { state in
            if state.running == ticket { state.running = nil }
        }
    }
}
