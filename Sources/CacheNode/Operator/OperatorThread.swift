import EventLoop
import Glibc
import Logging
import Synchronization

/// Listens on the operator's socket, and has a thread for each of the few who are there.
///
/// It is a Unix socket that only the node's user and root may open: what is asked for there shows who is logged in, and
/// ends that. Nothing of it can be reached by a client's port.
///
/// `@unchecked Sendable`: other threads call `stop` alone, which touches the flag and the loop's wake-up; all else is
/// confined to the thread that runs it, or happens before that.
final class OperatorThread: @unchecked Sendable {
    private let path: String
    private let context: NodeContext
    private let loop: Loop
    private let isStopping = Flag()
    private let ending: SessionEnding
    private var wakeUp: WakeUp?
    private var listener: Listener?
    private var conversations: [(conversation: OperatorConversation, thread: NodeThread)] = []

    static let conversationCountMax = 8
    private static let backlog: Int32 = 16
    private static let mode: UInt32 = 0o600

    init(
        path: String, context: NodeContext, ending: SessionEnding
    ) throws(EventLoopError) {
        self.path = path
        self.context = context
        self.ending = ending
        loop = try Loop()
        wakeUp = try WakeUp(loop: loop) { [unowned self] in
            if isStopping.isSet { loop.stop() }
        }
    }

    /// Before the thread runs.
    func listen() throws(NodeError) {
        do {
            let socket = try ListeningSocket.unix(
                path: path, mode: Self.mode, backlog: Self.backlog)
            listener = try Listener(loop: loop, socket: socket) { [unowned self] in
                accept($0)
            } failed: { [logger = context.logger] in
                logger.error("cannot accept an operator: \(String(cString: strerror($0)))")
            }
        } catch let error as SocketError {
            throw NodeError(message: "-o operator: \(NodeError(error).message)")
        } catch {
            throw NodeError(message: "cannot listen for operators: \(error)")
        }
        context.logger.notice("operators may connect at \(path)")
    }

    func run() {
        loop.run()
        listener = nil
        for (_, thread) in conversations { thread.join() }
        conversations = []
        wakeUp = nil
    }

    func stop() {
        isStopping.set()
        wakeUp?.wake()
    }

    private func accept(_ descriptor: Int32) {
        let stream = EventLoop.Stream(descriptor: descriptor)
        // The file's mode says the same; but it may be changed, and passed on by a group.
        let user = stream.peerUserID
        guard let user, user == 0 || user == geteuid() else {
            context.logger.warning(
                "refused an operator: user \(user.map { "\($0)" } ?? "unknown") is neither the node's nor root"
            )
            return
        }
        for (conversation, thread) in conversations where conversation.isOver { thread.join() }
        conversations.removeAll { $0.conversation.isOver }
        guard conversations.count < Self.conversationCountMax else {
            var line = ResultLine()
            line.add("error", "\(Self.conversationCountMax) operators are there already")
            _ = line.bytes.withUnsafeBytes { stream.write($0) }
            return
        }
        let conversation = OperatorConversation(
            stream, user: user, context: context, ending: ending, isStopping: isStopping)
        do {
            // A client's request comes before an operator's.
            let thread = try NodeThread(yields: true) { conversation.run() }
            conversations.append((conversation, thread))
        } catch {
            context.logger.error("cannot serve an operator: \(error.message)")
        }
    }
}
