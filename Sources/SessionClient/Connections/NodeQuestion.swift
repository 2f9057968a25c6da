package import HashRing
package import NIOCore
import NIOPosix

/// Asks a node one thing, on a connection of its own: what somebody who comes now would find.
package enum NodeQuestion {
    /// Why there is no answer, beside what NIO says and what the decoder finds wrong.
    package enum Trouble: Error {
        case late, hungUp
        /// The node does not let the client in: its words.
        case keptOut(String)
    }

    /// - Parameters:
    ///   - request: the line, with its end.
    ///   - decoder: reads the answer; its first message is it.
    ///   - access: how the connection begins.
    ///   - timeout: of all of it.
    package static func ask<Decoder: NIOSingleStepByteToMessageDecoder & Sendable>(
        _ node: Node, _ request: String, decoder: Decoder, access: NodeAccess,
        on group: any EventLoopGroup, timeout: TimeAmount
    ) async throws -> Decoder.InboundOut where Decoder.InboundOut: Sendable {
        let eventLoop = group.next()
        let promise = eventLoop.makePromise(of: Decoder.InboundOut.self)
        let alarm = eventLoop.scheduleTask(in: timeout) { promise.fail(Trouble.late) }
        let bootstrap = ClientBootstrap(group: eventLoop).connectTimeout(timeout)
        access.connect(bootstrap, toHost: node.host, port: node.port) { channel in
            let login = access.login.map { LoginHandler($0, promise) }
            if let login { try channel.pipeline.syncOperations.addHandler(login) }
            try channel.pipeline.syncOperations.addHandler(
                Handler(request, decoder, promise, begins: login == nil))
        }.whenComplete { result in
            switch result {
            case .success(let channel):
                promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
            case .failure(let error): promise.fail(error)
            }
        }
        defer { alarm.cancel() }
        return try await promise.futureResult.get()
    }

    private final class Handler<Decoder: NIOSingleStepByteToMessageDecoder>: ChannelInboundHandler
    where Decoder.InboundOut: Sendable {
        typealias InboundIn = ByteBuffer

        private let request: String
        private let promise: EventLoopPromise<Decoder.InboundOut>
        private let decoder: NIOSingleStepByteToMessageProcessor<Decoder>
        private var begins: Bool

        /// - Parameter begins: at once, or when it hears of a login.
        init(
            _ request: String, _ decoder: Decoder, _ promise: EventLoopPromise<Decoder.InboundOut>,
            begins: Bool
        ) {
            self.request = request
            self.promise = promise
            self.decoder = NIOSingleStepByteToMessageProcessor(decoder)
            self.begins = begins
        }

        func channelActive(context: ChannelHandlerContext) { if begins { ask(context) } }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if event is LoggedIn { ask(context) }
        }

        private func ask(_ context: ChannelHandlerContext) {
            context.writeAndFlush(NIOAny(ByteBuffer(string: request)), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            do {
                try decoder.process(buffer: unwrapInboundIn(data)) { promise.succeed($0) }
            } catch {
                promise.fail(error)
            }
        }

        func channelInactive(context: ChannelHandlerContext) { promise.fail(Trouble.hungUp) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            promise.fail(error)
            context.close(promise: nil)
        }
    }
}

/// The node has let the client in.
private struct LoggedIn {}

/// Logs in, tells the next handler, and hands on what comes after that.
private final class LoginHandler<Answer: Sendable>: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let login: ByteBuffer
    private let promise: EventLoopPromise<Answer>
    private let decoder = NIOSingleStepByteToMessageProcessor(
        NodeReplyDecoder(valueByteCountMax: 0))
    private var hasLoggedIn = false

    init(_ login: ByteBuffer, _ promise: EventLoopPromise<Answer>) {
        self.login = login
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(NIOAny(login), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasLoggedIn else { return context.fireChannelRead(data) }
        do {
            // Nothing was asked that could be answered behind it.
            try decoder.process(buffer: unwrapInboundIn(data)) { reply in
                switch reply.status {
                case .stored:
                    hasLoggedIn = true
                    context.fireUserInboundEventTriggered(LoggedIn())
                case .clientError(let text): promise.fail(NodeQuestion.Trouble.keptOut(text))
                default: promise.fail(NodeReplyReader.Violation.unknownReply)
                }
            }
        } catch {
            promise.fail(error)
        }
    }
}
