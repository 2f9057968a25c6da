import Glibc
import TestSupport
import Testing

/// Peers that take their time, or say nothing more, and are served all the same.
@Suite(.timeLimit(.minutes(10)))
struct SlowPeerTests {
    private static let byteCount = 16_000_000

    /// A node of one thread with a value that no socket's buffers hold.
    private func nodeWithLargeValue(_ options: String = "debugtime") throws -> RunningNode {
        let node = try RunningNode.sojournd(["-t", "1", "-m", "64", "-I", "20m", "-o", options])
        let peer = try node.connect()
        try peer.send("set big 0 0 \(Self.byteCount)\r\n")
        try peer.send([UInt8](repeating: UInt8(ascii: "v"), count: Self.byteCount))
        #expect(try peer.ask("") == "STORED\r\n")
        return node
    }

    private static let replyByteCount = "VALUE big 0 16000000\r\n".utf8.count + byteCount + 7

    /// Takes at least so many bytes.
    private func take(_ byteCount: Int, from peer: SocketPeer) -> Int {
        var total = 0
        while total < byteCount, peer.receive(isUnexpected: false) {
            total += peer.received.count
            peer.received.removeAll(keepingCapacity: true)
        }
        return total
    }

    @Test(
        "idle_timeout spares who is reading a large value slowly, and closes who has stopped reading"
    )
    func idleWhileReading() throws {
        let node = try nodeWithLargeValue("idle_timeout=3600,output_timeout=0,debugtime")
        let control = try node.connect()
        #expect(try control.ask("debugtime p") == "OK\r\n")
        let (slow, stalled, witness) = (try node.connect(), try node.connect(), try node.connect())
        for peer in [slow, stalled, witness] {
            #expect(try peer.ask("version").hasPrefix("VERSION "))
        }
        for peer in [slow, stalled] {
            peer.received.removeAll()
            try peer.send("get big\r\n")
        }
        try wait(for: "both to be owed more than their sockets take") {
            let page = try control.ask("stats conns", until: "END\r\n")
            return page.split(separator: "\r\n").count { $0.hasSuffix(":state conn_mwrite") } == 2
        }
        #expect(try control.ask("debugtime 3000") == "OK\r\n")
        // More than the buffers of both sockets held: the node has sent some of it since.
        var total = take(12_000_000, from: slow)
        #expect(try control.ask("debugtime 700") == "OK\r\n")
        // All that are idle go at the same moment.
        #expect(try witness.receiveUntilEnd() == "")
        total += take(Self.replyByteCount - total, from: slow)
        #expect(total == Self.replyByteCount)
        #expect(try slow.ask("version").hasPrefix("VERSION "))
        #expect(take(.max, from: stalled) < Self.replyByteCount)
        #expect(stalled.hasEnded)
        #expect(try node.counter("idle_kicks") == 2)
    }

