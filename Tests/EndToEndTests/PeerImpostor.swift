import Cluster
import ClusterFile
import EventLoop
import TestSupport

/// Somebody who speaks to a member as members and fronts do, and says what a test wants.
final class PeerImpostor {
    /// What came of the greeting.
    enum Welcome: Equatable {
        case done
        case failed(GreetingFailure)
        /// The member has hung up without a word.
        case hungUp
    }

    let socket: SocketPeer
    private(set) var welcome = Welcome.hungUp
    /// Of the link.
    private(set) var version = WireVersion.newest
    private var reader = FrameReader(frameByteCountMax: 2 << 20, version: .newest)
    let process = UInt64.random(in: 1 ... .max)

    /// - Parameters:
    ///   - number: the member's that is spoken to.
    ///   - own: the number as which it comes; none for a front.
    ///   - change: what is not as it should be in the greeting.
    ///   - garble: what is not as it should be in the greeting's bytes.
    init(
        to number: Int, of cluster: MemberCluster, as own: Int? = nil,
        purpose: Greeting.Purpose = .frames, secret: String = "",
        change: (inout Greeting) -> Void = { _ in }, garble: ([UInt8]) -> [UInt8] = { $0 }
    ) throws {
        socket = try SocketPeer(
            .address(cluster.host, port: UInt16(cluster.ports[number] + 10_000)))
        let definition = try ClusterDefinition(contentsOf: cluster.definition)
        var greeting = Greeting(
            purpose: purpose, role: own == nil ? .front : .member, from: UInt8(own ?? 255),
            to: UInt8(number), cluster: Self.hash(definition.name),
            definition: definition.placementHash, process: process, itemByteCountMax: 1 << 20,
            nonce: MessageAuthentication.nonce(byteCount: Greeting.nonceByteCount))
        change(&greeting)
        let secret = Array(secret.utf8)
        var dialler = GreetingDialler(own: greeting, versions: WireVersions()) {
            MessageAuthentication.code(of: $0, secret: secret)
        }
        try socket.send(garble(dialler.opening))
        while socket.receive(milliseconds: 10_000) {
            let bytes = takeReceived()
            let step = dialler.take(bytes.span.bytes)
            try socket.send(step.answer)
            switch step.progress {
            case .waits: continue
            case .failed(let failure): welcome = .failed(failure)
            case .done(_, let version, let leftover):
                welcome = .done
                self.version = version
                reader = FrameReader(frameByteCountMax: 2 << 20, version: version)
                reader.append(leftover.span.bytes)
            }
            return
        }
    }

    private func takeReceived() -> [UInt8] {
        defer { socket.received = [] }
        return socket.received
    }

    /// FNV-1a.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }

    func send(_ message: PeerMessage) throws {
        var bytes: [UInt8] = []
        message.append(to: &bytes, in: version)
        try socket.send(bytes)
    }

    /// As members do again and again: it knows nothing, and promises nothing.
    func sendStatement(time: UInt64) throws {
        try send(.statement(Statement(process: process, time: time, standing: .unknown)))
    }

    /// The next message that `isWanted`.
    func receive(_ isWanted: (PeerMessage) -> Bool) throws -> PeerMessage {
        while true {
            while let message = try reader.next() { if isWanted(message) { return message } }
            guard socket.receive(milliseconds: 10_000) else { throw Trouble("it says nothing") }
            let bytes = takeReceived()
            reader.append(bytes.span.bytes)
        }
    }

    /// Whether the member hangs up.
    func isHungUp() -> Bool {
        while socket.receive(milliseconds: 10_000) { socket.received = [] }
        return socket.hasEnded
    }
}
