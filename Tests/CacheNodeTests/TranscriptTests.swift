import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

@Suite(.timeLimit(.minutes(10)))
struct TranscriptTests {
    /// What cannot be told without a process.
    private static let needsProcess = [
        "stats-conns.txt": "shows the addresses of real sockets",
        "shutdown.txt": "ends the process",
        "shutdown-graceful.txt": "ends the process",
    ]

    /// Where a cut is meant to change the answer.
    private static let needsWholeLines = [
        "long-complete-line.txt": "a line beyond 2,048 bytes is served only if it arrives at once"
    ]

    private static let names = TranscriptFiles.names.filter { needsProcess[$0] == nil }
    private static let cutNames = names.filter { needsWholeLines[$0] == nil }
    private static let cuts: [Cuts] = [
        .pieces(byteCount: 1), .pieces(byteCount: 7), .random(seed: 1), .random(seed: 2),
    ]

    private func hold(_ name: String, cuts: Cuts) throws {
        let transcript = try TranscriptFiles.read(name)
        let configuration = try NodeConfiguration(
            transcriptFlags: transcript.flags + transcript.ownFlags,
            knowsDebugtime: transcript.movesClock)
        try TranscriptRun.hold(
            transcript, with: InProcessNode(configuration, cuts: cuts), as: .own)
    }

    @Test("A connection answers what the transcript says", arguments: names)
    func whole(name: String) throws {
        try hold(name, cuts: .whole)
    }

    @Test("A connection answers the same however its input is cut", arguments: cutNames)
    func cut(name: String) throws {
        for cuts in Self.cuts {
            do {
                try hold(name, cuts: cuts)
            } catch {
                Issue.record("\(cuts): \(error)")
            }
        }
    }

    @Test("There are transcripts, and every exception is one of them")
    func exceptions() {
        #expect(!TranscriptFiles.names.isEmpty)
        for name in [String](Self.needsProcess.keys) + Self.needsWholeLines.keys {
            #expect(TranscriptFiles.names.contains(name), "\(name) is not there any more")
        }
    }
}
