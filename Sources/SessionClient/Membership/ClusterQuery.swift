import HashRing
import NIOCore
import NIOPosix

/// Asks one node for its cluster, on a connection of its own.
enum ClusterQuery {
    static func ask(
        _ node: Node, on group: any EventLoopGroup, timeout: TimeAmount
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
                    try channel.pipeline.syncOperations.addHandler(Handler(promise))
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

        private let promise: EventLoopPromise<ClusterConfiguration>
        private let decoder = NIOSingleStepByteToMessageProcessor(ClusterConfigurationDecoder())

        init(_ promise: EventLoopPromise<ClusterConfiguration>) { self.promise = promise }

        func channelActive(context: ChannelHandlerContext) {
            let request = ByteBuffer(staticString: "config get cluster\r\n")
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
            promise.fail(MembershipReader.Trouble("the node hung up"))
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            promise.fail(error)
            context.close(promise: nil)
        }
    }
}
