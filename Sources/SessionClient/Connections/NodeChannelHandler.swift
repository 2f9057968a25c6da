import NIOCore

/// Between a channel and its connection: bytes in, replies out. It belongs to one channel; what comes
/// from it after the connection has turned to another one is ignored there.
final class NodeChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// Until the channel is closed.
    private var connection: NodeConnection?
    private let decoder: NIOSingleStepByteToMessageProcessor<NodeReplyDecoder>
    private(set) var context: ChannelHandlerContext?
    private var hasFailed = false

    init(connection: NodeConnection, valueByteCountMax: Int) {
        self.connection = connection
        decoder = NIOSingleStepByteToMessageProcessor(
            NodeReplyDecoder(valueByteCountMax: valueByteCountMax))
    }

    func close() {
        hasFailed = true
        connection = nil
        context?.close(promise: nil)
    }

    /// Tells the connection, once.
    func fail(_ error: CacheError) {
        guard !hasFailed else { return }
        hasFailed = true
        connection?.lost(self, error)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelInactive(context: ChannelHandlerContext) {
        fail(CacheError(.connectionLost, reason: "closed by the node"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(CacheError(.connectionLost, reason: ConnectingFailure(error).description))
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasFailed else { return }
        do {
            try decoder.process(buffer: unwrapInboundIn(data)) { reply in
                connection?.received(reply, by: self)
            }
        } catch {
            let reason = (error as? NodeReplyReader.Violation)?.rawValue ?? "\(error)"
            fail(CacheError(.protocolViolation, reason: reason))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        connection?.receivedAll(by: self)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        connection?.writabilityChanged(context.channel.isWritable, of: self)
    }
}
