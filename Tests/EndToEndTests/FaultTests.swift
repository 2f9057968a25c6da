import Glibc
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct ConnectionLimitTests {
    /// As many served connections as are admitted.
    private func fill(_ node: RunningNode, _ count: Int) throws -> [SocketPeer] {
        try wait(for: "earlier connections to be closed") {
            try node.counter("curr_connections") == 1
        }
        var peers: [SocketPeer] = []
        while peers.count < count {
            let peer = try node.connect()
            try peer.send("version\r\n")
            let reply = try peer.receive(until: "\r\n")
            // The last one that asked for counters may not be gone yet.
            if reply.hasPrefix("VERSION ") { peers.append(peer) }
        }
        return peers
    }

    @Test(
        "One connection too many is told so and closed, and a free place is used again",
        arguments: [nil, "ulimit -Sn 40"])
    func refused(preparation: String?) throws {
        // A limit of open files as low as -c is what a shell and a container give.
        let node = try RunningNode.sojournd(
            ["-c", "40", "-t", "2"], preparation: preparation)
        var peers = try fill(node, 40)
        let before = try #require(try counter("rejected_connections", on: peers[0]))
        for _ in 0..<3 {
            let extra = try node.connect()
            #expect(try extra.receiveUntilEnd() == "ERROR Too many open connections\r\n")
        }
        #expect(try counter("rejected_connections", on: peers[0]) == before + 3)
        peers.removeLast().close()
        try wait(for: "a free place") {
            let peer = try node.connect()
            try peer.send("version\r\n")
            return try peer.receive(until: "\r\n").hasPrefix("VERSION ")
        }
    }

    private func counter(_ name: String, on peer: SocketPeer) throws -> Int? {
        let lines = try peer.ask("stats", until: "END\r\n").split(separator: "\r\n")
        let line = lines.first { $0.hasPrefix("STAT \(name) ") }
        return line.flatMap { Int($0.split(separator: " ")[2]) }
    }

    @Test("With no_maxconns_fast one connection too many waits until another closes")
    func waiting() throws {
        let node = try RunningNode.sojournd(["-c", "40", "-t", "2", "-o", "no_maxconns_fast"])
        var peers = try fill(node, 40)
        let extra = try node.connect()
        try extra.send("version\r\n")
        #expect(!extra.receive(isUnexpected: true))
        #expect(try counter("accepting_conns", on: peers[0]) == 0)
        peers.removeLast().close()
        #expect(try extra.receive(until: "\r\n").hasPrefix("VERSION "))
        #expect(try counter("listen_disabled_num", on: peers[0]) ?? 0 > 0)
    }

    @Test("A node out of descriptors goes on, and serves those who wait as soon as it can")
    func outOfDescriptors() throws {
        let node = try RunningNode.sojournd(["-t", "2", "-v"])
        let first = try node.connect()
        #expect(try first.ask("version").hasPrefix("VERSION "))
        // The descriptor by which a client asks for a shutdown, this connection, and two more.
        let reserved = try #require(try counter("reserved_fds", on: first))
        let result = try Program.run(
            "/usr/bin/prlimit",
            ["--pid", "\(node.program.processID)", "--nofile=\(reserved + 4)"])
        try #require(result.exit == .status(0), "\(result.errors)")
        var peers: [SocketPeer] = []
        for _ in 0..<8 {
            let peer = try node.connect()
            try peer.send("version\r\n")
            peers.append(peer)
        }
        // Who is connected is served meanwhile; accepting is tried again and again.
        try wait(for: "accept to fail") {
            try counter("listen_disabled_num", on: first) ?? 0 >= 2
        }
        #expect(try first.ask("set k 0 0 1\r\nx") == "STORED\r\n")
        // Each that is served and leaves makes room for the next.
        for peer in peers {
            #expect(try peer.receive(until: "\r\n").hasPrefix("VERSION "))
            peer.close()
        }
        #expect(try first.ask("get k", until: "END\r\n") == "VALUE k 0 1\r\nx\r\nEND\r\n")
    }

    @Test("Ten thousand connections that come and go at once leave nothing, and others are served")
    func crowd() throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        try #require(limit.rlim_max >= 12_000, "the limit of open files is too low for this")
        limit.rlim_cur = max(limit.rlim_cur, 12_000)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let node = try RunningNode.sojournd(["-t", "2", "-c", "10100"])
        // Without the map's own memory: nothing is stored beside one item.
        func privateByteCount() throws -> Int {
            let status = try #require(contents(of: "/proc/\(node.program.processID)/status"))
            let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
            let words = try #require(line).split(whereSeparator: \.isWhitespace)
            return try #require(Int(words[1])) << 10
        }
        let witness = try node.connect()
        #expect(try witness.ask("set k 0 0 1\r\nx") == "STORED\r\n")
        var sizes: [Int] = []
        for _ in 0..<5 {
            var peers: [SocketPeer] = []
            for number in 0..<10_000 {
                let peer = try node.connect()
                // Some ask something, some begin to, and some say nothing.
                if number % 3 == 0 { try peer.send("mn\r\n") }
                if number % 3 == 1 { try peer.send("get half of a li") }
                peers.append(peer)
            }
            #expect(try witness.ask("get k", until: "END\r\n") == "VALUE k 0 1\r\nx\r\nEND\r\n")
            for (number, peer) in peers.enumerated() {
                if number % 2 == 0 { peer.reset() } else { peer.close() }
            }
            #expect(try witness.ask("get k", until: "END\r\n") == "VALUE k 0 1\r\nx\r\nEND\r\n")
            try wait(for: "all of them to be gone") {
                try counter("curr_connections", on: witness) == 1
            }
            sizes.append(try privateByteCount())
        }
        #expect(try counter("rejected_connections", on: witness) == 0)
        // What the allocator keeps depends on how many were there at the same moment; a leak would be a kilobyte or
        // two of each connection, in every round.
        let growths = zip(sizes.dropFirst(), sizes).map { $0 - $1 }
        let least = try #require(growths.min())
        #expect(least < 10_000 * 300, "private bytes after each round: \(sizes)")
    }

    @Test("An idle connection is closed after idle_timeout, one in use is not")
    func idleTimeout() throws {
        let node = try RunningNode.sojournd(["-o", "idle_timeout=3600,debugtime"])
        let idle = try node.connect()
        let active = try node.connect()
        #expect(try idle.ask("version").hasPrefix("VERSION "))
        #expect(try active.ask("debugtime p") == "OK\r\n")
        #expect(try active.ask("debugtime 3599") == "OK\r\n")
        // The connection that moves the clock is active after that.
        #expect(try active.ask("version").hasPrefix("VERSION "))
        #expect(!idle.receive(isUnexpected: true))
        #expect(try active.ask("debugtime 1") == "OK\r\n")
        #expect(try active.ask("version").hasPrefix("VERSION "))
        #expect(try idle.receiveUntilEnd() == "")
        #expect(try counter("idle_kicks", on: active) == 1)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct PeerFaultTests {
    private static let value = [UInt8](repeating: UInt8(ascii: "v"), count: 1_000_000)

    @Test(
        "A peer that is gone inside a data block leaves the old value, and the node serves on",
        arguments: [10, 100_000])
    func goneInsideDataBlock(sentByteCount: Int) throws {
        let node = try RunningNode.sojournd()
        let other = try node.connect()
        #expect(try other.ask("set k 0 0 3\r\nold") == "STORED\r\n")
        for isReset in [false, true] {
            let peer = try node.connect()
            try peer.send("set k 0 0 1000000\r\n")
            try peer.send([UInt8](Self.value.prefix(sentByteCount)))
            if isReset { peer.reset() } else { peer.close() }
        }
        try wait(for: "the connections to be closed") {
            let lines = try other.ask("stats", until: "END\r\n")
            return lines.contains("STAT curr_connections 1\r\n")
        }
        #expect(try other.ask("get k", until: "END\r\n") == "VALUE k 0 3\r\nold\r\nEND\r\n")
    }

    @Test(
        "A peer that ends its sending while it is owed more than the kernel takes gets all of it",
        arguments: [40_000, 60_000])
    func endsSendingWhileOwed(byteCount: Int) throws {
        let node = try RunningNode.sojournd()
        let value = String(repeating: "v", count: byteCount)
        #expect(try node.connect().ask("set k 0 0 \(byteCount)\r\n\(value)") == "STORED\r\n")
        let peer = try SocketPeer(node.places[0], isNarrow: true)
        try peer.send("get k\r\n")
        // What the kernel takes is all that was sent, and the rest waits, when the end comes.
        try wait(for: "the reply to be stuck") {
            let page = try node.connect().ask("stats conns", until: "END\r\n")
            return page.contains("conn_mwrite")
        }
        peer.endSending()
        #expect(
            try peer.receiveUntilEnd() == "VALUE k 0 \(byteCount)\r\n\(value)\r\nEND\r\n")
    }

    @Test("A peer that is gone while it is owed replies does no harm")
    func goneWithoutReading() throws {
        let node = try RunningNode.sojournd()
        let other = try node.connect()
        try other.send("set k 0 0 1000000\r\n")
        try other.send(Self.value)
        #expect(try other.ask("") == "STORED\r\n")
        for isReset in [false, true] {
            let peer = try node.connect()
            try peer.send(String(repeating: "get k\r\n", count: 200))
            _ = peer.receive(isUnexpected: false)
            if isReset { peer.reset() } else { peer.close() }
        }
        try wait(for: "the connections to be closed") {
            let lines = try other.ask("stats", until: "END\r\n")
            return lines.contains("STAT curr_connections 1\r\n")
        }
        #expect(try other.ask("delete k") == "DELETED\r\n")
    }

    @Test("A writer that drips one byte at a time is served like any other")
    func drippingWriter() throws {
        let node = try RunningNode.sojournd()
        let peer = try node.connect()
        let input =
            "set k 5 0 28\r\nabcdefghij\r\n0123456789abcdef\r\nget k\r\ngets k l\r\nincr k 1\r\n"
            + "delete k\r\nmn\r\n"
        for byte in input.utf8 { try peer.send([byte]) }
        let reply = try peer.receive(until: "MN\r\n")
        let value = "VALUE k 5 28\r\nabcdefghij\r\n0123456789abcdef\r\nEND\r\n"
        #expect(reply.hasPrefix("STORED\r\n" + value + "VALUE k 5 28 "))
        #expect(
            reply.hasSuffix(
                "END\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
                    + "DELETED\r\nMN\r\n"))
    }

    @Test("A reader that takes nothing of 100 MB does not hold up others, nor cost the node memory")
    func slowReader() throws {
        let node = try RunningNode.sojournd(["-t", "1"])
        let other = try node.connect()
        try other.send("set k 0 0 1000000\r\n")
        try other.send(Self.value)
        #expect(try other.ask("") == "STORED\r\n")
        #expect(
            try other.ask("set small 0 0 20000\r\n" + String(repeating: "s", count: 20_000))
                == "STORED\r\n")
        let before = try residentByteCount(of: node)
        // 100 MB of pinned values wanted by one, 100 MB of copied ones by another.
        let slow = [try node.connect(), try node.connect()]
        try slow[0].send(String(repeating: "get k\r\n", count: 100))
        try slow[1].send(String(repeating: "get small\r\n", count: 5_000))
        for number in 0..<200 {
            #expect(try other.ask("set n 0 0 3\r\n\(100 + number)") == "STORED\r\n")
            #expect(
                try other.ask("get n", until: "END\r\n")
                    == "VALUE n 0 3\r\n\(100 + number)\r\nEND\r\n")
        }
        #expect(try residentByteCount(of: node) - before < 8 << 20)
        // In the end each gets all that it wanted.
        let wanted = [
            100 * (bytesOf("VALUE k 0 1000000\r\n") + 1_000_000 + 7),
            5_000 * (bytesOf("VALUE small 0 20000\r\n") + 20_000 + 7),
        ]
        for (peer, wanted) in zip(slow, wanted) {
            var total = 0
            while total < wanted, peer.receive(isUnexpected: false) {
                total += peer.received.count
                peer.received.removeAll(keepingCapacity: true)
            }
            #expect(total == wanted)
        }
    }

    @Test("A peer that goes on sending while it is owed more than it reads gets all its replies")
    func pipeliningSlowReader() throws {
        let node = try RunningNode.sojournd(["-t", "1"])
        let other = try node.connect()
        #expect(
            try other.ask("set k 0 0 30000\r\n" + String(repeating: "x", count: 30_000))
                == "STORED\r\n")
        let slow = try node.connect()
        var count = 0
        // One by one, until a reply does not fit the sockets' buffers any more.
        repeat {
            try slow.send("get k\r\n")
            count += 1
        } while try !other.ask("stats conns", until: "END\r\n").contains(":state conn_mwrite")
        // The output fills up, then there is more to come than an input buffer holds.
        try slow.send(String(repeating: "get k\r\n", count: 5))
        try slow.send(String(repeating: "mn\r\n", count: 10_000))
        for _ in 0..<50 { #expect(try other.ask("version").hasPrefix("VERSION ")) }
        let reply = "VALUE k 0 30000\r\n" + String(repeating: "x", count: 30_000) + "\r\nEND\r\n"
        let wanted = (count + 5) * bytesOf(reply) + 40_000
        var total = 0
        while total < wanted, slow.receive(isUnexpected: false) {
            total += slow.received.count
            slow.received.removeAll(keepingCapacity: true)
        }
        #expect(total == wanted)
    }

    private func bytesOf(_ text: String) -> Int { text.utf8.count }

    private func residentByteCount(of node: RunningNode) throws -> Int {
        let status = try #require(contents(of: "/proc/\(node.program.processID)/statm"))
        let pages = try #require(Int(status.split(separator: " ")[1]))
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    @Test("-B binary closes at the first byte of text, and answers a binary greeting")
    func binary() throws {
        let node = try RunningNode.sojournd(["-B", "binary"])
        let text = try node.connect()
        // No newline, and fewer bytes than a binary header has.
        try text.send("get some")
        #expect(try text.receiveUntilEnd() == "")
        let binary = try node.connect()
        try binary.send([0x80, 0x0b] + [UInt8](repeating: 0, count: 22))
        #expect(binary.receive(isUnexpected: false))
        #expect(BinaryReplyPacket.all(in: binary.received)?.map(\.value) == [Array("1.6.45".utf8)])
        #expect(!node.program.hasEnded)
    }

    @Test("Idle connections hold no buffers")
    func idleBuffers() throws {
        let node = try RunningNode.sojournd(["-t", "2"])
        let peers = try (0..<50).map { _ in try node.connect() }
        for peer in peers { #expect(try peer.ask("set k 0 0 1\r\nx") == "STORED\r\n") }
        // One in the middle of a line holds the only one.
        try peers[0].send("get k")
        let blockByteCount = 16_384
        try wait(for: "all buffers but one to be given back") {
            let all = try #require(try node.counter("read_buf_bytes"))
            let free = try #require(try node.counter("read_buf_bytes_free"))
            return all > 0 && all - free == blockByteCount
        }
        #expect(try peers[0].ask("", until: "END\r\n") == "VALUE k 0 1\r\nx\r\nEND\r\n")
    }

    @Test("Connections come and go by the hundred")
    func manyConnections() throws {
        let node = try RunningNode.sojournd(["-t", "2"])
        for round in 0..<5 {
            let peers = try (0..<100).map { _ in try node.connect() }
            for (number, peer) in peers.enumerated() {
                try peer.send("set k\(number) 0 0 1\r\n\(round)\r\nget k\(number)\r\n")
            }
            for (number, peer) in peers.enumerated() {
                #expect(
                    try peer.receive(until: "END\r\n")
                        == "STORED\r\nVALUE k\(number) 0 1\r\n\(round)\r\nEND\r\n")
            }
        }
        try wait(for: "the connections to be closed") {
            try node.counter("curr_connections") == 1
        }
        #expect(try node.counter("total_connections") ?? 0 >= 500)
    }
}
