import MemcacheProtocol
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// What one peer may take of a node's time and memory.
@Suite(.timeLimit(.minutes(10)))
struct BoundTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    // MARK: Turns

    private func feed(_ connection: Connection, _ text: String, _ node: InProcessNode) {
        connection.input.room().copyBytes(from: bytes(text))
        connection.noteReceived(direct: 0, buffered: text.utf8.count, now: node.now)
    }

    @Test("A turn ends after 20 commands if there are more, and the rest has its turns later")
    func turns() throws {
        let node = try InProcessNode()
        let connection = node.makeConnection()
        func run() -> Connection.Turn { connection.run(commandLimit: 20, now: node.now) }
        feed(connection, String(repeating: "mn\r\n", count: 19), node)
        #expect(run() == .needsInput)
        feed(connection, String(repeating: "mn\r\n", count: 20), node)
        #expect(run() == .needsInput)
        #expect(node.count(.connectionYields) == 0)
        feed(connection, String(repeating: "mn\r\n", count: 21), node)
        #expect(run() == .yielded)
        #expect(connection.output.pendingByteCount == 59 * 4)
        #expect(run() == .needsInput)
        #expect(connection.output.pendingByteCount == 60 * 4)
        #expect(node.count(.connectionYields) == 1)
        feed(connection, String(repeating: "mn\r\n", count: 50), node)
        #expect(run() == .yielded)
        #expect(run() == .yielded)
        #expect(run() == .needsInput)
        #expect(node.count(.connectionYields) == 3)
    }

    // MARK: Output

    @Test(
        "Nothing more is executed for a peer that does not read",
        arguments: [
            100, 20_000, 31_000, 40_000, 900_000,
        ])
    func outputFull(valueByteCount: Int) throws {
        let node = try InProcessNode()
        let value = pattern(valueByteCount)
        _ = try node.reply(to: setCommand("k", value))
        let reply = valueReply("k", value) + bytes("END\r\n")
        let peer = node.open()
        let count = 2_000
        try peer.send(bytes(String(repeating: "get k\r\n", count: count)))
        #expect(peer.turn == .outputFull)
        let pending = peer.connection.output.pendingByteCount
        #expect(pending >= OutputBuffer.highWaterByteCount)
        #expect(pending < OutputBuffer.highWaterByteCount + reply.count)
        // Sent piece by piece it stays so.
        var total = 0
        let isLarge = valueByteCount > 100_000
        while try peer.receivePart(of: isLarge ? 300_000 : 30_000), total < 20_000_000 {
            #expect(
                peer.connection.output.pendingByteCount
                    < OutputBuffer.highWaterByteCount + reply.count)
            total += peer.received.count
            peer.checkRepeats(of: reply, from: total - peer.received.count)
            peer.received.removeAll(keepingCapacity: true)
        }
        if total < 20_000_000 { #expect(total == reply.count * count) }
        #expect(node.pool.lentCount <= 2)
    }

    @Test("One get of many keys stops in the middle of its line when the output is full")
    func outputFullInsideLine() throws {
        let node = try InProcessNode()
        let value = pattern(10_000)
        _ = try node.reply(to: setCommand("k", value))
        let peer = node.open()
        try peer.send(bytes("get" + String(repeating: " k", count: 1_000) + "\r\nmn\r\n"))
        #expect(peer.turn == .outputFull)
        #expect(node.count(.getCommands) < 10)
        let reply = valueReply("k", value)
        var total = 0
        while try peer.receivePart(of: 50_000) {
            #expect(
                peer.connection.output.pendingByteCount
                    < OutputBuffer.highWaterByteCount + reply.count)
            total += peer.received.count
            if peer.received.suffix(4).elementsEqual("MN\r\n".utf8) { break }
            peer.received.removeAll(keepingCapacity: true)
        }
        #expect(total == reply.count * 1_000 + 5 + 4)
        #expect(node.count(.getCommands) == 1_000)
    }

    @Test("The output is full at 64 KiB and not a byte before")
    func highWater() throws {
        let node = try InProcessNode()
        for (pending, isFull) in [(65_535, false), (65_536, true), (65_537, true)] {
            let connection = node.makeConnection()
            connection.output.append([UInt8](repeating: 1, count: pending))
            feed(connection, "mn\r\n", node)
            let turn = connection.run(commandLimit: 20, now: node.now)
            #expect(turn == (isFull || pending + 4 >= 65_536 ? .outputFull : .needsInput))
            #expect(connection.output.pendingByteCount == pending + (isFull ? 0 : 4))
        }
    }

    // MARK: Input

    @Test(
        "A get line may be longer than any buffer: its keys are taken in parts",
        arguments: [
            Cuts.whole, .pieces(byteCount: 4_096), .random(seed: 3),
        ])
    func longRetrieval(cuts: Cuts) throws {
        let node = try InProcessNode()
        _ = try node.reply(to: "set present 5 0 2\r\nhi\r\n")
        let count = 80_000
        let keys = (0..<count).map { $0 % 1_000 == 7 ? "present" : "key-\($0)" }
        let input = bytes("get " + keys.joined(separator: " ") + "\r\nmn\r\n")
        #expect(input.count > ProtocolLimits.retrievalLineByteCountMax)
        let peer = node.open(cuts: cuts)
        try peer.send(input)
        // It never holds more than the one buffer of that size.
        #expect(peer.connection.input.capacity <= ProtocolLimits.retrievalLineByteCountMax)
        try peer.receiveAll()
        let found = String(repeating: "VALUE present 5 2\r\nhi\r\n", count: 80)
        #expect(text(peer.received) == found + "END\r\nMN\r\n")
        #expect(node.count(.getCommands) == UInt64(count))
        #expect(node.count(.getHits) == 80)
        #expect(node.pool.lentCount == 0)
        #expect(peer.connection.input.capacity == InputBuffer.blockByteCount)
    }

    @Test("A get line of 512 KiB is looked at as a whole, a longer one in parts")
    func retrievalBorder() throws {
        let limit = ProtocolLimits.retrievalLineByteCountMax
        for total in (limit - 1)...(limit + 1) {
            // The first key is there, the last one is too long: looked at as a whole, no value is
            // shown.
            let node = try InProcessNode()
            _ = try node.reply(to: "set k 0 0 1\r\nx\r\n")
            let tail = " " + String(repeating: "x", count: 251) + "\r\n"
            var line = "get k"
            let room = total - line.utf8.count - tail.utf8.count
            line += String(repeating: " aaaaaaa", count: room / 8)
            line += String(repeating: " ", count: room % 8) + tail
            #expect(line.utf8.count == total)
            let reply = try node.reply(to: line + "mn\r\n")
            let error = "CLIENT_ERROR bad command line format\r\nMN\r\n"
            #expect(reply == (total <= limit ? error : "VALUE k 0 1\r\nx\r\n" + error), "\(total)")
        }
    }

    @Test("A key that is too long in a later part ends the command, not the conversation")
    func longKeyInLaterPart() throws {
        for cuts in [Cuts.whole, .pieces(byteCount: 1_000), .random(seed: 5)] {
            let node = try InProcessNode()
            _ = try node.reply(to: "set k 0 0 1\r\nx\r\n")
            let many = String(repeating: " abcdefghi", count: 60_000)
            let long = String(repeating: "x", count: 251)
            let input = bytes("get k" + many + " " + long + many + " k\r\nmn\r\n")
            #expect(
                text(try node.reply(to: input, cuts: cuts))
                    == "VALUE k 0 1\r\nx\r\nCLIENT_ERROR bad command line format\r\nMN\r\n")
        }
    }

    @Test("gets in parts shows CAS uniques, and spaces without an end do no harm")
    func longGets() throws {
        let node = try InProcessNode()
        _ = try node.reply(to: "set k 0 0 1\r\nx\r\n")
        let spaces = String(repeating: " ", count: 600_000)
        let reply = try node.reply(to: "gets" + spaces + "k" + spaces + "\r\nmn\r\n")
        #expect(reply.hasPrefix("VALUE k 0 1 "))
        #expect(reply.hasSuffix("\r\nx\r\nEND\r\nMN\r\n"))
        let silent = try node.reply(to: "   get " + spaces + "k\r\n")
        #expect(silent == "")
    }

    @Test(
        "No input lets a connection grow beyond its bounds",
        arguments: [
            "get ", "gets ", "incr ", "set k 0 0 2147483645\r\n", "set k 0 0 900000\r\n", "\u{1}",
            " ", "gat 0 ",
        ])
    func endlessInput(start: String) throws {
        let node = try InProcessNode()
        let peer = node.open()
        try peer.send(bytes(start))
        for _ in 0..<40 {
            try peer.send([UInt8](repeating: UInt8(ascii: "a"), count: 50_000))
            #expect(peer.connection.input.capacity <= ProtocolLimits.retrievalLineByteCountMax)
            #expect(peer.connection.output.pendingByteCount < 1_000)
            #expect(node.pool.lentCount <= 2)
        }
        node.map.checkInvariants(now: node.now.seconds)
    }

    // MARK: Idle connections

    @Test("An idle connection holds no buffer")
    func idle() throws {
        let node = try InProcessNode()
        let peers = (0..<100).map { _ in node.open() }
        #expect(node.pool.lentCount == 0)
        for peer in peers {
            try peer.send(bytes("set k 0 0 1\r\nx\r\nget k\r\n"))
            try peer.receiveAll()
            #expect(peer.received.suffix(5).elementsEqual("END\r\n".utf8))
        }
        #expect(node.pool.lentCount == 0)
        // In the middle of a line it holds one, and gives it back.
        try peers[0].send(bytes("get k"))
        #expect(node.pool.lentCount == 1)
        try peers[0].send(bytes("\r\n"))
        try peers[0].receiveAll()
        #expect(node.pool.lentCount == 0)
    }

    @Test("A connection that was busy with large things is idle like any other")
    func idleAfterLarge() throws {
        let node = try InProcessNode()
        let peer = node.open()
        try peer.send(setCommand("k", pattern(500_000)))
        try peer.send(bytes("get" + String(repeating: " k", count: 20) + "\r\n"))
        try peer.send(bytes("get" + String(repeating: " missing", count: 50_000) + "\r\n"))
        try peer.receiveAll()
        #expect(node.pool.lentCount == 0)
        #expect(peer.connection.input.capacity == InputBuffer.blockByteCount)
        #expect(peer.connection.output.pendingByteCount == 0)
    }

    /// How many bytes it has sent; then it holds nothing.
    private static func sendAll(_ output: inout OutputBuffer) -> Int {
        var count = 0
        output.send { pieces in
            guard case .one(let bytes) = pieces else { return 0 }
            count += bytes.count
            return bytes.allSatisfy { $0 == 1 } ? bytes.count : 0
        }
        let heldByteCount = output.heldByteCount
        return heldByteCount == 0 ? count : -1
    }

    @Test("Who was sent more than a block holds begins with a large one, until that was too much")
    func largeBlocks() throws {
        let node = try InProcessNode()
        var output = OutputBuffer(pool: node.pool, map: node.map)
        var held: Int
        var sent: Int
        let part = [UInt8](repeating: 1, count: 10_000)
        output.append(part)
        held = output.heldByteCount
        #expect(held == BufferPool.blockByteCount)
        output.append(part)
        held = output.heldByteCount
        #expect(held == OutputBuffer.largeBlockByteCount)
        sent = Self.sendAll(&output)
        #expect(sent == 20_000)
        output.append(part)
        held = output.heldByteCount
        #expect(held == OutputBuffer.largeBlockByteCount)
        sent = Self.sendAll(&output)
        #expect(sent == 10_000)
        output.append(part)
        held = output.heldByteCount
        #expect(held == BufferPool.blockByteCount)
        // More than a large one holds.
        for _ in 0..<20 { output.append(part) }
        held = output.heldByteCount
        #expect(held < 4 * 210_000)
        sent = Self.sendAll(&output)
        #expect(sent == 210_000)
        #expect(node.pool.lentCount == 0)
    }

    @Test("The pool keeps at most 64 blocks for later")
    func pool() {
        let pool = BufferPool()
        for (count, kept) in [(63, 63), (64, 64), (65, 64)] {
            let blocks = (0..<count).map { _ in pool.borrow() }
            #expect(pool.lentCount == count)
            for block in blocks { pool.giveBack(block) }
            #expect(pool.lentCount == 0)
            #expect(pool.freeCount == kept)
        }
    }
}

extension InProcessPeer {
    /// Whether what was received are repetitions of `reply`, from a place on.
    func checkRepeats(of reply: [UInt8], from start: Int) {
        let first = reply[(start % reply.count)...]
        let count = min(first.count, received.count)
        #expect(received.prefix(count).elementsEqual(first.prefix(count)))
    }
}

extension OutputBuffer {
    mutating func append(_ array: [UInt8]) { array.withUnsafeBytes { append($0) } }
}
