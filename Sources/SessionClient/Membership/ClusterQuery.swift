import HashRing
import NIOCore
import NIOPosix

/// Asks one node for its cluster, on a connection of its own.
enum ClusterQuery {
    private struct HungUp: Error, CustomStringConvertible {
        var description: String { "the node hung up" }
    }

    /// Asks for the definition, and who does not know what that is for the nodes.
    static func ask(
        _ node: Node, on group: any EventLoopGroup, timeout: TimeAmount
    ) async throws -> ClusterConfiguration {
        do {
            return try await ask(node, .definition, on: group, timeout: timeout)
        } catch  where error is ClusterConfiguration.Mistake || error is HungUp {
            return try await ask(node, .cluster, on: group, timeout: timeout)
        }
    }

    private static func ask(
        _ node: Node, _ question: ClusterQuestion, on group: any EventLoopGroup,
        timeout: TimeAmount
    ) async throws -> ClusterConfiguration {
        let eventLoop = group.next()
        let promise = eventLoop.makePromise(of: ClusterConfiguration.self)
        let alarm = eventLoop.scheduleTask(in: timeout) {
            promise.fail(MembershipReader.Trouble("\(node.name) does not answer"))
        }
        ClientBootstrap(group: eventLoop)
            .connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(question, promise))
                }
            }
            .connect(host: node.host, port: node.port)
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

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let question: ClusterQuestion
        private let promise: EventLoopPromise<ClusterConfiguration>
        private let decoder: NIOSingleStepByteToMessageProcessor<ClusterConfigurationDecoder>

        init(_ question: ClusterQuestion, _ promise: EventLoopPromise<ClusterConfiguration>) {
            self.question = question
            self.promise = promise
            decoder = NIOSingleStepByteToMessageProcessor(
                ClusterConfigurationDecoder(question: question))
        }

        func channelActive(context: ChannelHandlerContext) {
            let request = ByteBuffer(string: "config get \(question.rawValue)\r\n")
            context.writeAndFlush(NIOAny(request), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            do {
                try decoder.process(buffer: unwrapInboundIn(data)) { promise.succeed($0) }
            } catch {
                promise.fail(error)
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            promise.fail(HungUp())
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            promise.fail(error)
            context.close(promise: nil)
        }
    }
}
