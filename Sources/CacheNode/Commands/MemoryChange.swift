import MemcacheProtocol
import Synchronization

/// `cache_memlimit`, while memory for a space that grows is being had: its connection waits, others go on.
final class MemoryChange: AwaitingCommand, Sendable {
    /// What has come of it, once that is known.
    private let outcome = Mutex<SpaceMemory.Outcome?>(nil)
    private let isQuiet: Bool

    /// Longer than it takes to have any memory.
    static let nanosecondsMax: UInt64 = 600_000_000_000

    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    func end(_ outcome: SpaceMemory.Outcome) { self.outcome.withLock { $0 = outcome } }

    /// Nothing as long as it goes on.
    var answer: Answer? {
        outcome.withLock { outcome in
            switch outcome {
            case .changed: .reply(.ok)
            case .outOfBounds, .refused: .error(.memlimitOutOfBounds)
            case nil: nil
            }
        }
    }

    var needsPeer: Bool { false }
    /// An operator's `echo cache_memlimit 128 | nc` has ended its sending at once.
    var outlivesPeersInput: Bool { true }

    func finish(
        _ ending: WaitEnding, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> AwaitingStep {
        guard let answer else { return ending == .ready ? .waits(lookingAt: nil) : .closes }
        _ = output.append(answer, isQuiet: isQuiet)
        return .answered
    }

    func cancel() {}
}
