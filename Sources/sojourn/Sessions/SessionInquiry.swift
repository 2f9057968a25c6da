import FoundationEssentials
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// A line of a node's answer. Which of these are there says what it is about.
struct OperatorLine: Decodable, Sendable {
    var error: String?
    // The first one.
    var space: String?
    var node: String?
    var rule: String?
    var births: Bool?
    // How far it is.
    var progressPercent: Int?
    // A session, or how many a user has.
    var session: String?
    var key: String?
    var user: String?
    var bytes: Int?
    var age: Int?
    var idle: Int?
    var left: Int?
    var outcome: String?
    var sessions: Int?
    // The last one.
    var result: String?
    var lookedAt: Int?
    var valueBytes: Int?
    var found: Int?
    var withUser: Int?
    var withoutUser: Int?
    var unreadable: [String: Int]?
    var kinds: [String: Int]?
    var createdSince: Int?
    var ageUnknown: Int?
    var counted: Int?
    var users: Int?
    var sessionsOfFurtherUsers: Int?
    var ended: Int?
    var gone: Int?
    var changedElsewhere: Int?
    var failed: Int?
    var microseconds: Int?
    var cpuMicroseconds: Int?
}

/// What a node has answered.
struct NodeAnswer: Sendable {
    var name: String
    var head: OperatorLine?
    var sessions: [OperatorLine] = []
    var users: [OperatorLine] = []
    var result: OperatorLine?
    /// Why there is no result.
    var trouble: String?
}

/// Asks all nodes at the same time.
struct SessionInquiry {
    let targets: SessionTargets
    let question: String
    let timeout: Double

    /// A line that is longer is no answer.
    private static let lineByteCountMax = 1 << 20
    private static let tellEvery: Duration = .seconds(2)

    init(_ targets: SessionTargets, question: String, timeout: Double) {
        self.targets = targets
        self.question = question
        self.timeout = timeout
    }

    /// - Returns: the answers, in the order of the nodes.
    func ask() async -> [NodeAnswer] {
        let progress = Progress(targets.targets.map(\.name))
        var answers = await Array(targets.targets.enumerated()).concurrentMap {
            await ask($0.element, $0.offset, progress)
        }
        for (name, reason) in targets.unreachable {
            answers.append(NodeAnswer(name: name, trouble: reason))
        }
        return answers
    }

    private func ask(
        _ target: SessionTargets.Target, _ place: Int, _ progress: Progress
    ) async -> NodeAnswer {
        let gathered = Gathered(NodeAnswer(name: target.name))
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.nanoseconds(Int64(timeout * 1e9)))
                .connect(unixDomainSocketPath: target.path) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        // Before anything is read: who says nothing for so long is lost.
                        try channel.pipeline.syncOperations.addHandler(
                            IdleStateHandler(readTimeout: .nanoseconds(Int64(timeout * 1e9))))
                        try channel.pipeline.syncOperations.addHandler(HangUpWhenIdle())
                        return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                            wrappingChannelSynchronously: channel)
                    }
                }
            try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(string: question))
                var rest: [UInt8] = []
                for try await part in inbound {
                    rest.append(contentsOf: part.readableBytesView)
                    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                        let isOver = try gathered.take(Array(rest[..<end]), place, progress)
                        rest.removeFirst(end + 1)
                        if isOver { return }
                    }
                    guard rest.count <= Self.lineByteCountMax else {
                        throw Trouble("answers with an endless line")
                    }
                }
                throw Trouble("said no more for \(timeout) s, or hung up, before it was done")
            }
        } catch {
            gathered.note("\(target.path): \(Self.sentence(error))")
        }
        return gathered.answer
    }

    private static func sentence(_ error: any Error) -> String {
        switch error {
        case let error as Trouble: error.description
        case let error as IOError: String(cString: strerror(error.errnoCode))
        default: "\(error)"
        }
    }

    struct Trouble: Error {
        let description: String
        init(_ description: String) { self.description = description }
    }
}

/// Closes a connection by which nothing has come for too long.
private final class HangUpWhenIdle: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}

/// What has come of one node's answer so far.
private final class Gathered: Sendable {
    private let state: Mutex<NodeAnswer>

    init(_ answer: NodeAnswer) { state = Mutex(answer) }

    var answer: NodeAnswer { state.withLock { $0 } }

    func note(_ trouble: String) { state.withLock { $0.trouble = trouble } }

    /// - Returns: whether this was the last line.
    func take(_ bytes: [UInt8], _ place: Int, _ progress: Progress) throws -> Bool {
        let line: OperatorLine
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            line = try decoder.decode(OperatorLine.self, from: Data(bytes))
        } catch {
            throw SessionInquiry.Trouble("answers what is no line of an operator's socket")
        }
        if let error = line.error { throw SessionInquiry.Trouble(error) }
        if let percent = line.progressPercent { progress.note(place, percent) }
        return state.withLock { answer in
            if line.result != nil {
                answer.result = line
            } else if line.session != nil {
                answer.sessions.append(line)
            } else if line.sessions != nil {
                answer.users.append(line)
            } else if line.space != nil {
                answer.head = line
            }
            return line.result != nil
        }
    }
}

/// Tells of walks that take long, on stderr.
final class Progress: Sendable {
    private let state: Mutex<(percents: [Int?], told: ContinuousClock.Instant)>
    private let names: [String]

    init(_ names: [String]) {
        self.names = names
        state = Mutex((Array(repeating: nil, count: names.count), .now))
    }

    func note(_ place: Int, _ percent: Int) {
        let line = state.withLock { state -> String? in
            state.percents[place] = percent
            guard ContinuousClock.now - state.told >= .seconds(2) else { return nil }
            state.told = .now
            return zip(names, state.percents).compactMap { name, percent in
                percent.map { "\(name) \($0) %" }
            }.joined(separator: ", ")
        }
        if let line { tell("looking: \(line)\n") }
    }
}
