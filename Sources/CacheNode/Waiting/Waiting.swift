import MemcacheProtocol

/// A command whose outcome comes later: it was begun, its bytes are used, and its reply is not made yet.
///
/// **What waits.** The connection that the command came by is in the state `waiting`, and its turns end
/// with `waiting`. It executes nothing more, so replies stay in order. What is pipelined behind stays in
/// its input, which is a block at most; then the socket is not read, and the peer's kernel holds the
/// rest. Other connections of the worker go on.
///
/// **How it ends**, exactly once, by one of `WaitEnding`:
/// - Whoever has the outcome, on any thread, gives the ticket to the worker's record: `resume`. The
///   worker finds the connection and calls `Connection.resume`, which lets the command write its reply,
///   or go on waiting. Then what is in the input is executed.
/// - The time is over: the worker has a queue of all its waits and one timer.
/// - The peer has ended its sending: it may have gone. The command is answered all the same, as what is
///   in the input behind it is.
/// - The node stops: what waits is answered as if the time was over.
/// - Or by `cancel`, without an answer: the connection has gone.
///
/// **Late answers** do no harm: a ticket has a number that its worker never gives again, so that it fits
/// neither a later wait of the connection nor another connection with the same descriptor.
///
/// **Cost.** Where nothing waits there is no wait, no ticket, no timer and no look-up. A wait is this
/// object and its command, and a place in the worker's queue. A connection that waits and whose input is
/// empty holds no buffer.
///
/// Confined to its worker's thread; the ticket may go anywhere.
final class Waiting {
    let ticket: Ticket
    /// When the command is answered at the latest, in nanoseconds of `NodeClock.nanoseconds`.
    private let end: UInt64
    /// When the command wants to look whether there is an outcome.
    private var look: UInt64?
    let command: any AwaitingCommand
    /// What is answered by it, and since when it waits.
    private let requests: [RequestKind]
    private let began: UInt64
    private var isOver = false
    /// In the worker's queue; negative outside of it. The queue's own.
    var place = -1

    init(
        _ ticket: Ticket, until end: UInt64, lookingAt look: UInt64?,
        _ command: any AwaitingCommand, requests: [RequestKind] = [], began: UInt64 = 0
    ) {
        self.requests = requests
        self.began = began
        self.ticket = ticket
        self.end = end
        self.look = look
        self.command = command
    }

    deinit { cancel() }

    /// When the worker has to see to it again.
    var due: UInt64 { min(end, look ?? end) }

    /// What it is to be told when it is due.
    func ending(at nanoseconds: UInt64) -> WaitEnding { nanoseconds >= end ? .overdue : .ready }

    /// Whether an outcome is of no use to a peer that has gone, and of use to somebody else.
    var needsPeer: Bool { command.needsPeer }

    /// Whether it is answered soon, also to a peer that has ended its sending.
    var outlivesPeersInput: Bool { command.outlivesPeersInput }

    /// How many commands, at the input's start, have waited for this.
    var precededCount: Int { command.precededCount }

    /// What a command that was told that something has ended makes of it.
    func finish(
        _ ending: WaitEnding, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> AwaitingStep {
        precondition(!isOver, "a wait that ends twice")
        let step = command.finish(ending, &output, executor, now: now)
        switch step {
        case .answered:
            isOver = true
            if !requests.isEmpty {
                let nanoseconds = NodeClock.nanoseconds()
                executor.requests.note(
                    requests, nanoseconds: max(nanoseconds, began) - began)
            }
        case .closes: isOver = true
        case .waits(let look):
            precondition(ending == .ready, "a command that does not end")
            self.look = look
        }
        return step
    }

    /// Nobody wants the outcome any more.
    func cancel() {
        guard !isOver else { return }
        isOver = true
        command.cancel()
    }
}

/// Names one wait of one connection, wherever its outcome comes from.
struct Ticket: Hashable, Sendable {
    let worker: Int
    let descriptor: Int32
    /// Of its worker, which gives no number twice.
    let number: UInt64
}

/// Why a command is asked for its reply.
enum WaitEnding: Equatable, Sendable {
    /// There is an outcome, or there may be one.
    case ready
    case overdue
    case peerLeft
    case stopping
}

/// What a wait asks of its command. Called on the worker's thread.
protocol AwaitingCommand: AnyObject {
    var needsPeer: Bool { get }
    var outlivesPeersInput: Bool { get }
    /// If it answers nothing itself, but lets commands be carried out whose bytes are still in the input: so many.
    var precededCount: Int { get }

    /// Writes the reply. When it was told that it is `ready`, and only then, it may find that it has to
    /// wait on.
    func finish(
        _ ending: WaitEnding, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> AwaitingStep

    /// Called once, unless an answer was given.
    func cancel()
}

extension AwaitingCommand {
    var outlivesPeersInput: Bool { false }
    var precededCount: Int { 0 }
}

enum AwaitingStep: Equatable {
    case answered
    /// There is no answer that would be true: the connection ends.
    case closes
    /// It wants to look again at this time, in nanoseconds; without one, when it is told.
    case waits(lookingAt: UInt64?)
}
