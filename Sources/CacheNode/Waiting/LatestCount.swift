import MemcacheProtocol
import SessionMap

/// Whether a connection has just got a lock by counting it up to 1.
///
/// PHP's older extension counts, and sends an `add` along for the case that there is nothing to count: in one
/// batch, so that it cannot wait for what came of the first. Who has the lock is not to wait for it.
///
/// Made only where keys are given by `*SUFFIX`; confined to the connection's worker.
final class LatestCount {
    private var hash: UInt64?

    /// Any count but one that gets a lock is none.
    func note(
        _ key: Span<UInt8>, _ outcome: ArithmeticOutcome, _ request: ArithmeticRequest,
        map: SessionMap, rules: LockRules
    ) {
        let isFirst =
            switch outcome {
            case .value(let number): request.increments && request.delta == 1 && number == 1
            case .created: request.initial?.number == 1
            default: false
            }
        hash = isFirst && rules.isCountedLock(key) ? map.keyHash(key) : nil
    }

    /// Whether it was this lock that was got; says so once.
    func takes(_ key: Span<UInt8>, map: SessionMap) -> Bool {
        guard let latest = hash else { return false }
        hash = nil
        return latest == map.keyHash(key)
    }
}
