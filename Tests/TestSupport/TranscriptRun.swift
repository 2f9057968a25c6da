import Glibc

/// One end of a conversation with a node, whatever it goes through.
package protocol TranscriptPeer: AnyObject {
    /// What has arrived and was not matched yet.
    var received: [UInt8] { get set }
    /// Whether the node has hung up, and all that it sent before is in `received`.
    var hasEnded: Bool { get }
    /// Sends, or lets it be if the node has hung up.
    func send(_ bytes: [UInt8]) throws
    func endSending() throws
    /// Takes more into `received`; false when nothing comes within the patience for a reply that is
    /// due, or, if `isUnexpected`, for one that should not come.
    func receive(isUnexpected: Bool) throws -> Bool
}

/// A node to have conversations with.
package protocol TranscriptNode {
    associatedtype Peer: TranscriptPeer
    func connect() throws -> Peer
    /// Stops the clock, if it can be moved.
    func pauseClock(through control: Peer) throws
    func advanceClock(seconds: Int, through control: Peer) throws
    /// Whether the node itself is well at the end: a sentence if not.
    func problem() -> String?
}

/// Holds the conversation of a transcript with a node, and throws where it goes another way.
package struct TranscriptRun<Node: TranscriptNode> {
    private let transcript: Transcript
    private let side: Transcript.Side
    private let node: Node
    private var peers: [String: Node.Peer] = [:]
    private var current = "a"
    /// Those that are told what happens until they have gone.
    private var watching: Set<String> = []
    private let control: Node.Peer
    private var numbers: [String: [UInt8]] = [:]
    private var counters: [String: String] = [:]
    private var line = 0

    package static func hold(
        _ transcript: Transcript, with node: Node, as side: Transcript.Side
    ) throws {
        var run = try TranscriptRun(transcript, node, side)
        try run.start()
        for step in transcript.steps where step.side == nil || step.side == side {
            run.line = step.line
            try run.take(step.action)
        }
        try run.finish()
    }

    private init(_ transcript: Transcript, _ node: Node, _ side: Transcript.Side) throws {
        self.transcript = transcript
        self.node = node
        self.side = side
        control = try node.connect()
    }

    private mutating func start() throws {
        try awaitControl()
        if transcript.readsCounters { counters = try readCounters() }
        if transcript.needsClockStopped { try node.pauseClock(through: control) }
        _ = try peer()
    }

    /// Waits until the node has taken the control connection. memcached gives connections to its
    /// threads, and one that is late would tell a watcher of `connevents` that this one has come.
    private func awaitControl() throws {
        try control.send(Array("version\r\n".utf8))
        while !control.received.contains(10), try control.receive(isUnexpected: false) {}
        control.received.removeAll()
    }

    /// Nothing may be left unread: each connection is ended, and what arrives until the node hangs
    /// up was not expected either.
    private mutating func finish() throws {
        line = transcript.steps.last?.line ?? 0
        for (name, peer) in peers.sorted(by: { $0.key < $1.key }) {
            if !peer.hasEnded { try peer.endSending() }
            if watching.contains(name) {
                try expectNothing(on: peer)
                continue
            }
            while !peer.hasEnded, try peer.receive(isUnexpected: false) {}
            guard peer.hasEnded else { throw failure("\(name) is not closed at the end") }
            guard peer.received.isEmpty else {
                throw failure("unread on \(name): \(shown(peer.received))")
            }
        }
        if let problem = node.problem() { throw failure(problem) }
    }

    private func failure(_ reason: String) -> TranscriptFailure {
        TranscriptFailure(name: transcript.name, line: line, reason)
    }

    private mutating func peer() throws -> Node.Peer {
        if let peer = peers[current] { return peer }
        let peer = try node.connect()
        peers[current] = peer
        return peer
    }

    // MARK: Steps

    private mutating func take(_ action: Transcript.Action) throws {
        switch action {
        case .send(let segments): try peer().send(bytes(segments))
        case .expect(let segments): try expect(segments, on: peer())
        case .skip(let segments): try skip(to: segments, on: peer())
        case .expectNothing: try expectNothing(on: peer())
        case .expectClosed: try expectClosed(peer())
        case .endSending: try peer().endSending()
        case .watches: watching.insert(current)
        case .connection(let name):
            current = name
            _ = try peer()
        case .changes(let changes): try expectChanges(changes)
        case .value(let name, let text):
            let value = try readCounters()[name]
            guard value == text else {
                throw failure("\(name) is \(value ?? "absent"), not \(text)")
            }
        case .clock(let seconds): try node.advanceClock(seconds: seconds, through: control)
        }
    }

    private func bytes(_ segments: [Transcript.Segment]) -> [UInt8] {
        segments.reduce(into: []) { bytes, segment in
            switch segment {
            case .literal(let literal): bytes += literal
            case .number(let name): bytes += numbers[name] ?? []
            case .bigEndian(let name): bytes += numbers[name].map(Self.bigEndianBytes) ?? []
            case .restOfLine, .anything: break
            }
        }
    }

    /// The 8 bytes of a number that is kept in decimal digits.
    private static func bigEndianBytes(_ digits: [UInt8]) -> [UInt8] {
        bigEndian(UInt64(String(decoding: digits, as: UTF8.self)) ?? 0)
    }

    private mutating func expect(_ segments: [Transcript.Segment], on peer: Node.Peer) throws {
        while true {
            switch match(segments, in: peer.received) {
            case .yes(let end): return peer.received.removeFirst(end)
            case .no(let place):
                throw failure(
                    "expected \(shown(segments))\n      received \(shown(peer.received)), "
                        + "other than expected at \(place)")
            case .more: break
            }
            guard try peer.receive(isUnexpected: false) else {
                let reason = peer.hasEnded ? "closed" : "no reply in time"
                throw failure(
                    "\(reason): expected \(shown(segments))\n      "
                        + "received \(shown(peer.received))")
            }
        }
    }

    private mutating func skip(to segments: [Transcript.Segment], on peer: Node.Peer) throws {
        while true {
            let result = match(segments, in: peer.received)
            if case .yes(let end) = result { return peer.received.removeFirst(end) }
            if case .no = result, let end = lineEnd(in: peer.received, from: 0) {
                peer.received.removeFirst(end + 2)
                continue
            }
            guard try peer.receive(isUnexpected: false) else { throw failure("no such line") }
        }
    }

    private func expectNothing(on peer: Node.Peer) throws {
        if peer.received.isEmpty { _ = try peer.receive(isUnexpected: true) }
        guard peer.received.isEmpty else {
            throw failure("expected nothing, received \(shown(peer.received))")
        }
        guard !peer.hasEnded else { throw failure("closed") }
    }

    private func expectClosed(_ peer: Node.Peer) throws {
        while !peer.hasEnded, try peer.receive(isUnexpected: false) {}
        guard peer.hasEnded else { throw failure("not closed") }
        guard peer.received.isEmpty else {
            throw failure("received before the end: \(shown(peer.received))")
        }
    }

    // MARK: Counters

    private func readCounters() throws -> [String: String] {
        try control.send(Array("stats\r\n".utf8))
        while !control.received.suffix(5).elementsEqual("END\r\n".utf8) {
            guard try control.receive(isUnexpected: false) else {
                throw failure("no answer to stats")
            }
        }
        var counters: [String: String] = [:]
        for line in control.received.split(separator: 10) {
            let words = String(decoding: line.dropLast(), as: UTF8.self)
                .split(separator: " ", maxSplits: 2)
            if words.count == 3, words[0] == "STAT" {
                counters[String(words[1])] = String(words[2])
            }
        }
        control.received.removeAll()
        return counters
    }

    private mutating func expectChanges(_ changes: [(name: String, amount: Int)]) throws {
        let now = try readCounters()
        var wrong: [String] = []
        for (name, amount) in changes {
            guard let text = now[name], let value = Int(text) else {
                wrong.append("\(name) is absent")
                continue
            }
            let change = value - (counters[name].flatMap { Int($0) } ?? 0)
            if change != amount { wrong.append("\(name) changed by \(change), not \(amount)") }
            counters[name] = text
        }
        guard wrong.isEmpty else { throw failure(wrong.joined(separator: ", ")) }
    }

    // MARK: Matching

    private enum Match {
        case yes(end: Int)
        case no(at: Int)
        case more
    }

    /// Compares the front of what has arrived with what is wanted. Captures only in a whole match.
    private mutating func match(_ segments: [Transcript.Segment], in bytes: [UInt8]) -> Match {
        var position = 0
        var fresh: [String: [UInt8]] = [:]
        for segment in segments {
            let literal: [UInt8]
            switch segment {
            case .literal(let wanted): literal = wanted
            case .number(let name):
                if let known = fresh[name] ?? numbers[name] {
                    literal = known
                    break
                }
                let digits = bytes[position...].prefix { (48...57).contains($0) }
                if digits.endIndex == bytes.count { return .more }
                if digits.isEmpty { return .no(at: position) }
                fresh[name] = Array(digits)
                position = digits.endIndex
                continue
            case .bigEndian(let name):
                if let known = fresh[name] ?? numbers[name] {
                    literal = Self.bigEndianBytes(known)
                    break
                }
                guard position + 8 <= bytes.count else { return .more }
                let number = bytes[position..<(position + 8)].reduce(UInt64(0)) {
                    $0 << 8 | UInt64($1)
                }
                fresh[name] = Array(String(number).utf8)
                position += 8
                continue
            case .anything(let byteCount):
                guard position + byteCount <= bytes.count else { return .more }
                position += byteCount
                continue
            case .restOfLine:
                guard let end = lineEnd(in: bytes, from: position) else { return .more }
                position = end
                continue
            }
            let count = min(literal.count, bytes.count - position)
            if let place = firstDifference(literal, bytes, from: position, count: count) {
                return .no(at: position + place)
            }
            if count < literal.count { return .more }
            position += count
        }
        numbers.merge(fresh) { $1 }
        return .yes(end: position)
    }

    private func firstDifference(
        _ literal: [UInt8], _ bytes: [UInt8], from start: Int, count: Int
    ) -> Int? {
        let isSame = literal.withUnsafeBytes { wanted in
            bytes.withUnsafeBytes { all in
                count == 0
                    || memcmp(
                        wanted.baseAddress.unsafelyUnwrapped,
                        all.baseAddress.unsafelyUnwrapped + start, count) == 0
            }
        }
        return isSame ? nil : (0..<count).first { literal[$0] != bytes[start + $0] }
    }

    private func lineEnd(in bytes: [UInt8], from start: Int) -> Int? {
        var position = start
        while position + 1 < bytes.count {
            if bytes[position] == 13, bytes[position + 1] == 10 { return position }
            position += 1
        }
        return nil
    }

    // MARK: Showing

    private func shown(_ segments: [Transcript.Segment]) -> String {
        segments.map { segment in
            switch segment {
            case .literal(let bytes): shown(bytes)
            case .number(let name), .bigEndian(let name): "{\(name)}"
            case .anything: "{*}"
            case .restOfLine: "{*}"
            }
        }.joined()
    }

    private func shown(_ bytes: [UInt8]) -> String { printable(bytes) }
}

/// Bytes as a transcript writes them, long ones shortened.
package func printable(_ bytes: some Collection<UInt8>) -> String {
    var text = ""
    for byte in bytes.prefix(200) {
        switch byte {
        case 13: text += "\\r"
        case 10: text += "\\n"
        case UInt8(ascii: "\\"): text += "\\\\"
        case 32..<127: text.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let digits = String(byte, radix: 16)
            text += "\\x" + (digits.utf8.count < 2 ? "0" : "") + digits
        }
    }
    return bytes.count > 200 ? text + "... (\(bytes.count) bytes)" : text
}
