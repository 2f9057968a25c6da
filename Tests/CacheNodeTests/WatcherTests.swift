import MemcacheProtocol
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// `watch`: who is told what, and what happens to those who do not listen.
@Suite(.timeLimit(.minutes(10)))
struct WatcherTests {
    private func lines(_ peer: InProcessPeer) -> [String] {
        do { try peer.receiveAll() } catch { Issue.record(error) }
        defer { peer.received.removeAll() }
        // CR LF would be one character of a text.
        return peer.received.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
    }

    private func watcher(_ node: InProcessNode, _ events: String) throws -> InProcessPeer {
        let peer = node.open()
        try peer.send(bytes("watch \(events)\r\n"))
        #expect(lines(peer) == ["OK\r"])
        return peer
    }

    /// What a line says under a name.
    private func value(_ name: String, _ line: String) -> Substring? {
        line.split(separator: " ").first { $0.hasPrefix("\(name)=") }?.dropFirst(name.count + 1)
    }

    @Test("Nobody is told of anything where nobody watches")
    func nobody() throws {
        let node = try InProcessNode()
        let all: WatchedEvents = [.ofItems, .connections, .foreign]
        #expect(!node.space.watchers.want(all))
        #expect(
            try node.reply(to: "set k 0 0 1\r\nx\r\nget k\r\ndelete k\r\n").hasSuffix("DELETED\r\n")
        )
        #expect(node.space.watchers.counts == Watchers.Counts())
        do {
            let connection = node.makeConnection()
            connection.input.room().copyBytes(from: bytes("watch mutations\r\n"))
            connection.noteReceived(direct: 0, buffered: 17, now: node.now)
            #expect(connection.run(commandLimit: 20, now: node.now) == .watching)
            #expect(node.space.watchers.want(.mutations))
            #expect(!node.space.watchers.want([.fetchers, .evictions, .deletions]))
        }
        // It is gone, and with it the wish.
        #expect(!node.space.watchers.want(all))
        #expect(node.space.watchers.counts.watcherCount == 0)
    }

    @Test("There are 20 watchers at most; when one goes, another may come")
    func limit() throws {
        let node = try InProcessNode()
        var connections = [Connection]()
        for _ in 0..<20 {
            let connection = node.makeConnection()
            connection.input.room().copyBytes(from: bytes("watch fetchers\r\n"))
            connection.noteReceived(direct: 0, buffered: 16, now: node.now)
            #expect(connection.run(commandLimit: 20, now: node.now) == .watching)
            connections.append(connection)
        }
        let refused = "WATCHER_TOO_MANY log watcher limit reached\r\n"
        #expect(try node.reply(to: "watch\r\nmn\r\n") == refused + "MN\r\n")
        #expect(node.space.watchers.counts.watcherCount == 20)
        connections.removeLast()
        #expect(try node.reply(to: "watch mutations\r\n") == "OK\r\n")
        #expect(try node.reply(to: "watch\r\n") == refused)
    }

    @Test("Each watcher is told what it asked for; lines have ascending numbers")
    func selection() throws {
        let node = try InProcessNode()
        let fetchers = try watcher(node, "fetchers")
        let mutations = try watcher(node, "mutations")
        let deletions = try watcher(node, "deletions")
        let all = try watcher(node, "fetchers mutations deletions")
        _ = try node.reply(to: "set k 0 0 1\r\nx\r\nget k\r\ndelete k\r\ndelete k\r\n")
        #expect(lines(mutations).compactMap { value("type", $0) } == ["item_store"])
        #expect(lines(deletions).compactMap { value("type", $0) } == ["deleted"])
        #expect(
            lines(fetchers).compactMap { value("status", $0) }
                == ["not_found", "found", "found", "not_found"])
        let told = lines(all)
        #expect(
            told.compactMap { value("type", $0) } == [
                "item_get", "item_store", "item_get", "item_get", "deleted", "item_get",
            ])
        let numbers = told.compactMap { value("gid", $0).flatMap { Int($0) } }
        #expect(numbers.count == 6 && numbers == numbers.sorted())
        #expect(node.space.watchers.counts.toldCount == 6)
        #expect(node.space.watchers.counts.sentCount == 12)
    }

    @Test("A line's time is the wall clock's, with six digits of a second")
    func time() throws {
        let node = try InProcessNode()
        let peer = try watcher(node, "fetchers")
        _ = try node.reply(to: "get k\r\n")
        // The clock stands still, at a whole second.
        #expect(lines(peer).compactMap { value("ts", $0) } == ["\(node.now.wallSeconds).000000"])
        var room = [UInt8](repeating: 0, count: EventLine.byteCountMax)
        let text = room.withUnsafeMutableBytes { room in
            let line = EventLine(room, wallMicroseconds: 1_700_000_000_000_405, number: 9)
            return String(decoding: room[..<line.count], as: UTF8.self)
        }
        #expect(text == "ts=1700000000.000405 gid=9")
    }

    @Test("An eviction tells of the item that went")
    func evictions() throws {
        let node = try InProcessNode()
        let peer = try watcher(node, "evictions")
        let value = String(repeating: "x", count: 100_000)
        _ = try node.reply(to: "set read 0 0 10\r\n0123456789\r\nget read\r\n")
        _ = try node.reply(to: "set first 0 1000 100000\r\n\(value)\r\n")
        node.space.clock.advance(seconds: 30)
        for number in 0..<60 {
            _ = try node.reply(to: "set k\(number) 0 0 100000\r\n\(value)\r\n")
        }
        let told = lines(peer)
        #expect(told.count > 20)
        #expect(told.count == Int(node.map.statistics(now: node.now.seconds).evictionCount))
        let line = try #require(told.first { $0.contains(" key=first ") })
        #expect(
            line.hasSuffix(
                " type=eviction key=first fetch=no ttl=970 la=30 clsid=1 size=100000"))
        let read = try #require(told.first { $0.contains(" key=read ") })
        #expect(read.hasSuffix(" key=read fetch=yes ttl=-1 la=30 clsid=1 size=10"))
    }

    // MARK: Who does not listen

    @Test("A watcher that does not read loses lines when its buffer is full, and is told how many")
    func skipped() throws {
        let node = try InProcessNode()
        let slow = try watcher(node, "fetchers")
        let quick = try watcher(node, "fetchers")
        var quickCount = 0
        let count = 10_000
        for number in 0..<count {
            _ = try node.reply(to: "get some-key-\(number)\r\n")
            if number % 100 == 99 { quickCount += lines(quick).count }
        }
        #expect(quickCount == count)
        let counts = node.space.watchers.counts
        #expect(counts.toldCount == UInt64(count))
        #expect(counts.skippedCount > 0)
        #expect(counts.sentCount + counts.skippedCount == UInt64(2 * count))
        let kept = lines(slow)
        #expect(kept.count == count - Int(counts.skippedCount))
        let keptByteCount = kept.reduce(0) { $0 + $1.utf8.count + 1 }
        #expect(keptByteCount <= Watchers.bufferByteCountMax)
        #expect(keptByteCount > Watchers.bufferByteCountMax - 200)
        #expect(!kept.contains { $0.contains("skipped") })
        // The next line has room again, and says what was lost.
        _ = try node.reply(to: "get more\r\nget again\r\n")
        let next = lines(slow)
        #expect(next.count == 3)
        #expect(next.first == "skipped=\(counts.skippedCount)")
        #expect(next.last?.contains(" key=again ") == true)
        // Keys that were kept are the first ones, none cut.
        for (number, line) in kept.enumerated() {
            #expect(value("key", line) == "some-key-\(number)")
        }
    }

    @Test("A watcher that reads in small pieces gets whole lines in order")
    func pieces() throws {
        let node = try InProcessNode()
        let peer = try watcher(node, "mutations")
        for number in 0..<3_000 {
            _ = try node.reply(to: "set k\(number) 0 0 1\r\nx\r\n")
            if number % 50 == 0 { peer.pull(777) }
            // What waits for the peer is the output's part and the buffer's.
            try peer.send([])
            #expect(peer.connection.output.pendingByteCount <= OutputBuffer.highWaterByteCount)
        }
        let told = lines(peer)
        #expect(told.count == 3_000)
        for (number, line) in told.enumerated() { #expect(value("key", line) == "k\(number)") }
    }

    @Test(
        "A watcher that has ended its sending is told what happens, and goes when another needs its place"
    )
    func halfClosed() throws {
        let node = try InProcessNode()
        let half = try watcher(node, "fetchers")
        try half.endSending()
        _ = try node.reply(to: "get k\r\n")
        #expect(lines(half).compactMap { value("key", $0) } == ["k"])
        #expect(!half.hasEnded)
        try #require(half.connection.state.watching).noteHalfClosed()
        let others = try (1..<Watchers.countMax).map { _ in try watcher(node, "fetchers") }
        #expect(!half.hasEnded && others.count == Watchers.countMax - 1)
        let newest = try watcher(node, "fetchers")
        #expect(lines(half) == [] && half.hasEnded)
        _ = try node.reply(to: "get l\r\n")
        #expect(lines(newest).compactMap { value("key", $0) } == ["l"])
        // Whoever listens keeps its place.
        #expect(
            try node.reply(to: "watch\r\n") == "WATCHER_TOO_MANY log watcher limit reached\r\n")
    }

    @Test("What a watcher sends is swallowed, whatever it is")
    func input() throws {
        let node = try InProcessNode()
        let peer = try watcher(node, "fetchers")
        try peer.send([UInt8](repeating: UInt8(ascii: "x"), count: 1_000_000))
        try peer.send(bytes("\r\nquit\r\nset k 0 0 1\r\nx\r\n"))
        #expect(!peer.hasEnded)
        #expect(lines(peer) == [])
        #expect(node.pool.lentCount == 0)
        #expect(node.space.watchers.counts.toldCount == 0)
    }
}

