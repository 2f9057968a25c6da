import Glibc
import TestSupport
import Testing

@testable import EventLoop

/// A node's end of a TLS stream, and a client's.
private struct SecuredPair: ~Copyable {
    let own: TLSStream
    let peer: TLSPeer

    private init(_ own: consuming TLSStream, _ peer: TLSPeer) {
        self.own = own
        self.peer = peer
    }

    /// They have shaken hands. The context has gone: a stream keeps what it needs of it.
    static func make(
        _ certificates: TestCertificates, sendBuffer: Int32? = nil,
        _ change: (inout TLSSettings) -> Void = { _ in }
    ) throws -> SecuredPair {
        var settings = TLSSettings(chainFile: certificates.path("node.pem"))
        settings.keyFile = certificates.path("node.key")
        change(&settings)
        let context = try TLSContext(settings, now: time(nil))
        var descriptors: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, type, 0, &descriptors) == 0)
        if var sendBuffer {
            setsockopt(descriptors[0], SOL_SOCKET, SO_SNDBUF, &sendBuffer, socklen_t(4))
        }
        let peer = try TLSPeer(over: SocketPeer(descriptor: descriptors[1]))
        let socket = EventLoop.Stream(descriptor: descriptors[0])
        guard let own = context.makeStream(socket, verification: .none) else {
            throw Trouble("no stream")
        }
        let pair = SecuredPair(own, peer)
        try pair.shakeHands()
        return pair
    }

    private func shakeHands() throws {
        #expect(own.shakeHands() == .waits(.readable))
        #expect(try !peer.stepHandshake())
        #expect(own.shakeHands() == .waits(.readable))
        try peer.goOnShakingHands()
        #expect(own.shakeHands() == .done)
    }

    func read(_ count: Int) -> (transfer: EventLoop.Stream.Transfer, text: String) {
        var bytes = [UInt8](repeating: 0, count: count)
        let transfer = bytes.withUnsafeMutableBytes { own.read(into: $0) }
        guard case .bytes(let length) = transfer else { return (transfer, "") }
        return (transfer, String(decoding: bytes[..<length], as: UTF8.self))
    }

    /// Writes from `start` on.
    func write(_ bytes: [UInt8], from start: Int = 0) -> EventLoop.Stream.Transfer {
        bytes.withUnsafeBytes { own.write(UnsafeRawBufferPointer(rebasing: $0[start...])) }
    }

    func write(pieces: [[UInt8]], scratch: RecordScratch) -> EventLoop.Stream.Transfer {
        let copies = pieces.map { piece in
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count, alignment: 1)
            copy.copyBytes(from: piece)
            return UnsafeRawBufferPointer(copy)
        }
        defer { for copy in copies { copy.deallocate() } }
        return own.write(copies, scratch: scratch)
    }

    /// The lengths of the records that are on their way to the client.
    func recordLengths() -> [Int] {
        while peer.wire.receive(milliseconds: 50) {}
        var lengths: [Int] = []
        var rest = peer.wire.received[...]
        while rest.count >= 5 {
            let bytes = Array(rest.prefix(5))
            lengths.append(Int(bytes[3]) << 8 | Int(bytes[4]))
            rest = rest.dropFirst(5 + lengths[lengths.count - 1])
        }
        return lengths
    }
}

@Suite(.timeLimit(.minutes(10)))
struct TLSStreamTests {
    private let certificates: TestCertificates

    init() throws { certificates = try TestCertificates() }

    /// What a record has besides its text: a type and a tag.
    private static let recordOverhead = 17

    @Test("What one side writes the other reads, and nothing is nothing")
    func readAndWrite() throws {
        let pair = try SecuredPair.make(certificates)
        #expect(pair.own.version == "TLSv1.3" && pair.own.cipher == "TLS_AES_128_GCM_SHA256")
        #expect(pair.own.isResumed == false)
        #expect(pair.read(10).transfer == .wouldBlock)
        #expect(pair.own.awaited == .readable)
        try pair.peer.send("hello")
        #expect(pair.read(3).text == "hel")
        #expect(pair.own.hasPending == true)
        #expect(pair.read(3).text == "lo")
        #expect(pair.own.hasPending == false)
        #expect(pair.read(3).transfer == .wouldBlock)
        #expect(pair.write(Array("answer".utf8)) == .bytes(6))
        #expect(try pair.peer.receive(until: "answer") == "answer")
    }

