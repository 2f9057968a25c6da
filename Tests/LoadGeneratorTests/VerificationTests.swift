import Histogram
import Testing

@testable import LoadGenerator

@Suite(.timeLimit(.minutes(10)))
struct VerificationTests {
    @Test("A right value is a hit with a latency")
    func rightValue() {
        let talk = Talk(ListedRequests([get(7)]))
        #expect(talk.ask(1) == "get k0007\r\n")
        talk.now += 5_000_000
        talk.answer(talk.hit(7) + Array("END\r\n".utf8))
        #expect(talk.faults.isEmpty)
        #expect(talk.tally[.get].count == 1)
        #expect(talk.tally[.get].hits == 1)
        #expect(abs(talk.tally[.get].latencies.milliseconds(at: 50) - 5) < 0.01)
        #expect(talk.conversation.isIdle)
    }

    @Test("A wrong byte is found wherever it is, and is no part of the latencies")
    func wrongByte() {
        let length = Talk(ListedRequests([])).hit(7).count
        let valueStart = length - 22
        for place in valueStart..<(length - 2) {
            let talk = Talk(ListedRequests([get(7), get(7)]))
            talk.ask(2)
            var reply = talk.hit(7)
            reply[place] ^= 1
            talk.answer(reply + Array("END\r\n".utf8) + talk.hit(7) + Array("END\r\n".utf8))
            #expect(talk.faults == [.wrongValue: 1], "byte \(place)")
            // The second one is still understood.
            #expect(talk.tally[.get].count == 1)
            #expect(talk.tally[.get].latencies.totalCount == 1)
        }
    }

    @Test("A value of another length, another key's, or from before a rewrite is wrong")
    func wrongValues() {
        var talk = Talk(ListedRequests([get(7)]), valueByteCounts: .uniform(10...30))
        let other = (8..<100).first { talk.values.byteCount($0, 0) != talk.values.byteCount(7, 0) }
        talk.ask(1)
        let value = talk.values.value(other ?? 0, 0)
        talk.answer(
            Array("VALUE k0007 0 \(value.count)\r\n".utf8) + value + Array("\r\nEND\r\n".utf8))
        #expect(talk.faults == [.wrongValue: 1])

        talk = Talk(ListedRequests([get(7)]))
        talk.ask(1)
        talk.answer(talk.hit(8) + Array("END\r\n".utf8))
        #expect(talk.faults[.wrongKey] == 1)
        #expect(talk.tally[.get].count == 0)

        var listed = get(7)
        listed.revision = 3
        talk = Talk(ListedRequests([listed]))
        talk.ask(1)
        talk.answer(talk.hit(7, 2) + Array("END\r\n".utf8))
        #expect(talk.faults == [.wrongValue: 1])
    }

    @Test("A miss of a stored item is counted as missing; tolerated, it is a miss like others")
    func misses() {
        for isTolerated in [false, true] {
            let source = ListedRequests([
                get(7), get(8, presence: .absent), get(9, presence: .unknown),
            ])
            let talk = Talk(source, toleratesMisses: isTolerated)
            talk.ask(3)
            talk.answer("END\r\nEND\r\nEND\r\n")
            #expect(talk.faults == [.missing: 1])
            #expect(talk.tally[.get].misses == 3)
            #expect(talk.tally[.get].count == (isTolerated ? 3 : 2))
            #expect(source.missed == [7, 8, 9])
        }
    }

    @Test("An item whose time may have come by the reply may be there or not")
    func expiry() {
        let presence = Presence(exptime: 10, now: 2)
        let talk = Talk(ListedRequests([get(7, presence: presence), get(8, presence: presence)]))
        talk.ask(2)
        talk.second = 10
        talk.answer("END\r\n")
        #expect(talk.faults == [.missing: 1])
        talk.second = 11
        talk.answer("END\r\n")
        #expect(talk.faults == [.missing: 1])
    }

