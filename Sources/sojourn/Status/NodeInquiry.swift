import HashRing
import MemcacheProtocol
import NIOCore
import NIOPosix
import SessionClient

/// Asks a node for its `stats`, on a connection of its own: what a client that comes now would find.
enum NodeInquiry {
    /// Why a node counts as down.
    struct Trouble: Error, Hashable, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// - Parameter seconds: until the node counts as down.
    static func ask(_ node: Node, seconds: Double) async -> Result<NodeStatistics, Trouble> {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let timeout = TimeAmount.nanoseconds(Int64(seconds * 1e9))
        let promise = eventLoop.makePromise(of: NodeStatistics.self)
        let alarm = eventLoop.scheduleTask(in: timeout) {
            promise.fail(Trouble("no answer within \(seconds.shortest) s"))
        }
        let bootstrap = ClientBootstrap(group: eventLoop).connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(promise))
                }
            }
        // An address needs no resolver, and a resolver that hangs does not hold it up.
        let connection =
            if let address = try? SocketAddress(ipAddress: node.host, port: node.port) {
                bootstrap.connect(to: address)
            } else {
                bootstrap.connect(host: node.host, port: node.port)
            }
        connection.whenComplete { result in
            switch result {
            case .success(let channel):
                promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
            case .failure(let error): promise.fail(error)
            }
        }
        defer { alarm.cancel() }
        do {
            return .success(try await promise.futureResult.get())
        } catch {
            return .failure(error as? Trouble ?? Trouble(ConnectingFailure(error).description))
        }
    }

    /// Sends the command and gathers the lines of the answer.
    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let promise: EventLoopPromise<NodeStatistics>
        private var input = ByteBuffer()
        private var values: [String: String] = [:]

        init(_ promise: EventLoopPromise<NodeStatistics>) { self.promise = promise }

        func channelActive(context: ChannelHandlerContext) {
            let request = ByteBuffer(staticString: "stats\r\n")
            context.writeAndFlush(NIOAny(request), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            input.writeImmutableBuffer(unwrapInboundIn(data))
            while let end = input.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                var line = input.readString(length: end - input.readerIndex) ?? ""
                input.moveReaderIndex(forwardBy: 1)
                if line.last == "\r" { line.removeLast() }
                take(line)
            }
            if input.readableBytes > ProtocolLimits.lineByteCountMax {
                promise.fail(Trouble("answers with an endless line"))
            }
        }

        private func take(_ line: String) {
            let words = line.split(separator: " ", maxSplits: 2).map(String.init)
            if words == ["END"] {
                promise.succeed(NodeStatistics(values))
            } else if words.first == "STAT", words.count >= 2,
                values.count < NodeStatistics.nameCountMax
            {
                values[words[1]] = words.count > 2 ? words[2] : ""
            } else {
                promise.fail(Trouble("answers '\(line.prefix(80))' to stats"))
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            promise.fail(Trouble("hung up instead of answering"))
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            promise.fail(error)
            context.close(promise: nil)
        }
    }
}