    @Test("Records that have arrived together are read together, in one place or in two")
    func severalRecords() throws {
        let pair = try SecuredPair.make(certificates)
        for text in ["one ", "two ", "three"] { try pair.peer.send(text) }
        #expect(pair.read(100).text == "one two three")
        for text in ["four ", "five ", "six"] { try pair.peer.send(text) }
        var bytes = [UInt8](repeating: 0, count: 20)
        let transfer = bytes.withUnsafeMutableBytes {
            pair.own.read(
                into: UnsafeMutableRawBufferPointer(rebasing: $0[..<7]),
                then: UnsafeMutableRawBufferPointer(rebasing: $0[7...]))
        }
        #expect(transfer == .bytes(13))
        #expect(String(decoding: bytes[..<13], as: UTF8.self) == "four five six")
    }

    @Test("A goodbye is an end; one that comes with data is met behind it")
    func goodbye() throws {
        let pair = try SecuredPair.make(certificates)
        try pair.peer.send("last")
        try pair.peer.endSending()
        #expect(pair.read(100).text == "last")
        #expect(pair.own.hasPending == true)
        #expect(pair.read(100).transfer == .ended)
        #expect(pair.own.wasCutOff == false)
        // The other direction is open.
        #expect(pair.write([1, 2, 3]) == .bytes(3))
        #expect(pair.peer.receive(isUnexpected: false))
        #expect(pair.peer.received == [1, 2, 3])
    }

    @Test("An end without a goodbye is told apart, and one in the middle of a record, too")
    func cutOff() throws {
        for bytes: [UInt8] in [[], [23, 3, 3, 0, 50, 1, 2]] {
            let pair = try SecuredPair.make(certificates)
            try pair.peer.wire.send(bytes)
            pair.peer.wire.endSending()
            #expect(pair.read(100).transfer == .ended)
            #expect(pair.own.wasCutOff == true)
        }
    }

    @Test("A record that does not fit its key is an error of the protocol, now and later")
    func broken() throws {
        let pair = try SecuredPair.make(certificates)
        try pair.peer.wire.send([23, 3, 3, 0, 32] + [UInt8](repeating: 9, count: 32))
        #expect(pair.read(100).transfer == .failed(errno: EPROTO))
        #expect(pair.read(100).transfer != .wouldBlock)
    }

    @Test("A peer that has gone is an error of a write, and no signal")
    func gone() throws {
        let pair = try SecuredPair.make(certificates)
        pair.peer.close()
        #expect(pair.write([1]) == .failed(errno: EPIPE))
    }