    @Test(
        "A peer that has ended its sending gets all it is owed, however much its socket has to wait for"
    )
    func halfClosed() throws {
        let node = try nodeWithLargeValue()
        let peer = try node.connect()
        try peer.send("get big\r\nget big\r\n")
        peer.endSending()
        // It begins to read when the node knows that nothing more will come.
        let other = try node.connect()
        for _ in 0..<20 { #expect(try other.ask("version").hasPrefix("VERSION ")) }
        #expect(take(.max, from: peer) == 2 * Self.replyByteCount)
        #expect(peer.hasEnded)
        #expect(try node.counter("curr_connections") ?? 9 <= 2)
    }

    @Test("A peer that has ended its sending gets the whole of a dump and of a long page")
    func halfClosedListing() throws {
        let node = try RunningNode.sojournd(["-t", "1", "-o", "show_keys"])
        let filling = try node.connect()
        let sets = (0..<20_000).map { "set session:\($0) 0 0 1 noreply\r\nx\r\n" }
        try filling.send(sets.joined())
        #expect(try filling.ask("mn") == "MN\r\n")
        for (command, end) in [
            ("lru_crawler mgdump all", "EN\r\n"), ("stats cachedump 1 0", "END\r\n"),
        ] {
            let peer = try node.connect()
            try peer.send(command + "\r\n")
            peer.endSending()
            let reply = try peer.receiveUntilEnd()
            #expect(reply.hasSuffix(end), "\(command)")
            #expect(reply.split(separator: "\r\n").count { $0.contains("session:") } == 20_000)
        }
    }

    @Test("Who takes nothing for a minute is dropped and holds no memory; who reads slowly stays")
    func outputTimeout() throws {
        let node = try nodeWithLargeValue()
        let control = try node.connect()
        #expect(try control.ask("debugtime p") == "OK\r\n")
        let (slow, stalled) = (try node.connect(), try node.connect())
        for peer in [slow, stalled] { try peer.send("get big\r\n") }
        try wait(for: "both to be owed more than their sockets take") {
            let page = try control.ask("stats conns", until: "END\r\n")
            return page.split(separator: "\r\n").count { $0.hasSuffix(":state conn_mwrite") } == 2
        }
        #expect(try node.counter("pinned_bytes") ?? 0 >= Self.byteCount)
        #expect(try control.ask("debugtime 50") == "OK\r\n")
        // More than the buffers of both sockets held: the node has sent some of it since.
        var total = take(12_000_000, from: slow)
        #expect(try control.ask("debugtime 20") == "OK\r\n")
        try wait(for: "the end of who reads nothing") {
            try node.counter("output_timeouts") == 1
        }
        total += take(Self.replyByteCount - total, from: slow)
        #expect(total == Self.replyByteCount)
        #expect(try slow.ask("version").hasPrefix("VERSION "))
        #expect(take(.max, from: stalled) < Self.replyByteCount)
        #expect(stalled.hasEnded)
        #expect(try node.counter("pinned_bytes") == 0)
        let settings = try control.ask("stats settings", until: "END\r\n")
        #expect(settings.contains("STAT output_timeout 60\r\n"))
    }

    @Test(
        "Values that do not arrive give way to others' after some seconds; their senders are told")
    func valuesThatGiveWay() throws {
        let node = try RunningNode.sojournd(["-t", "2", "-m", "8", "-o", "debugtime"])
        let control = try node.connect()
        #expect(try control.ask("debugtime p") == "OK\r\n")
        let count = 1_000_000
        let value = [UInt8](repeating: UInt8(ascii: "v"), count: count)
        var peers: [SocketPeer] = []
        for number in 0..<4 {
            let peer = try node.connect()
            try peer.send("set late\(number) 0 0 \(count)\r\n")
            try peer.send(Array(value[..<(count - 5)]))
            peers.append(peer)
        }
        try wait(for: "them to hold half of the memory") {
            try node.counter("held_bytes") ?? 0 > 3 * count
        }
        func store() throws -> String {
            try control.send("set mine 0 0 \(count)\r\n")
            try control.send(value)
            return try control.ask("")
        }
        #expect(try store() == "SERVER_ERROR out of memory storing object\r\n")
        // A value may be on its way for a moment.
        #expect(try control.ask("debugtime 4") == "OK\r\n")
        #expect(try store() == "SERVER_ERROR out of memory storing object\r\n")
        #expect(try node.counter("holders_dropped") == 0)
        #expect(try control.ask("debugtime 2") == "OK\r\n")
        #expect(try store() == "SERVER_ERROR out of memory storing object\r\n")
        try wait(for: "the first ones to be given up") {
            try node.counter("holders_dropped") ?? 0 > 0
        }
        #expect(try store() == "STORED\r\n")
        let replies = try peers.map { peer in
            try peer.send("vvvvv")
            return try peer.ask("")
        }
        let refused = replies.count { $0 == "SERVER_ERROR out of memory storing object\r\n" }
        #expect(refused > 0 && replies.count { $0 == "STORED\r\n" } == 4 - refused)
        for peer in peers { #expect(try peer.ask("mn") == "MN\r\n") }
        #expect(try node.counter("held_bytes") == 0)
    }

    @Test("Who is slow to read what others need the memory of is closed after some seconds")
    func readersThatGiveWay() throws {
        let node = try nodeWithLargeValue()
        let control = try node.connect()
        #expect(try control.ask("debugtime p") == "OK\r\n")
        let stalled = try node.connect()
        try stalled.send("get big\r\n")
        try wait(for: "it to be owed more than its socket takes") {
            try node.counter("pinned_bytes") ?? 0 > 0
        }
        #expect(try control.ask("delete big") == "DELETED\r\n")
        #expect(try control.ask("debugtime 6") == "OK\r\n")
        // Nobody needs it yet: 16 of 64 MB are below a half. Together with this value they are not.
        func store() throws -> String {
            try control.send("set mine 0 0 19000000\r\n")
            try control.send([UInt8](repeating: UInt8(ascii: "v"), count: 19_000_000))
            return try control.ask("")
        }
        #expect(try node.counter("holders_dropped") == 0)
        let error = "SERVER_ERROR out of memory storing object\r\n"
        #expect(try store() == error)
        try wait(for: "its end") { try node.counter("holders_dropped") == 1 }
        #expect(try store() == "STORED\r\n")
        #expect(take(.max, from: stalled) < Self.replyByteCount)
        #expect(stalled.hasEnded)
        #expect(try node.counter("held_bytes") == 0)
    }

    @Test("A watcher is told within milliseconds, not at the end of a second")
    func watcherLatency() throws {
        let node = try RunningNode.sojournd(["-t", "2", "-o", "show_keys"])
        let watcher = try node.connect()
        #expect(try watcher.ask("watch fetchers") == "OK\r\n")
        let other = try node.connect()
        let begin = ContinuousClock.now
        for number in 0..<12 {
            #expect(try other.ask("get k\(number)", until: "END\r\n") == "END\r\n")
            #expect(try watcher.receive(until: "\n").contains("key=k\(number) "))
        }
        // Once a second would make it twelve, or eleven.
        #expect(ContinuousClock.now - begin < .seconds(6))
    }

    @Test("A watcher that has ended its sending, as behind `echo watch | nc`, is told what happens")
    func halfClosedWatcher() throws {
        let node = try RunningNode.sojournd(["-t", "2", "-o", "show_keys"])
        let other = try node.connect()
        let watcher = try node.connect()
        try watcher.send("watch fetchers\r\n")
        watcher.endSending()
        #expect(try watcher.receive(until: "\r\n") == "OK\r\n")
        for key in ["first", "second"] {
            #expect(try other.ask("get \(key)", until: "END\r\n") == "END\r\n")
            #expect(try watcher.receive(until: "\n").contains("type=item_get key=\(key) "))
        }
        #expect(try other.ask("stats", until: "END\r\n").contains("STAT log_watchers 1\r\n"))
        // When it has gone for good, the next lines tell the node so.
        watcher.close()
        try wait(for: "the watcher to be missed") {
            _ = try other.ask("get k", until: "END\r\n")
            return try other.ask("stats", until: "END\r\n").contains("STAT log_watchers 0\r\n")
        }
    }

    @Test(
        "A watcher on a Unix socket that has gone gives its place back at once, though nothing happens"
    )
    func goneWatcher() throws {
        let directory = try TemporaryDirectory()
        let node = try RunningNode.sojournd(["-t", "1", "-s", directory.path + "/socket"])
        let watcher = try node.connect()
        #expect(try watcher.ask("watch fetchers") == "OK\r\n")
        watcher.endSending()
        let other = try node.connect()
        #expect(try other.ask("stats", until: "END\r\n").contains("STAT log_watchers 1\r\n"))
        watcher.close()
        try wait(for: "the place") {
            try other.ask("stats", until: "END\r\n").contains("STAT log_watchers 0\r\n")
        }
    }
}
