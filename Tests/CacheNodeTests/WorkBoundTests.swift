import MemcacheProtocol
import SessionMap
import Synchronization
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// What one peer may take of the time of a thread in a turn, whatever its commands are.
@Suite(.timeLimit(.minutes(10)))
struct WorkBoundTests {
    private func feed(_ connection: Connection, _ text: String, _ node: InProcessNode) {
        var left = bytes(text)[...]
        while !left.isEmpty {
            if connection.input.isFull { connection.input.grow() }
            let room = connection.input.room()
            let part = left.prefix(room.count)
            room.copyBytes(from: part)
            connection.noteReceived(direct: 0, buffered: part.count, now: node.now)
            left = left.dropFirst(part.count)
        }
    }

    /// Runs turns to the end, and calls `body` after each that was ended for others.
    private func run(
        _ connection: Connection, _ node: InProcessNode, _ body: () -> Void
    ) -> String {
        var reply: [UInt8] = []
        while true {
            let turn = connection.run(commandLimit: 20, now: node.now)
            if turn == .rested { body() }
            connection.output.send { pieces in
                guard case .one(let bytes) = pieces else { return 0 }
                reply += bytes
                return bytes.count
            }
            if turn == .needsInput || turn == .close { break }
        }
        return String(decoding: reply, as: UTF8.self)
    }

    @Test("While a get line of 512 KiB is served others have a turn after every 1,000 keys")
    func longRetrieval() throws {
        let node = try InProcessNode()
        _ = try node.reply(to: "set k 0 0 1\r\nx\r\n")
        let connection = node.makeConnection()
        let count = 20_500
        let line = "get" + String(repeating: " m", count: count - 1) + " k\r\nmn\r\n"
        feed(connection, line, node)
        var before: UInt64 = 0
        var turnCount = 0
        let reply = run(connection, node) {
            #expect(node.count(.getCommands) - before == 1_000)
            before = node.count(.getCommands)
            turnCount += 1
        }
        #expect(turnCount == count / 1_000)
        #expect(node.count(.getCommands) == UInt64(count))
        #expect(node.count(.connectionYields) == UInt64(turnCount))
        #expect(reply == "VALUE k 0 1\r\nx\r\nEND\r\nMN\r\n")
    }

    @Test(
        "A key that is too long is found wherever it stands in a long line, and 250 bytes are none")
    func longKeys() throws {
        let node = try InProcessNode()
        let longest = String(repeating: "y", count: 250)
        _ = try node.reply(to: "set \(longest) 0 0 1\r\nx\r\n")
        let error = "CLIENT_ERROR bad command line format\r\n"
        for before in 0..<252 {
            let start = "get" + String(repeating: " ", count: before % 7 + 1)
            let other = before == 0 ? "" : String(repeating: "a", count: min(before, 250)) + " "
            for (key, isTooLong) in [(longest, false), (longest + "y", true)] {
                for end in ["", " ", " b"] {
                    let reply = try node.reply(to: start + other + key + end + "\r\n")
                    let found = "VALUE \(longest) 0 1\r\nx\r\nEND\r\n"
                    #expect(reply == (isTooLong ? error : found), "\(before) \(key.count) '\(end)'")
                }
            }
        }
        let spaces = String(repeating: " ", count: 1_500)
        #expect(try node.reply(to: "get " + spaces + "\r\n") == error)
        #expect(try node.reply(to: "get " + spaces + "k" + spaces + "\r\n") == "END\r\n")
    }

    @Test("Behind each page of stats others have a turn")
    func pages() throws {
        let node = try InProcessNode()
        let connection = node.makeConnection()
        feed(connection, String(repeating: "stats reset\r\n", count: 30), node)
        var turnCount = 0
        let reply = run(connection, node) { turnCount += 1 }
        #expect(reply == String(repeating: "RESET\r\n", count: 30))
        // Behind the last one there is nothing to wait for.
        #expect(turnCount == 29)
    }