    @Test("Small pieces become one record; what is larger becomes records where it lies")
    func gathering() throws {
        let pair = try SecuredPair.make(certificates)
        let scratch = RecordScratch(byteCount: 16_384)
        let (small, large) = (
            [UInt8](repeating: 1, count: 100), [UInt8](repeating: 2, count: 40_000)
        )
        _ = pair.recordLengths()
        pair.peer.wire.received.removeAll()
        #expect(pair.write(pieces: [small, [], small, small], scratch: scratch) == .bytes(300))
        #expect(pair.recordLengths() == [300 + Self.recordOverhead])
        #expect(
            pair.write(pieces: [small, large, small], scratch: scratch) == .bytes(40_200))
        #expect(
            pair.recordLengths().dropFirst().map { $0 - Self.recordOverhead }
                == [16_384, 16_384, 7_432])
    }

    @Test("Gathered or not, bytes arrive in their order", arguments: [1_024, 16_384])
    func order(recordByteCount: Int) throws {
        let pair = try SecuredPair.make(certificates) { $0.recordByteCount = recordByteCount }
        let scratch = RecordScratch(byteCount: recordByteCount)
        var expected: [UInt8] = []
        for seed in 0..<40 {
            let pieces = (0...seed % 7).map { place in
                let count = [0, 1, 13, 1_023, 1_024, 5_000, 16_384, 20_001][(seed + place) % 8]
                return (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ seed) }
            }
            let all = pieces.flatMap { $0 }
            var sent = 0
            while sent < all.count {
                let transfer =
                    sent == 0
                    ? pair.write(pieces: pieces, scratch: scratch) : pair.write(all, from: sent)
                switch transfer {
                case .bytes(let count): sent += count
                case .wouldBlock: break
                default: Issue.record("\(transfer)")
                }
                pair.peer.takeArrived()
            }
            expected += all
        }
        while pair.peer.received.count < expected.count, pair.peer.receive(isUnexpected: false) {}
        #expect(pair.peer.received == expected)
    }

    @Test("A write that blocks goes on where it ended, with more behind it and from elsewhere")
    func blockedWrite() throws {
        let pair = try SecuredPair.make(certificates, sendBuffer: 4_608)
        var bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        var sent = 0
        var blockedCount = 0
        while sent < bytes.count {
            switch pair.write(bytes, from: sent) {
            case .bytes(let count): sent += count
            case .wouldBlock:
                #expect(pair.own.awaited == .writable)
                blockedCount += 1
                // Another place in memory, and more of it.
                if bytes.count < 300_000 { bytes += [UInt8](repeating: 5, count: 10_000) }
                pair.peer.takeArrived()
            default: Issue.record("it failed")
            }
        }
        while pair.peer.received.count < bytes.count, pair.peer.receive(isUnexpected: false) {}
        #expect(blockedCount > 2)
        #expect(pair.peer.received == bytes)
    }

    @Test("New keys are taken on, asked for while a write is blocked, too")
    func keyUpdate() throws {
        let pair = try SecuredPair.make(certificates, sendBuffer: 4_608)
        let bytes = [UInt8](repeating: 3, count: 100_000)
        var sent = 0
        while case .bytes(let count) = pair.write(bytes, from: sent) { sent += count }
        try pair.peer.updateKeys()
        try pair.peer.send("behind")
        #expect(pair.read(100).text == "behind")
        while sent < bytes.count {
            if case .bytes(let count) = pair.write(bytes, from: sent) { sent += count }
            pair.peer.takeArrived()
        }
        while pair.peer.received.count < bytes.count, pair.peer.receive(isUnexpected: false) {}
        #expect(pair.peer.received == bytes)
        #expect(pair.peer.failure == nil)
    }

    @Test("A handshake with what is no TLS fails, with a reason")
    func noHandshake() throws {
        var settings = TLSSettings(chainFile: certificates.path("node.pem"))
        settings.keyFile = certificates.path("node.key")
        let context = try TLSContext(settings, now: time(nil))
        var pair: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        let wire = SocketPeer(descriptor: pair[1])
        let socket = EventLoop.Stream(descriptor: pair[0])
        try wire.send("GET / HTTP/1.1\r\n\r\n")
        for _ in 0..<2 {
            let first = EventLoop.Stream.peek(at: socket.descriptor)
            #expect(first.transfer == .bytes(1) && first.byte == UInt8(ascii: "G"))
        }
        guard let own = context.makeStream(socket, verification: .none) else {
            throw Trouble("no stream")
        }
        #expect(own.shakeHands() == .failed(reason: "http request"))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct TLSContextTests {
    private let certificates: TestCertificates

    init() throws { certificates = try TestCertificates() }

    private func settings() -> TLSSettings {
        var settings = TLSSettings(chainFile: certificates.path("node.pem"))
        settings.keyFile = certificates.path("node.key")
        return settings
    }

    @Test("A certificate is good from its first second to its last")
    func times() throws {
        let now = time(nil)
        let context = try TLSContext(settings(), now: now)
        #expect(context.subject == "CN=node")
        let end = context.expirySeconds
        #expect((now + 86_400...now + 3 * 86_400).contains(end))
        #expect(throws: Never.self) { try TLSContext(settings(), now: end - 1) }
        #expect(throws: TLSError.self) { try TLSContext(settings(), now: end) }
        #expect(throws: TLSError.self) { try TLSContext(settings(), now: now - 86_400) }
    }

    @Test("A key is its owner's alone, unless root lets a group read it")
    func keyMode() throws {
        let key = certificates.path("node.key")
        for (mode, isFine) in [(0o600, true), (0o400, true), (0o604, false), (0o644, false)] {
            chmod(key, mode_t(mode))
            #expect(((try? TLSContext(settings(), now: time(nil))) != nil) == isFine, "\(mode)")
        }
        chmod(key, 0o640)
        // Who runs this as somebody else than root owns the file.
        #expect(((try? TLSContext(settings(), now: time(nil))) != nil) == (getuid() == 0))
    }

    @Test("A file that is too large, and one that is none, are refused")
    func files() throws {
        var settings = self.settings()
        settings.chainFile = try certificates.write(
            String(repeating: "x", count: TLSFile.byteCountMax + 1), to: "large")
        #expect(throws: TLSError.self) { try TLSContext(settings, now: time(nil)) }
        settings.chainFile = "/dev/null"
        let error = #expect(throws: TLSError.self) { try TLSContext(settings, now: time(nil)) }
        #expect(error?.description == "the certificate chain /dev/null is not a file")
    }

    @Test("What an error tells has no line breaks in it")
    func oneLine() throws {
        var settings = self.settings()
        settings.chainFile = "/no\r\nwhere"
        let error = #expect(throws: TLSError.self) { try TLSContext(settings, now: time(nil)) }
        #expect(
            error?.description
                == "cannot read the certificate chain /no??where: No such file or directory")
    }
}
