import HashRing
import NIOCore
import NIOPosix
import Synchronization
import TestSupport

/// Stands before a node; when it is shut, the node is dead for its clients. What the node holds stays,
/// so that opening the gate is the return of a node that has missed something.
final class Gate: Sendable {
    private let channel: any Channel
    private let state: Mutex<State>
    private let box: Box

    private struct State {
        var isOpen = true
        var channels: [ObjectIdentifier: any Channel] = [:]
    }

    private final class Box: Sendable {
        let gate = Mutex<WeakGate>(WeakGate())
    }

    private struct WeakGate: Sendable {
        weak var gate: Gate?
    }

    init(before port: Int) async throws {
        let box = Box()
        self.box = box
        state = Mutex(State())
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                guard let gate = box.gate.withLock({ $0.gate }), gate.enter(channel) else {
                    return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Entrance(port))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        box.gate.withLock { $0.gate = self }
    }

    deinit { channel.close(promise: nil) }

    var node: Node { Node(host: "127.0.0.1", port: channel.localAddress?.port ?? 0) }

    func open() { state.withLock { $0.isOpen = true } }

    /// Breaks all connections, and takes no new ones.
    func shut() async throws {
        let channels = state.withLock { state in
            state.isOpen = false
            return state.channels.values
        }
        for channel in channels { try? await channel.close() }
    }

    private func enter(_ channel: any Channel) -> Bool {
        let isOpen = state.withLock { state in
            if state.isOpen { state.channels[ObjectIdentifier(channel)] = channel }
            return state.isOpen
        }
        channel.closeFuture.whenComplete { [weak self] _ in
            self?.state.withLock { $0.channels[ObjectIdentifier(channel)] = nil }
        }
        return isOpen
    }

    /// Connects to the node, and only then reads.
    private final class Entrance: ChannelInboundHandler, RemovableChannelHandler {
        typealias InboundIn = ByteBuffer
        private let port: Int

        init(_ port: Int) { self.port = port }

        func channelActive(context: ChannelHandlerContext) {
            let channel = context.channel
            let bootstrap = ClientBootstrap(group: channel.eventLoop)
            bootstrap.connect(host: "127.0.0.1", port: port).whenComplete { result in
                do {
                    let node = try result.get()
                    try channel.pipeline.syncOperations.addHandler(Passage(node))
                    try node.pipeline.syncOperations.addHandler(Passage(channel))
                    channel.setOption(.autoRead, value: true).whenFailure { _ in
                        node.close(promise: nil)
                    }
                } catch {
                    channel.close(promise: nil)
                }
            }
        }
    }

    /// Hands all that comes on to the other side.
    private final class Passage: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel

        init(_ other: any Channel) { self.other = other }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            other.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }
}
