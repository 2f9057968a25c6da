import TestSupport
import Testing

@testable import FuzzBodies
@testable import NodeStage

@Suite(.timeLimit(.minutes(10)))
struct BinaryFuzzTests {
    @Test("Random packets have the same replies however they are cut", arguments: 0..<12)
    func conversations(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for number in 0..<12 {
            let input = randomPackets(using: &generator)
            let cuts: [Cuts] = [
                .pieces(byteCount: input.count > 20_000 ? 997 : 1), .random(seed: seed),
                .random(seed: seed + 1_000),
            ]
            if let problem = try checkPackets(input, cuts: cuts) {
                Issue.record("seed \(seed), conversation \(number): \(problem)")
            }
        }
    }

    private static let hardOnes: [[UInt8]] = {
        let noop = BinaryPacket(0x0a).bytes
        var halfKey = BinaryPacket(0x00, key: "key").bytes
        halfKey.removeLast(2)
        var wrong = BinaryPacket(0x01, key: "k", extras: [UInt8](repeating: 0, count: 8))
        wrong.bodyByteCount = 8
        var huge = BinaryPacket(0x0e, key: "k")
        huge.bodyByteCount = Int(UInt32.max)
        let large = BinaryPacket.store(0x11, "k", pattern(16_384 - 33))
        var all: [[UInt8]] = [[0x80], Array(noop.prefix(23)), halfKey, huge.bytes]
        all.append(noop + noop.prefix(1))
        all.append(noop + wrong.bytes + noop)
        all.append(noop + huge.bytes)
        all.append(large + noop)
        all.append(Array(large.dropLast()) + noop)
        all.append(BinaryPacket.store(0x01, "k", []) + BinaryPacket(0x0f, key: "k").bytes + noop)
        all.append(BinaryPacket.store(0x01, "k", noop) + BinaryPacket(0x0c, key: "k").bytes)
        all.append(BinaryPacket(0x30, key: "key", extras: [1], value: noop).bytes + noop)
        all.append(BinaryPacket(0x21, key: "PLAIN", value: noop).bytes + noop)
        all.append(BinaryPacket(0x10).bytes + BinaryPacket(0x10, key: "conns").bytes + noop)
        var detail = BinaryPacket(0x10, key: "detail on").bytes
        detail += BinaryPacket(0x09, key: "p:x").bytes
        detail += BinaryPacket(0x10, key: "detail dump").bytes
        all.append(detail + noop)
        all.append(noop + [UInt8](repeating: 0, count: 24))
        all.append(noop + bytes("get k\r\n"))
        all.append(BinaryPacket(0x17).bytes + noop)
        return all
    }()

    @Test("Packets that are hard to follow are followed", arguments: hardOnes.indices)
    func corpus(number: Int) throws {
        let input = Self.hardOnes[number]
        let places =
            input.count < 500 ? Array(1..<max(2, input.count)) : [1, 24, 33, 16_383, 16_384]
        // What `stat` shows of bytes read depends on when they came.
        let isTimeless = !input.starts(with: BinaryPacket(0x10).bytes)
        let cuts = [Cuts.pieces(byteCount: 1)] + places.map { .once(at: $0) }
        #expect(try checkPackets(input, cuts: isTimeless ? cuts : []) == nil)
    }
}
