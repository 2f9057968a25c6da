import TestSupport
import Testing

/// What a client with `debugtime` can do to a node's clock, and what it cannot do to the node.
@Suite(.timeLimit(.minutes(10)))
struct DebugtimeTests {
    struct Way: CustomTestStringConvertible {
        var isBack: Bool
        var isStanding: Bool

        var testDescription: String {
            "\(isBack ? "back" : "on"), while it \(isStanding ? "stands still" : "runs")"
        }
    }

    private static let ways = [false, true].flatMap { isBack in
        [false, true].map { Way(isBack: isBack, isStanding: $0) }
    }

    private func move(_ peer: SocketPeer, _ changes: [String]) throws {
        for change in changes { #expect(try peer.ask("debugtime \(change)") == "OK\r\n") }
    }

    /// Asks for all that is reckoned with the clock.
    private func lookAround(_ peer: SocketPeer) throws {
        for page in ["stats", "stats items", "stats settings", "stats conns"] {
            #expect(try peer.ask(page, until: "END\r\n").hasPrefix("STAT "), "\(page)")
        }
        #expect(try peer.ask("lru_crawler metadump all", until: "END\r\n").contains("key=forever"))
        #expect(try peer.ask("me forever").contains(" exp=-1 "))
        #expect(try peer.ask("mg forever t v", until: "x\r\n") == "VA 1 t-1\r\nx\r\n")
        for exptime in [-1, 1, 30, 999_999_999, 2_000_000_000, 2_147_483_647] {
            #expect(try peer.ask("set some 0 \(exptime) 1\r\nx") == "STORED\r\n")
            #expect(["TOUCHED\r\n", "NOT_FOUND\r\n"].contains(try peer.ask("touch some 60")))
            // Whoever waits for a lock asks when its holder's time ends.
            for _ in 0..<2 {
                let add = "add lock.\(exptime) 0 \(exptime) 1\r\nx"
                #expect(try peer.ask(add).hasSuffix("STORED\r\n"))
            }
        }
    }

    @Test(
        "A clock that a client moves by 4,000 years costs the items whose time has come, and no others",
        arguments: ways)
    func fourThousandYears(way: Way) throws {
        let node = try RunningNode.sojournd([
            "-m", "128", "-t", "2", "-o", "debugtime,show_keys,lock_keys=lock.,lock_wait=1",
        ])
        let peer = try node.connect()
        let start = try #require(try node.counter("time"))
        #expect(try peer.ask("set forever 0 0 1\r\nx") == "STORED\r\n")
        #expect(try peer.ask("set hour 0 3600 1\r\nx") == "STORED\r\n")
        if way.isStanding { try move(peer, ["p"]) }
        // The most that the command takes, so often that it would be 4,000 years.
        let step = way.isBack ? "-2147483648" : "2147483647"
        for round in 0..<60 {
            try move(peer, [step])
            if round % 20 < 3 { try lookAround(peer) }
        }
        let value = "VALUE hour 0 1\r\nx\r\nEND\r\n"
        #expect(try peer.ask("get hour", until: "END\r\n") == (way.isBack ? value : "END\r\n"))
        try lookAround(peer)
        try move(peer, ["r"])
        // No further than 4,294,967,296 seconds, whatever was said; and none before the start if it stood.
        let reach =
            way.isBack
            ? (way.isStanding ? [] : ["2147483647", "2147483647", "2"])
            : ["-2147483648", "-2147483648"]
        try move(peer, reach)
        let end = try #require(try node.counter("time"))
        // One that stood before the node's start goes on from there.
        #expect((start - 60...start + 60).contains(end))
        try lookAround(peer)
        #expect(try peer.ask("get hour", until: "END\r\n") == (way.isBack ? value : "END\r\n"))
        // Time goes on as for any other node.
        #expect(try peer.ask("set next 0 600 1\r\nx") == "STORED\r\n")
        try move(peer, ["500"])
        #expect(try peer.ask("mn") == "MN\r\n")
        #expect(try peer.ask("mg next k") == "HD knext\r\n")
        try move(peer, ["100"])
        #expect(try peer.ask("mg next k") == "EN knext\r\n")
        #expect(try peer.ask("mg forever k") == "HD kforever\r\n")
        node.program.send(15)
        #expect(try node.program.waitForExit() == .status(0))
    }
}
