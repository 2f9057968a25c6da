import TestSupport
import Testing

@testable import LoadGenerator

@Suite(.timeLimit(.minutes(10)))
struct WireTests {
    private typealias Listed = ListedRequests.Listed

    private func all(_ isQuiet: Bool = false) -> [Listed] {
        [
            get(1), Listed(operation: .gat, keys: [2]), Listed(operation: .touch, keys: [3]),
            Listed(operation: .delete, keys: [4]), set(5, isQuiet: isQuiet),
        ]
    }

    @Test("The classic commands, and their replies")
    func text() {
        let talk = Talk(ListedRequests(all()), valueByteCounts: .fixed(3))
        let sent = talk.ask(5)
        let start = "get k0001\r\ngat 60 k0002\r\ntouch k0003 60\r\ndelete k0004\r\n"
        #expect(sent.hasPrefix(start + "set k0005 0 60 3\r\n"))
        talk.answer(talk.hit(1) + Array("END\r\n".utf8) + talk.hit(2))
        talk.answer("END\r\nTOUCHED\r\nDELETED\r\nSTORED\r\n")
        #expect(talk.faults.isEmpty)
        #expect(talk.tally.requestCount == 5)
    }

    @Test("The meta commands, and their replies")
    func meta() {
        let talk = Talk(ListedRequests(all()), wire: .meta, valueByteCounts: .fixed(3))
        let sent = talk.ask(5)
        let start = "mg k0001 v\r\nmg k0002 T60 v\r\nmg k0003 T60\r\nmd k0004\r\n"
        #expect(sent.hasPrefix(start + "ms k0005 3 T60\r\n"))
        talk.answer(talk.metaHit(1) + talk.metaHit(2) + Array("HD\r\nHD\r\nHD\r\n".utf8))
        #expect(talk.faults.isEmpty)
        #expect(talk.tally.requestCount == 5)
        #expect(talk.conversation.isIdle)
    }

    @Test("Misses of the meta commands")
    func metaMisses() {
        let list = all().dropLast().map {
            Listed(operation: $0.operation, keys: $0.keys, presence: .unknown)
        }
        let talk = Talk(ListedRequests(list), wire: .meta)
        talk.ask(4)
        talk.answer("EN\r\nEN\r\nEN\r\nNF\r\n")
        #expect(talk.faults.isEmpty)
        #expect(talk.tally[.get].misses + talk.tally[.gat].misses + talk.tally[.touch].misses == 3)
        #expect(talk.tally[.delete].misses == 1)
    }

    @Test("Several keys of one mg are quiet and end with mn")
    func metaMultiGet() {
        let talk = Talk(ListedRequests([get(1, 2, 3)]), wire: .meta, keysPerGet: 3)
        #expect(talk.ask(1) == "mg k0001 k v q\r\nmg k0002 k v q\r\nmg k0003 k v q\r\nmn\r\n")
        talk.answer(talk.metaHit(1, flags: " kk0001") + talk.metaHit(3, flags: " kk0003"))
        #expect(!talk.conversation.isIdle)
        talk.answer("MN\r\n")
        #expect(talk.faults == [.missing: 1])
        #expect(talk.tally[.get].hits == 2)
        #expect(talk.conversation.isIdle)
    }

    @Test("Quiet sets end with mn, whose reply is theirs; one that is refused is counted")
    func quietSets() {
        let talk = Talk(
            ListedRequests([set(1, isQuiet: true), set(2, isQuiet: true), get(1)]), wire: .meta)
        let sent = talk.ask(3)
        #expect(sent.hasSuffix("mg k0001 v\r\nmn\r\n"))
        talk.answer("SERVER_ERROR out of memory storing object\r\n")
        talk.answer(talk.metaHit(1) + Array("MN\r\n".utf8))
        #expect(talk.faults == [.refused: 1])
        #expect(talk.tally[.set].count == 1)
        #expect(talk.tally[.get].count == 1)
        #expect(talk.conversation.isIdle)
    }

    @Test("An echo must be the bytes that were sent")
    func echo() {
        for flips in [false, true] {
            let list = [1, 2].map { Listed(operation: .echo, keys: [$0]) }
            let talk = Talk(ListedRequests(list), wire: .echo)
            talk.ask(2)
            var reply = talk.sent
            if flips { reply[30] ^= 4 }
            talk.answer(reply)
            #expect(talk.faults == (flips ? [.wrongValue: 1] : [:]))
            #expect(talk.tally[.echo].count == (flips ? 1 : 2))
        }
    }

    @Test("Any cut of the replies gives the same counts")
    func chunks() {
        let values = ValueMaker(lengths: .uniform(0...40), limit: 1 << 20)
        func run(_ wire: WireProtocol, _ cut: (Talk, [UInt8]) -> Void) -> String {
            let source = ListedRequests([
                get(1, 2), set(3), get(4, 5), Listed(operation: .delete, keys: [6]), get(7, 8),
            ])
            let talk = Talk(source, wire: wire, keysPerGet: 2, values: values)
            talk.ask(5)
            var wrong = wire == .text ? talk.hit(5) : talk.metaHit(5, flags: " kk0005")
            wrong[wrong.count - 3] ^= 1
            let replies: [UInt8]
            if wire == .text {
                replies =
                    talk.hit(1) + talk.hit(2) + Array("END\r\nSTORED\r\n".utf8) + wrong
                    + Array("END\r\nNOT_FOUND\r\n".utf8) + talk.hit(7) + talk.hit(8)
                    + Array("END\r\n".utf8)
            } else {
                replies =
                    talk.metaHit(1, flags: " kk0001") + talk.metaHit(2, flags: " kk0002")
                    + Array("MN\r\nHD\r\n".utf8) + wrong + Array("MN\r\nNF\r\n".utf8)
                    + talk.metaHit(7, flags: " kk0007") + talk.metaHit(8, flags: " kk0008")
                    + Array("MN\r\n".utf8)
            }
            cut(talk, replies)
            let operations = Operation.allCases.map {
                let one = talk.tally[$0]
                return "\($0) \(one.count) \(one.hits) \(one.misses)"
            }
            #expect(talk.conversation.isIdle)
            return operations.joined(separator: ";")
                + Fault.allCases.map { " \(talk.tally.count(of: $0))" }.joined()
        }
        for wire in [WireProtocol.text, .meta] {
            let whole = run(wire) { $0.answer($1) }
            #expect(whole.contains("get 2 5 1"))
            let count = 700
            for place in 1..<count {
                #expect(
                    run(wire) { talk, replies in
                        talk.answer(Array(replies.prefix(place)))
                        talk.answer(Array(replies.dropFirst(place)))
                    } == whole, "cut at \(place)")
            }
            #expect(
                run(wire) { talk, replies in for byte in replies { talk.answer([byte]) } } == whole)
        }
    }
}
