import TestSupport
import Testing

@testable import CacheNode

/// The same replies, and the same items afterwards, however the input is cut.
struct ChunkInvarianceTests {
    /// Inputs that are small enough to be cut at every place.
    private static let inputs: [String: [UInt8]] = [
        "every command at once": bytes(
            "set a 1 0 3\r\nabc\r\nadd a 1 0 1\r\nx\r\nadd b 2 0 2\r\n41\r\nreplace a 3 0 1\r\ny\r\n"
                + "append a 0 0 2\r\nzz\r\nprepend a 0 0 1\r\nx\r\nget a b c\r\ngets a\r\n"
                + "incr b 1\r\ndecr b 2\r\nincr c 1\r\ntouch a 100\r\ntouch c 1\r\n"
                + "gat 50 a b\r\ngats 0 c\r\ncas a 0 0 1 1\r\nx\r\ndelete b\r\ndelete b 0\r\n"
                + "verbosity 1\r\nmn\r\nflush_all\r\nget a\r\nversion\r\nnonsense\r\nquit\r\n"
                + "get after\r\n"),
        "data that looks like commands": bytes(
            "set a 0 0 12\r\nget k\r\nget k\r\nset b 0 0 7\r\n\r\n\r\n\r\n\n\r\nset c 0 0 0\r\n\r\n"
                + "get a b c\r\n"),
        "data blocks that are wrong": bytes(
            "set a 0 0 3\r\nabcd\r\nset a 0 0 3\r\nab\r\nget a\r\nset a 0 0 3\r\nabc\n\nset b 0 0 1\r\n"
                + "x\r\nget a b\r\nset c 0 0 3\r\nabcde\r\n\r\nmn\r\n"),
        "lines that are wrong": bytes(
            "set a x 0 3\r\nget\r\nset a 0 x 3 noreply\r\nget\r\nset a 0 0 x\r\ncas a 0 0 3\r\nabc\r\n"
                + "get\r\n\r\na\r\n\n get a\r\nset \(String(repeating: "k", count: 251)) 0 0 3\r\n"
                + "abc\r\nget \(String(repeating: "k", count: 251))\r\nincr a x\r\nmn\r\n"),
        "noreply": bytes(
            "set a 0 0 1 noreply\r\n1\r\nincr a 1 noreply\r\nset a 0 0 1 noreply\r\n123\r\n"
                + "nonsense noreply\r\ndelete b noreply\r\nget noreply a\r\nflush_all noreply\r\n"
                + "touch a 1 noreply\r\nget a\r\n"),
        "line ends": bytes(
            "set a 0 0 1\nx\r\nget a\nget  a  \r\nget a\r\r\nmn\nmn\r\nversion\n"),
        "a browser": bytes("mn\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nmn\r\n"),
        "an endless line": bytes("mn\r\n" + String(repeating: "a", count: 2_049)),
        "the binary protocol": [0x80, 0x0b] + [UInt8](repeating: 0, count: 22) + bytes("mn\r\n"),
        "operators": bytes(
            "set a 0 0 1 noreply\r\nx\r\nlru_crawler mgdump all\r\nget a\r\nlru_crawler mgdump 1\r\n"
                + "lru_crawler crawl 1,2\r\nlru_crawler disable\r\nlru_crawler metadump all\r\n"
                + "slabs automove x\r\nlru mode flat\r\nslabs reassign 1 2 noreply\r\nlru\r\n"
                + "refresh_certs\r\nwatch x\r\n"),
        "a watcher": bytes("watch mutations\r\nset a 0 0 1\r\nx\r\nquit\r\n\u{1}\u{2}"),
        "prefixes": bytes(
            "stats detail on\r\nset p:a 0 0 1\r\nx\r\nget p:a p:b q:c none\r\ndelete p:a\r\n"
                + "stats detail dump\r\nstats detail off\r\n"),
    ]

    /// What a cut must not change.
    private struct Outcome: Equatable, CustomStringConvertible {
        var replies: [UInt8]
        var hasEnded: Bool
        var counts: [UInt64]
        var items: [UInt8]
        var heldBufferCount: Int

        var description: String { "\(hasEnded ? "closed" : "open"): \(printable(replies))" }
    }

    private func outcome(of input: [UInt8], cuts: Cuts) throws -> Outcome {
        let node = try InProcessNode()
        let peer = node.open(cuts: cuts)
        try peer.send(input)
        peer.receiveAll()
        let counts = Counter.allCases.filter { $0 != .bytesRead && $0 != .connectionYields }
            .map { node.count($0) }
        let held = node.pool.lentCount
        let items = try node.reply(to: bytes("gets a b c p:a\r\n"), cuts: .whole)
        return Outcome(
            replies: peer.received, hasEnded: peer.hasEnded, counts: counts, items: items,
            heldBufferCount: held)
    }

    @Test("Several commands at once, cut at every place", arguments: inputs.keys.sorted())
    func everyPlace(name: String) throws {
        let input = try #require(Self.inputs[name])
        let whole = try outcome(of: input, cuts: .whole)
        #expect(!whole.replies.isEmpty || whole.hasEnded)
        for place in 1..<input.count {
            let cut = try outcome(of: input, cuts: .once(at: place))
            if cut != whole {
                Issue.record("cut at \(place): \(cut)\n      whole: \(whole)")
                return
            }
        }
    }

    @Test(
        "Several commands at once, byte by byte and cut at random", arguments: inputs.keys.sorted())
    func smallPieces(name: String) throws {
        let input = try #require(Self.inputs[name])
        let whole = try outcome(of: input, cuts: .whole)
        let cuts = (1...3).map { Cuts.pieces(byteCount: $0) } + (0..<20).map { .random(seed: $0) }
        for cut in cuts {
            let other = try outcome(of: input, cuts: cut)
            #expect(other == whole, "\(cut)")
        }
    }
}
