import EventLoop
import Glibc
import TestSupport

@testable import CacheNode
@testable import NodeStage

/// A worker whose loop is run by the test, turn by turn, and a connected pair of TCP sockets: what a
/// connection holds can be looked at between two turns.
final class SocketBench {
    let node: InProcessNode
    let worker: Worker
    let connection: Connection
    private var socket: ClientSocket?
    private let peer: Int32

    /// - Parameters:
    ///   - sendBuffer: the node's socket's, in bytes; nothing leaves it to the kernel, which makes it
    ///     megabytes.
    ///   - receiveBuffer: the peer's.
    ///   - batchBuffer: for what the peer sends, on both sides.
    init(
        sendBuffer: Int32? = nil, receiveBuffer: Int32? = nil, batchBuffer: Int32? = nil
    ) throws {
        node = try InProcessNode()
        worker = try Worker(number: 0, context: node.context)
        connection = node.makeConnection()
        let (peer, own) = try Self.pair(
            sendBuffer: sendBuffer, receiveBuffer: receiveBuffer, batchBuffer: batchBuffer)
        self.peer = peer
        socket = try ClientSocket(
            worker: worker, stream: .clear(EventLoop.Stream(descriptor: own)), readable: nil,
            connection: connection)
    }

    /// Over a stream whose other end is somebody else's to use.
    init(_ stream: consuming Transport) throws {
        node = try InProcessNode()
        worker = try Worker(number: 0, context: node.context)
        connection = node.makeConnection()
        peer = -1
        socket = try ClientSocket(
            worker: worker, stream: stream, readable: nil, connection: connection)
        socket?.begin()
    }

    /// The worker ends in order: its loop is the last to go.
    deinit {
        socket?.detach()
        socket = nil
        close(peer)
        worker.stop()
        worker.run()
    }

    private static func pair(
        sendBuffer: Int32?, receiveBuffer: Int32?, batchBuffer: Int32?
    ) throws -> (peer: Int32, own: Int32) {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let listener = Glibc.socket(AF_INET, type, 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        // Inherited by the accepted socket; later the window could not shrink any more.
        if let sendBuffer { set(listener, SO_SNDBUF, sendBuffer) }
        let peer = Glibc.socket(AF_INET, type, 0)
        if let receiveBuffer { set(peer, SO_RCVBUF, receiveBuffer) }
        if let batchBuffer {
            set(listener, SO_RCVBUF, batchBuffer)
            set(peer, SO_SNDBUF, batchBuffer)
        }
        let isConnected = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 1) == 0
                    && getsockname(listener, address, &length) == 0
                    && connect(peer, address, length) == 0
            }
        }
        let own = accept(listener, nil, nil)
        guard isConnected, own >= 0 else { throw Trouble("no pair of sockets: \(errno)") }
        for descriptor in [peer, own] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
            var one: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(4))
        }
        return (peer, own)
    }

    private static func set(_ descriptor: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, SOL_SOCKET, option, &value, socklen_t(4))
    }

    /// The peer sends what there is room for.
    func send(_ text: String) { _ = send(bytes(text)) }

    /// The same; returns how many bytes that were.
    func send(_ bytes: [UInt8]) -> Int {
        Glibc.send(peer, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// The peer sends no more.
    func endSending() { shutdown(peer, Int32(SHUT_WR)) }

    /// The peer takes at most so many bytes of what has come.
    func receive(_ byteCount: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            count = max(0, read(peer, buffer.baseAddress, byteCount))
        }
    }

    /// What the worker asks every second.
    func isIdle(for seconds: UInt32) -> Bool { socket?.isIdle(for: seconds, now: node.now) ?? true }

    /// Turns of the worker's loop, until nothing is ready.
    func turn() { worker.loop.poll() }

    /// One turn and no more, in which something must be ready.
    func singleTurn() { worker.loop.runOnce() }
}
