package import HashRing
package import NIOCore
import NIOPosix

/// Asks a node one thing, on a connection of its own: what somebody who comes now would find.
package enum NodeQuestion {
    /// Why there is no answer, beside what NIO says and what the decoder finds wrong.
    package enum Trouble: Error {
        case late, hungUp
    }

    /// - Parameters:
    ///   - request: the line, with its end.
    ///   - decoder: reads the answer; its first message is it.
    ///   - timeout: of all of it.
    package static func ask<Decoder: NIOSingleStepByteToMessageDecoder & Sendable>(
        _ node: Node, _ request: String, decoder: Decoder, on group: any EventLoopGroup,
        timeout: TimeAmount
    ) async throws -> Decoder.InboundOut where Decoder.InboundOut: Sendable {
        let eventLoop = group.next()
        let promise = eventLoop.makePromise(of: Decoder.InboundOut.self)
        let alarm = eventLoop.scheduleTask(in: timeout) { promise.fail(Trouble.late) }
        ClientBootstrap(group: eventLoop)
            .connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Handler(request, decoder, promise))
                }
            }
            .connect(toHost: node.host, port: node.port)
            .whenComplete { result in
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

        init(_ request: String, _ decoder: Decoder, _ promise: EventLoopPromise<Decoder.InboundOut>)
        {
            self.request = request
            self.promise = promise
            self.decoder = NIOSingleStepByteToMessageProcessor(decoder)
        }

        func channelActive(context: ChannelHandlerContext) {
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

extension ClientBootstrap {
    /// An address needs no resolver, and no thread of its own; one that hangs does not hold it up.
    func connect(toHost host: String, port: Int) -> EventLoopFuture<any Channel> {
        if let address = try? SocketAddress(ipAddress: host, port: port) {
            return connect(to: address)
        }
        return connect(host: host, port: port)
    }
}
