import MemcacheProtocol

/// Commands whose outcomes come from the cluster, of a pipeline or one alone: the replies are the client's as they are, in
/// the order of the commands.
final class RoutedCommand: AwaitingCommand {
    private let pending: Pending
    private let count: Int
    private var answeredCount = 0
    /// What its client is sent, where that is not the outcome's own.
    private let reply: [UInt8]?

    /// So many of a connection's wait at the same time.
    static let countMax = 64
    /// Of those that may have long replies.
    static let readCountMax = 16
    /// So long replies that are there wait for those behind them, to be sent together: less than anybody notices.
    private static let togetherNanoseconds: UInt64 = 5_000_000

    init(_ pending: Pending, count: Int, reply: [UInt8]? = nil) {
        self.pending = pending
        self.count = count
        self.reply = reply
    }

    /// It is carried out, whoever waits for it.
    var needsPeer: Bool { false }
    var outlivesPeersInput: Bool { true }

    /// When to look whether there are some replies, if they are several.
    func look(after nanoseconds: UInt64) -> UInt64? {
        count > 1 ? nanoseconds + Self.togetherNanoseconds : nil
    }

    func finish(
        _ ending: WaitEnding, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> AwaitingStep {
        let outcomes = pending.outcomes
        while answeredCount < count {
            switch outcomes[answeredCount] {
            case .reply(let bytes): (reply ?? bytes).withUnsafeBytes { output.append($0) }
            case nil where ending == .ready:
                return .waits(lookingAt: look(after: NodeClock.nanoseconds()))
            // Whatever was said would be a lie: it may have been carried out.
            case .some(.none), nil: return .closes
            }
            answeredCount += 1
        }
        return .answered
    }

    func cancel() {}
}

/// A retrieval of several keys, each of which has somebody who answers for it. So many are asked for at a time.
final class RoutedRetrieval: AwaitingCommand {
    private let keys: [[UInt8]]
    /// The client's words before the keys.
    private let head: [UInt8]
    private let isRead: Bool
    private let peers: Peers
    private let worker: WorkerRecord
    private let ticket: Ticket
    /// Those that were asked for last.
    private var asked: Pending?
    /// Of `keys`, how many were asked for.
    private var askedCount = 0

    /// So many keys are asked for at a time: fewer when their values are long, for each has its time.
    private var windowCount = 8
    private static let windowCountMax = 128
    private static let windowByteCount = 256 << 10
    private static let end = Array("END\r\n".utf8)

    init(
        _ keys: [[UInt8]], head: [UInt8], isRead: Bool, _ peers: Peers, _ worker: WorkerRecord,
        _ ticket: Ticket
    ) {
        self.keys = keys
        self.head = head
        self.isRead = isRead
        self.peers = peers
        self.worker = worker
        self.ticket = ticket
    }

    var needsPeer: Bool { false }
    var outlivesPeersInput: Bool { true }

    /// Answers as far as it is known, in the order of the keys.
    func goOn(_ output: inout OutputBuffer) -> AwaitingStep {
        while true {
            var byteCount = 0
            let outcomes = asked?.outcomes ?? []
            for outcome in outcomes {
                switch outcome {
                case nil: return .waits(lookingAt: nil)
                case .some(.none): return .closes
                case .reply: continue
                }
            }
            for outcome in outcomes {
                guard case .reply(let reply) = outcome else { continue }
                byteCount += reply.count
                guard reply.suffix(Self.end.count).elementsEqual(Self.end) else {
                    // An error, which ends a retrieval.
                    reply.withUnsafeBytes { output.append($0) }
                    return .answered
                }
                reply.withUnsafeBytes {
                    output.append(UnsafeRawBufferPointer(rebasing: $0.dropLast(Self.end.count)))
                }
            }
            guard askedCount < keys.count else {
                output.append("END\r\n" as StaticString)
                return .answered
            }
            windowCount =
                byteCount > Self.windowByteCount
                ? max(1, windowCount / 2) : min(Self.windowCountMax, windowCount * 2)
            askNext()
        }
    }

    private func askNext() {
        let next = keys[askedCount..<min(keys.count, askedCount + windowCount)]
        let pending = Pending(count: next.count, worker: worker, ticket: ticket)
        peers.ask(
            next.map { key in
                ClientCommand(
                    key: key, isRead: isRead,
                    bytes: head + key + [UInt8(ascii: "\r"), UInt8(ascii: "\n")])
            }, for: pending)
        asked = pending
        askedCount += next.count
    }

    func finish(
        _ ending: WaitEnding, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> AwaitingStep {
        let step = goOn(&output)
        if case .waits = step, ending != .ready { return .closes }
        return step
    }

    func cancel() {}
}

/// A client's command on one key, as it may be passed on.
struct ClientCommand {
    let key: [UInt8]
    let isRead: Bool
    /// As the client has worded it, to its end.
    let bytes: [UInt8]
}

/// A command that is to be passed on and does not fit the input buffer: it is gathered first.
final class GatheredCommand {
    let command: KeyedCommand
    let key: [UInt8]
    private(set) var bytes: [UInt8] = []

    init(_ command: KeyedCommand, key: [UInt8]) {
        self.command = command
        self.key = key
    }

    /// Takes what there is of it; true when all is there. Grows as it comes, whatever was announced.
    func take(from input: inout InputBuffer) -> Bool {
        let count = min(input.count, command.byteCount - bytes.count)
        bytes.append(contentsOf: input.bytes.prefix(count))
        input.use(count)
        return bytes.count == command.byteCount
    }
}
