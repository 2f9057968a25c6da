import Glibc
import TestSupport
import Testing

/// `sojournd` as a transcript's node: its clock moves by `debugtime`.
struct OwnNode: TranscriptNode {
    let node: RunningNode

    func connect() throws -> SocketPeer { try node.connect() }

    func pauseClock(through control: SocketPeer) throws {
        try expectOK("debugtime p", control)
    }

    func advanceClock(seconds: Int, through control: SocketPeer) throws {
        try expectOK("debugtime \(seconds)", control)
    }

    private func expectOK(_ line: String, _ control: SocketPeer) throws {
        let reply = try control.ask(line)
        guard reply == "OK\r\n" else { throw Trouble("\(line): \(reply)") }
    }

    func problem() -> String? {
        node.program.hasEnded && node.program.exit != .status(0)
            ? "the node ended: \(String(describing: node.program.exit))" : nil
    }
}

/// memcached as a transcript's node. Its clock cannot be moved, so a few seconds are waited for.
private final class OracleNode: TranscriptNode {
    let node: RunningNode
    private var waitedSeconds = 0

    init(_ node: RunningNode) { self.node = node }

    func connect() throws -> SocketPeer { try node.connect() }

    func pauseClock(through control: SocketPeer) {}

    func advanceClock(seconds: Int, through control: SocketPeer) throws {
        waitedSeconds += seconds
        guard waitedSeconds <= 3 else {
            throw Trouble("waits for more than 3 seconds: needs `oracle: skip`")
        }
        usleep(UInt32(seconds) * 1_000_000 + 100_000)
    }

    func problem() -> String? {
        node.program.hasEnded && node.program.exit != .status(0)
            ? "memcached ended: \(String(describing: node.program.exit))" : nil
    }
}

@Suite(.timeLimit(.minutes(10)))
struct SocketTranscriptTests {
    @Test(
        "The node answers over a socket what the transcript says", arguments: TranscriptFiles.names)
    func own(name: String) throws {
        let transcript = try TranscriptFiles.read(name)
        let clock = transcript.needsClockStopped ? ["-o", "debugtime"] : []
        let node = try RunningNode.sojournd(
            clock + transcript.flags + transcript.ownFlags)
        defer { node.program.end() }
        try TranscriptRun.hold(transcript, with: OwnNode(node: node), as: .own)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct OracleTranscriptTests {
    @Test("memcached answers what the transcript says", arguments: TranscriptFiles.names)
    func oracle(name: String) throws {
        let transcript = try TranscriptFiles.read(name)
        if let reason = transcript.oracleSkip {
            // A cancelled case is not shown by itself.
            print("memcached was not asked about \(name): \(reason)")
            try Test.cancel("\(reason)")
        }
        // memcached's clock cannot be stopped: where times are told, a second may end in between. And on a
        // busy machine its crawler's thread may not be there yet, or not done.
        let attemptCountMax = transcript.tellsSeconds ? 5 : 3
        for attempt in 1...attemptCountMax {
            let node = try RunningNode.memcached(transcript.flags)
            defer { node.program.end() }
            do {
                return try TranscriptRun.hold(transcript, with: OracleNode(node), as: .oracle)
            } catch {
                if attempt == attemptCountMax { throw error }
                print("memcached is asked again: \(error)")
            }
        }
    }
}
