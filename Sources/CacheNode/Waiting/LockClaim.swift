import MemcacheProtocol
import SessionMap

/// An `add` of a lock that somebody else holds: it waits in the lock's line.
///
/// It keeps key and value, which are short, and its command, by which it is answered: no buffer.
final class LockClaim: AwaitingCommand {
    private let queues: LockQueues
    private let place: LockQueues.Place
    private let key: [UInt8]
    private let value: [UInt8]
    private let command: any HeldStore
    private let clock: NodeClock

    init(
        _ queues: LockQueues, _ place: LockQueues.Place, key: Span<UInt8>, value: Span<UInt8>,
        _ command: any HeldStore, clock: NodeClock
    ) {
        self.queues = queues
        self.place = place
        self.key = key.withUnsafeBytes { Array($0) }
        self.value = value.withUnsafeBytes { Array($0) }
        self.command = command
        self.clock = clock
    }

    /// A lock that was given to somebody who has gone would be held until it expires.
    var needsPeer: Bool { true }

    func finish(
        _ ending: WaitEnding, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> AwaitingStep {
        guard ending == .ready else {
            queues.leave(
                place, isTimeOver: ending != .peerLeft, nanoseconds: NodeClock.nanoseconds())
            command.tell(.notStored, &output)
            return .answered
        }
        let (key, value) = (key, value)
        // Anew: its exptime counts from now on.
        let request = command.request(rule: executor.rule, now: now)
        let attempt = queues.attempt(
            place, key: key.span, request, value: value.span, nanoseconds: NodeClock.nanoseconds(),
            now: now
        ) { command.show($0, &output) }
        switch attempt {
        case .held(let deadline): return .waits(lookingAt: clock.nanoseconds(at: deadline))
        case .over(let outcome):
            executor.noteLock(key.span, isThere: outcome == .stored)
            executor.noteStored(
                key.span, outcome, request, valueByteCount: value.count, now: now)
            command.tell(outcome, &output)
            return .answered
        }
    }

    func cancel() {
        queues.leave(place, isTimeOver: false, nanoseconds: NodeClock.nanoseconds())
    }
}

/// A storage command, in whichever protocol, that may be answered later.
protocol HeldStore {
    /// What is to be stored, with a deadline that counts from `now`.
    func request(rule: ExptimeRule, now: Moment) -> StoreRequest

    /// Sees the item that was stored, with its shard's lock held: for a reply that tells of it.
    func show(_ hit: Hit, _ output: inout OutputBuffer)

    /// Tells what came of it, unless `show` has seen to it.
    func tell(_ outcome: StoreOutcome, _ output: inout OutputBuffer)
}