    @Test(
        "stats conns asks the kernel about some 64 connections in a turn, and leaves out who has gone"
    )
    func connections() throws {
        let node = try InProcessNode()
        let first: Int32 = 2_000_000
        node.worker.connections.withLock { connections in
            for descriptor in first..<(first + 1_000) {
                connections[descriptor] = ConnectionRecord(
                    descriptor: descriptor, of: node.space, now: 1)
            }
        }
        let connection = node.makeConnection()
        feed(connection, "stats conns\r\nmn\r\n", node)
        var turnCount = 0
        let reply = run(connection, node) {
            turnCount += 1
            guard turnCount == 1 else { return }
            node.worker.connections.withLock { connections in
                connections[first + 500] = nil
                // Its descriptor is another connection's by now.
                connections[first + 600] = ConnectionRecord(
                    descriptor: first + 600, of: node.space, now: 1)
            }
        }
        #expect(turnCount >= 1_000 / 64)
        let shown = reply.split(separator: "\r\n").filter { $0.hasSuffix(":state conn_read") }
        let numbers = shown.compactMap { Int32($0.dropFirst(5).prefix { $0 != ":" }) }
        #expect(
            numbers == (first..<(first + 1_000)).filter { $0 != first + 500 && $0 != first + 600 })
        #expect(reply.hasSuffix("END\r\nMN\r\n"))
        node.worker.connections.withLock { $0.removeAll() }
    }

    @Test("stats cachedump sees some 64 items under a shard's lock, and others have turns")
    func cachedump() throws {
        let node = try InProcessNode()
        for number in 0..<3_000 {
            _ = try node.reply(to: "set key\(number) 0 \(number % 2 * 100) 3\r\nabc\r\n")
        }
        func shown(_ limit: Int) -> (lines: [Substring], turnCount: Int) {
            let connection = node.makeConnection()
            feed(connection, "stats cachedump 1 \(limit)\r\nmn\r\n", node)
            var turnCount = 0
            var before = 0
            let reply = run(connection, node) {
                turnCount += 1
                let pending = connection.output.pendingByteCount
                #expect(pending - before < 8 * ItemWalk.itemsPerStep * 40)
                before = 0
            }
            #expect(reply.hasSuffix("END\r\nMN\r\n"))
            return (reply.split(separator: "\r\n").dropLast(2), turnCount)
        }
        let all = shown(0)
        #expect(all.lines.count == 3_000)
        #expect(Set(all.lines.map { $0.split(separator: " ")[1] }).count == 3_000)
        #expect(all.turnCount >= 3_000 / (8 * ItemWalk.itemsPerStep))
        #expect(all.lines.contains("ITEM key2 [3 b; 0 s]"))
        // The wall clock goes on, the node's stands still.
        let ends = node.now.wallSeconds + 100
        let line = try #require(all.lines.first { $0.hasPrefix("ITEM key3 [3 b; ") })
        #expect(
            ((ends - 60)...(ends + 60)).contains(Int64(line.split(separator: " ")[4]) ?? 0),
            "\(line)")
        for limit in [1, 63, 64, 65, 2_999, 3_000, 3_001] {
            #expect(shown(limit).lines.count == min(limit, 3_000))
        }
    }

    @Test("stats cachedump shows at most 2 MiB, whatever is asked for")
    func cachedumpBound() throws {
        var configuration = NodeConfiguration.small
        configuration.memoryByteCount = 8 << 20
        let node = try InProcessNode(configuration)
        let tail = String(repeating: "k", count: 240)
        for number in 0..<12_000 {
            _ = try node.reply(to: "set \(10_000 + number)\(tail) 0 0 0\r\n\r\n")
        }
        let reply = try node.reply(to: "stats cachedump 1 0\r\n")
        #expect(reply.utf8.count > 2 << 20)
        #expect(reply.utf8.count < 2 << 20 + 400)
        #expect(reply.hasSuffix("END\r\n"))
    }

    @Test("stats detail dump shows 64 prefixes at a time, sorted")
    func prefixes() throws {
        let node = try InProcessNode()
        _ = try node.reply(to: "stats detail on\r\n")
        for number in 0..<1_000 { _ = try node.reply(to: "get \(1_000 + number):x\r\n") }
        let connection = node.makeConnection()
        feed(connection, "stats detail dump\r\nmn\r\n", node)
        var turnCount = 0
        let reply = run(connection, node) { turnCount += 1 }
        #expect(turnCount >= 1_000 / 256)
        let wanted = (0..<1_000).map { "PREFIX \(1_000 + $0) get 1 hit 0 set 0 del 0\r\n" }
        #expect(reply == wanted.joined() + "END\r\nMN\r\n")
    }
}