/// Telling from several threads.
@Suite(.timeLimit(.minutes(10)))
struct WatcherThreadTests {
    @Test("Lines of several threads are whole, and none is lost but those that are counted")
    func threads() async {
        let watchers = Watchers()
        guard let id = watchers.add(.fetchers, wakeUp: nil) else {
            Issue.record("no watcher")
            return
        }
        let threadCount = 4
        let lineCount = 20_000
        var taken: [UInt8] = []
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<threadCount {
                group.addTask {
                    for number in 0..<lineCount {
                        let line = "\(thread) \(number) \(watchers.nextNumber())\n"
                        Array(line.utf8).withUnsafeBytes { watchers.tell(.fetchers, $0) }
                    }
                }
            }
            group.addTask {
                // A second watcher comes and goes meanwhile.
                for _ in 0..<1_000 {
                    if let other = watchers.add(.mutations, wakeUp: nil) { watchers.remove(other) }
                }
            }
            while await group.next() != nil {}
        }
        while watchers.take(id, atMost: 1_000, { taken.append(contentsOf: $0) }) == .some {}
        let all = String(decoding: taken, as: UTF8.self).split(separator: "\n")
        // A short line may have found room where a longer one had not.
        let lines = all.filter { !$0.hasPrefix("skipped=") }
        let counts = watchers.counts
        #expect(counts.toldCount == UInt64(threadCount * lineCount))
        #expect(lines.count == Int(counts.sentCount))
        #expect(counts.sentCount + counts.skippedCount == counts.toldCount)
        var last = [Int](repeating: -1, count: threadCount)
        for line in lines {
            let numbers = line.split(separator: " ").compactMap { Int($0) }
            guard numbers.count == 3 else {
                Issue.record("a line in pieces: \(line)")
                return
            }
            #expect(numbers[1] > last[numbers[0]])
            last[numbers[0]] = numbers[1]
        }
    }
}
