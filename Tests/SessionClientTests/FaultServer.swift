import HashRing
import NIOCore
import NIOPosix
import Synchronization
import TestSupport

/// A server on a free loopback port that answers each line as a test wants: wrongly, mostly.
final class FaultServer: Sendable {
    enum Answer: Sendable {
        case bytes(String)
        case nothing
        case bytesAndClose(String)
        case close
    }

    private let channel: any Channel
    private let lines: LineLog

    /// What the server was sent, and on how many connections.
    private final class LineLog: Sendable {
        let state = Mutex((lines: [String](), connectionCount: 0))
    }

    /// - Parameter answer: to a line without its end. Data blocks come as lines, too.
    init(answer: @escaping @Sendable (String) -> Answer) async throws {
        let log = LineLog()
        lines = log
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { channel in
                log.state.withLock { $0.connectionCount += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    let handler = Handler(answer: answer) { line in
                        log.state.withLock { $0.lines.append(line) }
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    /// One that answers the greeting, and everything else as said.
    static func greeting(
        then answer: @escaping @Sendable (String) -> Answer
    ) async throws -> FaultServer {
        try await FaultServer { $0 == "mn" ? .bytes("MN\r\n") : answer($0) }
    }

    deinit { channel.close(promise: nil) }

    var node: Node { Node(host: "127.0.0.1", port: channel.localAddress?.port ?? 0) }
    var received: [String] { lines.state.withLock { $0.lines } }
    var connectionCount: Int { lines.state.withLock { $0.connectionCount } }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let answer: @Sendable (String) -> Answer
        private let note: @Sendable (String) -> Void
        private var input = ByteBuffer()

        init(
            answer: @escaping @Sendable (String) -> Answer,
            note: @escaping @Sendable (String) -> Void
        ) {
            self.answer = answer
            self.note = note
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            input.writeImmutableBuffer(unwrapInboundIn(data))
            while let end = input.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                let line = input.readString(length: end - input.readerIndex - 1) ?? ""
                input.moveReaderIndex(forwardBy: 2)
                note(line)
                switch answer(line) {
                case .bytes(let text): send(text, context)
                case .nothing: break
                case .bytesAndClose(let text):
                    send(text, context)
                    return context.close(promise: nil)
                case .close: return context.close(promise: nil)
                }
            }
        }

        private func send(_ text: String, _ context: ChannelHandlerContext) {
            context.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }
}

/// The word of a line that begins so.
func word(_ first: Character, of line: String) -> String {
    line.split(whereSeparator: \.isWhitespace).first { $0.first == first }.map(String.init) ?? ""
}
