import TestSupport
import Testing

@testable import FuzzBodies
@testable import NodeStage

@Suite(.timeLimit(.minutes(10)))
struct MutatorTests {
    @Test(
        "What bodies take for granted of their own inputs is right",
        arguments: FuzzBody.all.map(\.name))
    func random(name: String) throws {
        let body = try #require(FuzzBody.named(name))
        for seed in 0..<20 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var input = body.random(&generator)
            for _ in 0..<3 {
                #expect(body.check(Array(input.prefix(body.byteCountMax))) == nil, "seed \(seed)")
                input = body.mutate?(input, &generator) ?? input
            }
        }
    }

    @Test("A mutated conversation is mostly one: commands are carried out, and wrong ones refused")
    func commands() throws {
        var input: [UInt8] = []
        var generator = SeededGenerator(seed: 1)
        var counts: [String: Int] = [:]
        for round in 0..<400 {
            // As a fuzzer does, which goes on from all of its corpus.
            if round % 10 == 0 {
                input = ConversationInput.packed(randomConversation(using: &generator))
            }
            input = Array(mutateCommands(of: input, using: &generator).prefix(2_000))
            let sent = ConversationInput([0, 0] + input).sent
            let replies = try converse(sent, cuts: .whole, .conversation).replies
            for word in ["STORED", "VALUE", "HD", "CLIENT_ERROR"]
            where String(decoding: replies, as: UTF8.self).contains(word) {
                counts[word, default: 0] += 1
            }
        }
        for word in ["STORED", "VALUE", "HD", "CLIENT_ERROR"] {
            #expect(counts[word, default: 0] > 4, "\(word)")
        }
    }

    @Test("Mutated packets are mostly requests, with answers of every kind")
    func packets() throws {
        var input: [UInt8] = []
        var generator = SeededGenerator(seed: 1)
        var counts: [UInt16: Int] = [:]
        for round in 0..<400 {
            if round % 10 == 0 {
                input = ConversationInput.packed(randomPackets(using: &generator))
            }
            input = Array(mutatePackets(of: input, using: &generator).prefix(2_000))
            let sent = ConversationInput([0, 0] + input).sent
            let replies = try converse(sent, cuts: .whole, .conversation).replies
            for reply in BinaryReplyPacket.all(in: replies) ?? [] {
                counts[reply.status, default: 0] += 1
            }
        }
        // Done, no such key, the key is there, not stored, invalid, not known.
        for status in [0x00, 0x01, 0x02, 0x05, 0x04, 0x81] as [UInt16] {
            #expect(counts[status, default: 0] > 4, "\(status)")
        }
    }

    @Test("A run stands for many bytes, and its own first byte can be sent, too")
    func runs() {
        #expect(
            ConversationInput([0, 0, 97, 255, 3, 255, 0, 98]).sent == [97, 55, 55, 55, 255, 98])
        #expect(ConversationInput([0, 0, 255, 255]).sent.count == 1 << 20)
        #expect(
            ConversationInput([0, 0] + ConversationInput.packed([1, 255, 2])).sent == [1, 255, 2])
        #expect(ConversationInput([]).sent == [])
    }
}