    @Test("A deleted item that is there has returned")
    func returned() {
        let talk = Talk(ListedRequests([get(7, presence: .absent)]))
        talk.ask(1)
        talk.answer(talk.hit(7) + Array("END\r\n".utf8))
        #expect(talk.faults == [.returned: 1])
        #expect(talk.tally[.get].count == 0)
    }

    @Test("Errors and refused stores are counted, and the conversation goes on")
    func refusals() {
        let talk = Talk(ListedRequests([set(1), set(2), set(3)]))
        talk.ask(3)
        talk.answer("SERVER_ERROR out of memory storing object\r\nNOT_STORED\r\nSTORED\r\n")
        #expect(talk.faults == [.refused: 2])
        #expect(talk.tally[.set].count == 1)
        #expect(!talk.conversation.hasLostStep)
    }

    @Test(
        "What cannot be a reply ends the conversation",
        arguments: [
            "STORED\r\n", "VALUE\r\n", "HTTP/1.1 400 Bad Request\r\n", "END\n", "MN\r\n", "\r\n",
        ])
    func garbage(reply: String) {
        let talk = Talk(ListedRequests([get(7), get(8)]))
        talk.ask(2)
        talk.answer(reply)
        #expect(talk.faults == [.wrongReply: 1])
        #expect(talk.conversation.hasLostStep)
        talk.conversation.noteEnd(nil, "")
        #expect(talk.faults == [.wrongReply: 1, .unanswered: 2])
    }

    @Test("A data block that does not end where it was announced, and a reply to nothing")
    func badEnds() {
        var talk = Talk(ListedRequests([get(7)]))
        talk.ask(1)
        talk.answer(talk.hit(7).dropLast(2) + Array("xEND\r\n".utf8))
        #expect(talk.faults == [.wrongReply: 1])
        talk = Talk(ListedRequests([]))
        talk.answer("END\r\n")
        #expect(talk.faults == [.wrongReply: 1])
    }

    @Test("A line without an end is given up at 2,048 bytes")
    func endlessLine() {
        for (count, isLost) in [(2_047, false), (2_048, false), (2_049, true)] {
            let talk = Talk(ListedRequests([get(7)]))
            talk.ask(1)
            talk.answer([UInt8](repeating: UInt8(ascii: "x"), count: count))
            #expect(talk.conversation.hasLostStep == isLost, "\(count)")
        }
    }

    @Test("An end within a reply is told from one between replies")
    func ends() {
        var talk = Talk(ListedRequests([get(7), get(8)]))
        talk.ask(2)
        talk.answer(Array(talk.hit(7).prefix(30)))
        talk.conversation.noteEnd(.closed, "closed")
        #expect(talk.faults == [.cut: 1, .unanswered: 2])
        talk = Talk(ListedRequests([get(7), get(8)]))
        talk.ask(2)
        talk.answer(talk.hit(7) + Array("END\r\n".utf8))
        talk.conversation.noteEnd(.closed, "closed")
        #expect(talk.faults == [.closed: 1, .unanswered: 1])
    }

    @Test("Of several keys of one get, those that are left out are misses")
    func multiGet() {
        let talk = Talk(ListedRequests([get(1, 2, 3, 4)]), keysPerGet: 4)
        #expect(talk.ask(1) == "get k0001 k0002 k0003 k0004\r\n")
        talk.answer(talk.hit(2) + talk.hit(3) + Array("END\r\n".utf8))
        #expect(talk.faults == [.missing: 2])
        #expect(talk.tally[.get].hits == 2)
        #expect(talk.tally[.get].misses == 2)
        #expect(talk.conversation.isIdle)
    }

    @Test("Values in another order than asked for are wrong")
    func order() {
        let talk = Talk(ListedRequests([get(1, 2)]), keysPerGet: 2)
        talk.ask(1)
        talk.answer(talk.hit(2) + talk.hit(1) + Array("END\r\n".utf8))
        #expect(talk.faults[.wrongKey] == 1)
    }
}
