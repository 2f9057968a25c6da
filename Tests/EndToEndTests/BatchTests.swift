import Glibc
import TestSupport
import Testing

/// Connections that are all ready in one turn of the loop, because the node was stopped while they
/// sent.
@Suite(.timeLimit(.minutes(10)))
struct BatchTests {
    /// What a peer does, and what it gets.
    private enum Conduct: CaseIterable {
        case asks, asksMuch, asksAndStops, quits, endsItsSide, storesMuch, errs, resets

        func sent(_ key: String) -> String {
            switch self {
            case .asks, .resets: "get \(key)\r\n"
            case .asksMuch: String(repeating: "get \(key)\r\n", count: Self.muchCount)
            case .asksAndStops: "get \(key)\r\nget never-ended"
            case .quits: "get \(key)\r\nquit\r\nget \(key)\r\n"
            case .endsItsSide: "touch \(key) 0\r\nget \(key)\r\n"
            case .storesMuch:
                "set \(key) 0 0 \(Self.large.count)\r\n\(Self.large)\r\nget \(key)\r\n"
            case .errs: "no-such-command\r\nget \(key)\r\n"
            }
        }

        func received(_ key: String) -> String {
            let hit = "VALUE \(key) 0 5\r\nhello\r\nEND\r\n"
            return switch self {
            case .asks, .asksAndStops, .quits: hit
            case .asksMuch: String(repeating: hit, count: Self.muchCount)
            case .endsItsSide: "TOUCHED\r\n" + hit
            case .storesMuch:
                "STORED\r\nVALUE \(key) 0 \(Self.large.count)\r\n\(Self.large)\r\nEND\r\n"
            case .errs: "ERROR\r\n" + hit
            case .resets: ""
            }
        }

        /// More than a turn executes of one connection.
        static let muchCount = 100
        /// More than an input buffer holds.
        static let large = String(repeating: "x", count: 20_000)
    }

    @Test("Everybody gets what is theirs when 400 are ready at once, and some of them end")
    func readyAtOnce() throws {
        let node = try RunningNode.sojournd(["-t", "1"])
        var generator = SeededGenerator(seed: 400)
        let peers = try Conduct.allCases.flatMap { conduct in
            try (0..<50).map { number in
                let key = "\(conduct):\(number)"
                let peer = try node.connect()
                #expect(try peer.ask("set \(key) 0 0 5\r\nhello") == "STORED\r\n")
                return (key: key, conduct: conduct, peer: peer)
            }
        }.shuffled(using: &generator)
        try node.program.suspend()
        for (key, conduct, peer) in peers {
            try peer.send(conduct.sent(key))
            switch conduct {
            case .resets: peer.reset()
            case .endsItsSide: peer.endSending()
            default: break
            }
        }
        node.program.send(SIGCONT)
        for (key, conduct, peer) in peers {
            switch conduct {
            case .resets: break
            case .quits, .endsItsSide:
                #expect(try peer.receiveUntilEnd() == conduct.received(key))
            default:
                let expected = conduct.received(key)
                while peer.received.count < expected.utf8.count, peer.receive(isUnexpected: false) {
                }
                #expect(String(decoding: peer.received, as: UTF8.self) == expected)
            }
        }
        let asker = try node.connect()
        #expect(try asker.ask("get asks:0", until: "END\r\n") == Conduct.asks.received("asks:0"))
        try wait(for: "those that ended to be closed") {
            try node.counter("curr_connections") ?? 0 <= 400 - 150 + 2
        }
    }
}
