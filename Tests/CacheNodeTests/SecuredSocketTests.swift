import Glibc
import TestSupport
import Testing

@testable import CacheNode
@testable import EventLoop
@testable import NodeStage

/// A socket's turns under TLS, where a socket that is not readable does not mean that there is nothing to read.
@Suite(.timeLimit(.minutes(10)))
struct SecuredSocketTests {
    private let certificates: TestCertificates

    init() throws { certificates = try TestCertificates() }

    /// A node's socket and its client, who have shaken hands. There is room for a megabyte on the way.
    private func connect() throws -> (bench: SocketBench, peer: TLSPeer) {
        var settings = TLSSettings(chainFile: certificates.path("node.pem"))
        settings.keyFile = certificates.path("node.key")
        let context = try TLSContext(settings, now: time(nil))
        var descriptors: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, type, 0, &descriptors) == 0)
        var room: Int32 = 1 << 20
        setsockopt(descriptors[1], SOL_SOCKET, SO_SNDBUF, &room, socklen_t(4))
        let peer = try TLSPeer(over: SocketPeer(descriptor: descriptors[1]))
        let socket = EventLoop.Stream(descriptor: descriptors[0])
        guard let own = context.makeStream(socket, verification: .none) else {
            throw Trouble("no stream")
        }
        _ = own.shakeHands()
        _ = try peer.stepHandshake()
        _ = own.shakeHands()
        try peer.goOnShakingHands()
        try #require(own.shakeHands() == .done)
        return (try SocketBench(.secured(own)), peer)
    }

    @Test(
        "However much comes at once, the last of it is answered though nothing comes after it",
        arguments: [3_000, 5_000, 9_000])
    func nothingIsForgotten(byteCount: Int) throws {
        let value = String(repeating: "v", count: byteCount)
        // Up to three times what a turn takes.
        for count in 1...(3 * 4 * InputBuffer.blockByteCount / byteCount) {
            let (bench, peer) = try connect()
            let store = "ms k \(byteCount) q\r\n\(value)\r\n"
            try peer.send(String(repeating: store, count: count) + "mn\r\n")
            bench.turn()
            #expect(bench.node.count(.setCommands) == UInt64(count))
            let isAnswered = peer.receive(isUnexpected: false)
            #expect(isAnswered && peer.received == Array("MN\r\n".utf8), "\(count) commands")
        }
    }
}
