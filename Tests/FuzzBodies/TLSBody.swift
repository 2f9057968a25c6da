#if DEBUG || Fuzzing
    import EventLoop
    import TestSupport

    /// Certificates and what is made of them, once: making them takes longer than a thousand inputs.
    private final class TLSStage: Sendable {
        let node: TLSContext
        /// Shows a certificate of its own.
        let client: TLSClientContext
        let stranger: TLSClientContext

        init() throws {
            let certificates = try TestCertificates()
            try certificates.make("client")
            var settings = TLSSettings(chainFile: certificates.path("node.pem"))
            settings.keyFile = certificates.path("node.key")
            settings.authorityFile = certificates.path("ca.pem")
            settings.minimumVersion = .tls12
            settings.cachesSessions = true
            node = try TLSContext(
                settings, needsAuthority: true, now: certificates.goodSeconds)
            var others = TLSClientSettings()
            others.authorityFile = certificates.path("ca.pem")
            stranger = try TLSClientContext(others)
            others.chainFile = certificates.path("client.pem")
            others.keyFile = certificates.path("client.key")
            client = try TLSClientContext(others)
        }

        static let shared = Result<TLSStage, any Error> { try TLSStage() }
    }

    /// One end of a conversation in TLS, and what it has been told.
    private struct TLSEnd: ~Copyable {
        let wired: WiredStream
        private(set) var isSecured = false
        private(set) var hasFailed = false
        private(set) var received: [UInt8] = []
        var sent: [UInt8] = []

        init(_ wired: consuming WiredStream) { self.wired = wired }

        var wire: MemoryWire { wired.wire }

        /// Goes on as far as its peer has. Throws when a promise is broken.
        mutating func goOn() throws {
            guard !hasFailed else { return }
            if !isSecured {
                switch wired.stream.shakeHands() {
                case .done: isSecured = true
                case .waits(.readable): return
                case .waits: throw BrokenPromise("memory is always writable")
                case .failed(let reason):
                    guard !reason.isEmpty else { throw BrokenPromise("no reason") }
                    hasFailed = true
                    return
                }
            }
            var room = [UInt8](repeating: 0, count: 1_000)
            for _ in 0..<1_000 {
                let result = room.withUnsafeMutableBytes { wired.stream.read(into: $0) }
                switch result {
                case .bytes(let count):
                    guard count > 0, count <= room.count else {
                        throw BrokenPromise("\(count) bytes in \(room.count)")
                    }
                    received += room.prefix(count)
                case .wouldBlock: return
                case .ended, .failed:
                    hasFailed = true
                    return
                }
            }
            throw BrokenPromise("a read without end")
        }

        mutating func send(_ bytes: [UInt8]) throws {
            // More shows nothing more.
            guard isSecured, !hasFailed, sent.count < 200_000 else { return }
            switch bytes.withUnsafeBytes({ wired.stream.write($0) }) {
            case .bytes(let count):
                guard count == bytes.count else { throw BrokenPromise("a short write to memory") }
                sent += bytes
            case .wouldBlock, .ended, .failed: hasFailed = true
            }
        }
    }

    /// What is under way in one direction, which somebody in between may change.
    private struct TLSFlight {
        var bytes: [UInt8] = []

        mutating func damage(_ reader: inout FuzzReader) {
            guard !bytes.isEmpty else { return }
            let place = reader.number(below: bytes.count)
            switch reader.byte() % 5 {
            case 0: bytes[place] ^= 1 << (reader.byte() & 7)
            case 1: bytes[place] = reader.byte()
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + Int(reader.byte())))
            case 3:
                let part = bytes[place..<min(bytes.count, place + 1 + Int(reader.byte()))]
                bytes.insert(contentsOf: part, at: place)
            default:
                let count = Int(reader.byte() & 15)
                bytes.insert(contentsOf: (0..<count).map { _ in reader.byte() }, at: place)
            }
        }

        mutating func takeFirst(_ count: Int) -> [UInt8] {
            defer { bytes.removeFirst(min(count, bytes.count)) }
            return Array(bytes.prefix(count))
        }
    }

    /// Bytes that are no client's: they get nowhere.
    private func checkStranger(_ input: [UInt8], pieces: Int, _ stage: TLSStage) throws {
        guard let made = stage.node.makeStreamInMemory() else { throw BrokenPromise("no stream") }
        var node = TLSEnd(made)
        var rest = input[...]
        while !rest.isEmpty {
            node.wire.give(Array(rest.prefix(pieces)))
            rest = rest.dropFirst(pieces)
            try node.goOn()
        }
        node.wire.end()
        try node.goOn()
        guard !node.isSecured, node.received.isEmpty else {
            throw BrokenPromise("a handshake with nobody")
        }
    }

    /// A client and a node, with somebody in between who sees and changes what he likes: neither takes a byte
    /// that the other has not sent.
    private func checkBetween(_ reader: inout FuzzReader, _ stage: TLSStage) throws {
        let mode = reader.byte()
        let verification: TLSSettings.Verification =
            [.none, .request, .require, .requireOnce][Int(mode & 3)]
        guard let made = stage.node.makeStreamInMemory(verification: verification) else {
            throw BrokenPromise("no stream")
        }
        var node = TLSEnd(made)
        let context = mode & 4 == 0 ? stage.client : stage.stranger
        var client = TLSEnd(try context.makeStreamInMemory(host: "localhost"))
        var isDamaged = false
        var toNode = TLSFlight()
        var toClient = TLSFlight()
        try client.goOn()
        // What the input has left behind is delivered in the end.
        var roundsLeft = 8
        while roundsLeft > 0 {
            if reader.isAtEnd { roundsLeft -= 1 }
            toNode.bytes += client.wire.take()
            toClient.bytes += node.wire.take()
            switch reader.isAtEnd ? 0 : reader.byte() % 12 {
            case 0:
                node.wire.give(toNode.takeFirst(.max))
                client.wire.give(toClient.takeFirst(.max))
            case 1: node.wire.give(toNode.takeFirst(1 + Int(reader.byte())))
            case 2: client.wire.give(toClient.takeFirst(1 + Int(reader.byte())))
            case 3:
                toNode.damage(&reader)
                isDamaged = true
            case 4:
                toClient.damage(&reader)
                isDamaged = true
            case 5: try client.send(pattern(1 + 40 * Int(reader.byte()), from: client.sent.count))
            case 6: try node.send(pattern(1 + 200 * Int(reader.byte()), from: node.sent.count))
            case 7:
                if reader.byte() == 0 {
                    node.wire.end()
                    isDamaged = true
                }
            default: node.wire.give(toNode.takeFirst(.max))
            }
            try node.goOn()
            try client.goOn()
        }
        guard client.sent.starts(with: node.received), node.sent.starts(with: client.received)
        else {
            throw BrokenPromise("bytes that nobody has sent")
        }
        if node.isSecured, verification == .require || verification == .requireOnce,
            mode & 4 != 0 || !node.wired.stream.hasVerifiedPeer
        {
            throw BrokenPromise("let in without a certificate")
        }
        let isWelcome = verification == .none || verification == .request || mode & 4 == 0
        guard isDamaged || !isWelcome || node.isSecured && client.isSecured else {
            throw BrokenPromise("a handshake that nobody disturbed has failed")
        }
    }

    /// Bytes that differ at every place.
    private func pattern(_ count: Int, from start: Int) -> [UInt8] {
        (start..<start + count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    /// TLS as a node speaks it, over memory. The input's first byte says whether the rest is what a peer sends,
    /// or what happens between a right client and the node. Returns what is wrong.
    func checkTLS(_ input: [UInt8]) -> String? {
        do {
            let stage = try TLSStage.shared.get()
            var reader = FuzzReader(bytes: input)
            let first = reader.byte()
            if first & 1 == 0 {
                try checkStranger(
                    Array(input.dropFirst()), pieces: 1 + Int(first >> 1), stage)
            } else {
                try checkBetween(&reader, stage)
            }
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// The beginning of a handshake, as far as a peer that knows no key gets, or what happens between two.
    func randomTLS(using generator: inout SeededGenerator) -> [UInt8] {
        guard Int.random(in: 0..<3, using: &generator) == 0 else {
            return [1] + randomBytes(atMost: 60, using: &generator)
        }
        var hello: [UInt8] = []
        if case .success(let stage) = TLSStage.shared,
            let made = try? stage.stranger.makeStreamInMemory(host: "localhost")
        {
            var client = TLSEnd(made)
            try? client.goOn()
            hello = client.wire.take()
        }
        for _ in 0..<Int.random(in: 0...3, using: &generator) where !hello.isEmpty {
            let place = Int.random(in: hello.indices, using: &generator)
            hello[place] = UInt8.random(in: .min ... .max, using: &generator)
        }
        return [UInt8.random(in: 0...127, using: &generator) << 1] + hello
    }
#endif
