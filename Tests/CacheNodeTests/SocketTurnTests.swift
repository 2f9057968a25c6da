import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// What a socket lets its peer take of the thread and of memory, seen between the loop's turns.
@Suite(.timeLimit(.minutes(10)))
struct SocketTurnTests {
    @Test(
        "A small send buffer and a steady reader with a small window do not let the replies pile up"
    )
    func smallBuffers() throws {
        let bench = try SocketBench(sendBuffer: 32 << 10, receiveBuffer: 8 << 10)
        let value = pattern(5_000)
        _ = try bench.node.reply(to: setCommand("k", value))
        let reply = valueReply("k", value) + bytes("END\r\n")
        var total = 0
        var wasBlockedCount = 0
        while total < 8_000_000 {
            if bench.connection.input.count < 4_000 {
                bench.send(String(repeating: "get k\r\n", count: 200))
            }
            bench.turn()
            let part = bench.receive(4_096)
            try #require(
                bench.connection.output.heldByteCount <= 8 * OutputBuffer.highWaterByteCount)
            if !bench.connection.output.isEmpty { wasBlockedCount += 1 }
            let first = reply[(total % reply.count)...]
            #expect(part.prefix(first.count).elementsEqual(first.prefix(part.count)))
            total += part.count
        }
        // It was as meant: there was always something pending.
        #expect(wasBlockedCount > 1_000)
    }

    @Test(
        "A peer whose socket takes all at once gets its replies in turns, between which others are served"
    )
    func quickReader() throws {
        let bench = try SocketBench()
        let value = pattern(31_000)
        _ = try bench.node.reply(to: setCommand("k", value))
        let count = 64
        bench.send(String(repeating: "get k\r\n", count: count))
        var counts: [UInt64] = []
        for _ in 0..<1_000 where bench.node.count(.getCommands) < count {
            bench.turn()
            if counts.last != bench.node.count(.getCommands) {
                counts.append(bench.node.count(.getCommands))
            }
            if !bench.connection.output.isEmpty { _ = bench.receive(4 << 20) }
        }
        // Four times the output's 64 KiB are three of these each.
        let steps = zip(counts.dropFirst(), counts).map { $0 - $1 }
        #expect(steps.allSatisfy { $0 <= 12 }, "\(counts)")
        #expect(bench.node.count(.getCommands) == count)
    }

    @Test("One turn of the loop sends a peer four times 64 KiB, though its socket takes more")
    func quickReaderTurn() throws {
        let bench = try SocketBench(sendBuffer: 1 << 20)
        _ = try bench.node.reply(to: setCommand("k", pattern(15_000)))
        bench.send(String(repeating: "get k\r\n", count: 64))
        bench.singleTurn()
        // The output's 64 KiB are five of these.
        let count = bench.node.count(.getCommands)
        #expect((5...20).contains(count))
    }

    private static let noop = BinaryPacket(0x0a).bytes

    private func replyCount(_ bench: SocketBench) -> Int? {
        BinaryReplyPacket.all(in: bench.receive(1_000))?.count
    }

    @Test("What fills the input several times is answered in one turn, and at most four times")
    func longBatch() throws {
        let bench = try SocketBench(batchBuffer: 1 << 20)
        let command = BinaryPacket.store(0x11, "k", pattern(3_000))
        func send(count: Int) throws {
            let batch = [[UInt8]](repeating: command, count: count).flatMap { $0 } + Self.noop
            try #require(bench.send(batch) == batch.count)
            bench.singleTurn()
        }
        try send(count: 12)
        #expect(replyCount(bench) == 1)
        #expect(bench.node.count(.setCommands) == 12)
        try send(count: 30)
        let inOneTurn = 4 * (InputBuffer.blockByteCount / command.count)
        #expect(bench.node.count(.setCommands) == UInt64(12 + inOneTurn))
        for _ in 0..<10 where bench.node.count(.setCommands) < 42 { bench.turn() }
        #expect(replyCount(bench) == 1)
    }

    @Test("A peer that fills the input and ends is answered")
    func endBehindFullInput() throws {
        let bench = try SocketBench(batchBuffer: 1 << 20)
        let fixedByteCount = BinaryPacket.store(0x11, "k", []).count + 2 * Self.noop.count
        let value = pattern(InputBuffer.blockByteCount - fixedByteCount)
        let batch = BinaryPacket.store(0x11, "k", value) + Self.noop + Self.noop
        try #require(bench.send(batch) == InputBuffer.blockByteCount)
        bench.endSending()
        bench.turn()
        #expect(replyCount(bench) == 2)
    }

    @Test("A large value is sent in turns of a megabyte, even if the peer's socket takes more")
    func largeValue() throws {
        let bench = try SocketBench()
        _ = try bench.node.reply(to: setCommand("k", pattern(1_000_000)))
        bench.send("get k k k k\r\n")
        var received = 0
        for _ in 0..<10_000 where received < 4_000_000 {
            bench.turn()
            received += bench.receive(8 << 20).count
        }
        #expect(received == 4 * (valueReply("k", []).count + 6 + 1_000_000) + 5)
    }

    @Test("A peer that takes a little of megabytes that the kernel holds for it is not idle")
    func smallProgress() throws {
        let bench = try SocketBench()
        _ = try bench.node.reply(to: setCommand("k", pattern(900_000)))
        bench.send(String(repeating: "get k\r\n", count: 40))
        for _ in 0..<100 { bench.turn() }
        let isEmpty = bench.connection.output.isEmpty
        #expect(!isEmpty)
        let clock = bench.node.space.clock
        #expect(!bench.isIdle(for: 60))
        clock.advance(seconds: 59)
        #expect(!bench.isIdle(for: 60))
        clock.advance(seconds: 1)
        // Less than what makes the socket writable again; the loop has no turn.
        var taken = 0
        while taken < 300_000 {
            let part = bench.receive(50_000)
            try #require(!part.isEmpty)
            taken += part.count
        }
        #expect(!bench.isIdle(for: 60))
        clock.advance(seconds: 59)
        #expect(!bench.isIdle(for: 60))
        clock.advance(seconds: 1)
        #expect(bench.isIdle(for: 60))
    }
}
