import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// The same replies, and the same items afterwards, however the input is cut.
@Suite(.timeLimit(.minutes(10)))
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
        "text behind a binary packet": [0x80, 0x0b] + [UInt8](repeating: 0, count: 22)
            + bytes("mn\r\n"),
        "operators": bytes(
            "set a 0 0 1 noreply\r\nx\r\nlru_crawler mgdump all\r\nget a\r\nlru_crawler mgdump 1\r\n"
                + "lru_crawler crawl 1,2\r\nlru_crawler disable\r\nlru_crawler metadump all\r\n"
                + "slabs automove x\r\nlru mode flat\r\nslabs reassign 1 2 noreply\r\nlru\r\n"
                + "refresh_certs\r\nwatch x\r\n"),
        "a watcher": bytes("watch mutations\r\nset a 0 0 1\r\nx\r\nquit\r\n\u{1}\u{2}"),
        "prefixes": bytes(
            "stats detail on\r\nset p:a 0 0 1\r\nx\r\nget p:a p:b q:c none\r\ndelete p:a\r\n"
                + "stats detail dump\r\nstats detail off\r\n"),
        "every meta command": bytes(
            "mg a v\r\nms a 3 T90 F7 c k O1\r\nabc\r\nmg a s v t f c k h l O2\r\nms a 2 ME\r\nxy\r\n"
                + "ms a 2 MA s\r\nde\r\nms a 1 MP q\r\nx\r\nms a 1 C1 k\r\ny\r\nmg b N30 v k\r\n"
                + "mg b v\r\nma c N60 J5 v\r\nma c D7 v t\r\nma c MD q\r\nma a\r\nmd a I T50\r\n"
                + "mg a v t\r\nmg a R99\r\nms a 3 C1 I\r\nnew\r\nmg a v\r\nmd b x T9\r\nmd b C1 O3\r\n"
                + "md b q\r\nmd b q k\r\nme a\r\nme b\r\nmn\r\nflush_all\r\nmg a v q\r\nmn\r\nquit\r\n"
                + "mg a\r\n"),
        "meta commands in base64": bytes(
            "ms YQ== 2 b k\r\nhi\r\nmg YQ== b k v\r\nget a\r\nmg a k\r\nmg YQ b\r\nms YQ 3 b\r\n"
                + "mg\r\nma Yg== b N0 k v\r\nme YQ== b\r\nmd YQ== b k\r\nmd YQ== b k\r\n"),
        "meta commands that are wrong": bytes(
            "mg\r\nms a\r\nms a x\r\nms a 4 T\r\nmn\r\n\r\nms a 4 Mx\r\nmn\r\n\r\nms a 4 !\r\nmn\r\n\r\n"
                + "ms a 3 q\r\nabcdmn\r\nmg a v v\r\nmg a !\r\nma a D\r\nmd a S1\r\nms a 1\nx\r\n"
                + "mg a\(String(repeating: " v", count: 19))\r\nmg \(String(repeating: "k", count: 251))\r\n"
                + "ms \(String(repeating: "k", count: 251)) 4 q\r\nmn\r\n\r\n"
                + "mg a O\(String(repeating: "o", count: 32))\r\nmg a v O\(String(repeating: "o", count: 31))\r\n"
        ),
        "a quiet pipeline": bytes(
            "ms a 4 q\r\nmn\r\n\r\nms b 2 q\r\nhi\r\nms c 0 q\r\n\r\nmg a q v k\r\nmg x q v k\r\n"
                + "mg b q v k\r\nmg c q v k\r\nmd b q\r\nma x q\r\nmn\r\n"),
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
        try peer.receiveAll()
        let counts = Counter.allCases.filter { $0 != .bytesRead && $0 != .connectionYields }
            .map { node.count($0) }
        let held = node.pool.lentCount
        let items = try node.reply(
            to: bytes("gets a b c p:a\r\nmg a t u k\r\nmg b t u k\r\nmg c t u k\r\n"), cuts: .whole)
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
