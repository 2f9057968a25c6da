import Glibc
import TestSupport
import Testing

/// Dumps and watchers over real sockets: what they cost others, and who may have them.
@Suite(.timeLimit(.minutes(10)))
struct OperatorTests {
    /// Stores many small items by few system calls.
    private func fill(_ node: RunningNode, _ count: Int) throws {
        let peer = try node.connect()
        for start in stride(from: 0, to: count, by: 1_000) {
            let sets = (start..<min(start + 1_000, count)).map {
                "set session:\($0) 0 0 10 noreply\r\n0123456789\r\n"
            }
            try peer.send(sets.joined())
        }
        #expect(try peer.ask("mn") == "MN\r\n")
    }

    private func residentByteCount(of node: RunningNode) throws -> Int {
        let status = try #require(contents(of: "/proc/\(node.program.processID)/statm"))
        let pages = try #require(Int(status.split(separator: " ")[1]))
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    private func lines(_ bytes: [UInt8]) -> [Substring] {
        String(decoding: bytes, as: UTF8.self).split(whereSeparator: { $0.isNewline })
    }

    // MARK: Dumps

    @Test("While somebody reads a dump as fast as it comes, others are served by the same thread")
    func dumpBesideOthers() throws {
        let node = try RunningNode.sojournd(["-t", "1", "-o", "show_keys"])
        let count = 60_000
        try fill(node, count)
        let reader = try node.connect()
        let other = try node.connect()
        try reader.send("lru_crawler metadump all\r\nversion\r\n")
        var servedCount = 0
        // Both are asked in turns; the reader is never waited for.
        while !reader.received.suffix(20).elementsEqual("END\r\nVERSION 1.6.45\r\n".utf8.suffix(20))
        {
            #expect(try other.ask("get session:7", until: "END\r\n").hasPrefix("VALUE session:7 "))
            servedCount += 1
            while reader.receive(milliseconds: 0) {}
        }
        // A turn of a dump has some 256 items.
        #expect(servedCount > count / 1_024)
        let keys = lines(reader.received).filter { $0.hasPrefix("key=") }
        #expect(keys.count == count)
        #expect(Set(keys.map { $0.split(separator: " ")[0] }).count == count)
    }

    @Test(
        "A dump that nobody reads costs little memory, holds up nobody, and ends with its connection"
    )
    func dumpThatNobodyReads() throws {
        let node = try RunningNode.sojournd(["-t", "1", "-o", "show_keys"])
        try fill(node, 60_000)
        let other = try node.connect()
        let before = try residentByteCount(of: node)
        let stalled = try node.connect()
        try stalled.send("lru_crawler metadump all\r\n")
        let busy = "BUSY currently processing crawler request\r\n"
        for number in 0..<200 {
            #expect(try other.ask("set n 0 0 3\r\n\(100 + number)") == "STORED\r\n")
        }
        #expect(try other.ask("lru_crawler mgdump all") == busy)
        #expect(try residentByteCount(of: node) - before < 2 << 20)
        #expect(try other.ask("stats conns", until: "END\r\n").contains(":state conn_mwrite"))
        stalled.reset()
        try wait(for: "the next dump to be allowed") {
            try other.ask("lru_crawler mgdump 9") != busy
        }
    }

    @Test("On a Unix socket keys are shown, over TCP only on request; -X has the last word")
    func whoMaySeeKeys() throws {
        let directory = try TemporaryDirectory()
        let unix = ["-s", directory.path + "/socket"]
        let cases: [(flags: [String], isAllowed: Bool)] = [
            ([], false), (["-l", "127.0.0.1"], false), (["-o", "show_keys"], true), (unix, true),
            (unix + ["-X"], false), (["-o", "show_keys", "-X"], false),
        ]
        for (flags, isAllowed) in cases {
            let node = try RunningNode.sojournd(flags + ["-v"])
            defer { node.program.end() }
            let peer = try node.connect()
            let reply = try peer.ask("lru_crawler mgdump 9")
            #expect(
                reply.hasPrefix(isAllowed ? "OK\r\n" : "ERROR key dump not allowed\r\n"),
                "\(flags)")
            if !isAllowed {
                try wait(for: "the reason") { node.program.errors.contains("show_keys") }
            }
            let watcher = try node.connect()
            #expect(try watcher.ask("watch evictions").hasPrefix("OK") == isAllowed, "\(flags)")
        }
    }

    // MARK: Watchers

    @Test("Watchers are told by every worker, and one that does not read costs nobody anything")
    func watchers() throws {
        let node = try RunningNode.sojournd(["-t", "2", "-o", "show_keys"])
        // Dealt to the workers in turn: each has a watcher and a peer that works.
        let quick = [try node.connect(), try node.connect()]
        for peer in quick { #expect(try peer.ask("watch mutations") == "OK\r\n") }
        let working = [try node.connect(), try node.connect()]
        let silent = [try node.connect(), try node.connect()]
        for peer in silent { try peer.send("watch fetchers mutations\r\n") }
        try wait(for: "four watchers") { try node.counter("log_watchers") == 4 }
        let before = try residentByteCount(of: node)
        let roundCount = 60
        var seenByteCounts = [0, 0]
        for round in 0..<roundCount {
            for (number, peer) in working.enumerated() {
                let sets = (0..<500).map { "set k\(number)-\(round)-\($0) 0 0 1\r\nx\r\n" }
                try peer.send(sets.joined())
            }
            for peer in working {
                #expect(
                    try peer.receive(until: String(repeating: "STORED\r\n", count: 500)).count
                        == 8 * 500 - 500)
            }
            // One that lags behind, as on a busy machine, would be one that does not read.
            for (number, peer) in quick.enumerated() {
                var missingCount = 2 * 500
                try wait(for: "the lines of round \(round)") {
                    while peer.receive(milliseconds: 0) {}
                    let fresh = peer.received[seenByteCounts[number]...]
                    missingCount -= fresh.count { $0 == UInt8(ascii: "\n") }
                    seenByteCounts[number] = peer.received.count
                    return missingCount <= 0
                }
            }
        }
        #expect(try residentByteCount(of: node) - before < 8 << 20)
        let count = 2 * 500 * roundCount
        for peer in quick {
            try wait(for: "every line") {
                while peer.receive(milliseconds: 0) {}
                return lines(peer.received).count >= count
            }
            let keys = lines(peer.received).compactMap { line in
                line.split(separator: " ").first { $0.hasPrefix("key=") }
            }
            #expect(keys.count == count)
            #expect(Set(keys).count == count)
        }
        // Of the silent ones' lines, all that the sockets' buffers do not hold.
        let told = try #require(try node.counter("log_worker_written"))
        #expect(told == 2 * count)
        let sent = try #require(try node.counter("log_watcher_sent"))
        let skipped = try #require(try node.counter("log_watcher_skipped"))
        #expect(skipped > 0)
        #expect(sent + skipped == 2 * told + 2 * count)
        // When one begins to read, it learns how much it missed.
        _ = silent[1]
        var seenCount = 0
        try wait(for: "the number of lines that were skipped") {
            _ = try working[0].ask("get none", until: "END\r\n")
            while silent[0].receive(milliseconds: 0) {}
            seenCount = lines(silent[0].received).count
            return lines(silent[0].received).contains { $0.hasPrefix("skipped=") }
        }
        let note = try #require(lines(silent[0].received).first { $0.hasPrefix("skipped=") })
        #expect(Int(note.dropFirst(8)) ?? 0 > 0)
        #expect(seenCount < told)
    }

    @Test("The 21st watcher is refused until one of the others has gone")
    func watcherLimit() throws {
        let node = try RunningNode.sojournd(["-t", "2", "-o", "show_keys"])
        var watchers: [SocketPeer] = []
        for _ in 0..<20 {
            let peer = try node.connect()
            #expect(try peer.ask("watch") == "OK\r\n")
            watchers.append(peer)
        }
        let one = try node.connect()
        let refused = "WATCHER_TOO_MANY log watcher limit reached\r\n"
        #expect(try one.ask("watch connevents") == refused)
        // It is a connection like any other still.
        #expect(try one.ask("version").hasPrefix("VERSION "))
        watchers.removeLast().close()
        try wait(for: "a place") { try one.ask("watch") != refused }
        #expect(try node.counter("log_watchers") == 20)
    }

    @Test("Watchers of connections see them come and go, and why")
    func connections() throws {
        let node = try RunningNode.sojournd(["-t", "1", "-A", "-o", "idle_timeout=1"])
        let watcher = try node.connect()
        #expect(try watcher.ask("watch connevents") == "OK\r\n")
        let place = "rip=127.0.0.1 rport=[0-9]+ transport=tcp"
        /// What the watcher is told of a connection that `body` opens and ends.
        func told(_ body: (SocketPeer) throws -> Void) throws -> String {
            watcher.received.removeAll()
            try body(try node.connect())
            try wait(for: "the connection's end") {
                while watcher.receive(milliseconds: 0) {}
                return lines(watcher.received).contains { $0.contains(" type=conn_close ") }
            }
            let text = String(decoding: watcher.received, as: UTF8.self)
            #expect(try text.contains(Regex(" type=conn_new \(place) cfd=[0-9]+\n")), "\(text)")
            let pattern = " type=conn_close \(place) reason=([a-z_]+) cfd=[0-9]+\n"
            let match = try text.firstMatch(of: Regex(pattern, as: (Substring, Substring).self))
            return String(try #require(match, "\(text)").output.1)
        }
        #expect(try told { $0.close() } == "normal")
        #expect(try told { try $0.send("quit\r\n") } == "normal")
        #expect(try told { try $0.send("GET / HTTP/1.1\r\n") } == "error")
        #expect(try told { try $0.send([UInt8](repeating: 65, count: 3_000)) } == "error")
        #expect(
            try told { peer in
                _ = try peer.ask("version")
                peer.reset()
            } == "error")
        // The watcher itself is never idle for too long.
        var kept: SocketPeer?
        #expect(try told { kept = $0 } == "idle_timeout")
        kept?.close()
    }

    @Test("A watcher on a Unix socket sees where its peers are")
    func unixSocket() throws {
        let directory = try TemporaryDirectory()
        let node = try RunningNode.sojournd(["-s", directory.path + "/socket", "-t", "1"])
        let watcher = try node.connect()
        #expect(try watcher.ask("watch connevents") == "OK\r\n")
        _ = try node.connect()
        let text = try watcher.receive(until: "\n")
        #expect(text.contains(" type=conn_new rip=unix rport=0 transport=local cfd="))
    }

    @Test("A node ends in order while it dumps and is watched")
    func shutdown() throws {
        let node = try RunningNode.sojournd(["-t", "2", "-A", "-o", "show_keys"])
        try fill(node, 30_000)
        let watchers = try (0..<4).map { _ in try node.connect() }
        for peer in watchers { try peer.send("watch fetchers mutations connevents evictions\r\n") }
        let reader = try node.connect()
        try reader.send("lru_crawler metadump all\r\n")
        let other = try node.connect()
        for _ in 0..<20 { _ = try other.ask("get session:7", until: "END\r\n") }
        try other.send("shutdown\r\n")
        #expect(try node.program.waitForExit() == .status(0))
    }

    // MARK: Memory

    @Test("cache_memlimit evicts what is above a lower limit at once, and a higher one holds more")
    func memoryLimit() throws {
        let node = try RunningNode.sojournd(["-m", "32", "-I", "512k"])
        let peer = try node.connect()
        let value = String(repeating: "x", count: 100_000)
        func store(_ count: Int, _ prefix: String) throws {
            for number in 0..<count {
                #expect(
                    try peer.ask("set \(prefix)\(number) 0 0 100000\r\n\(value)") == "STORED\r\n")
            }
        }
        try store(250, "k")
        #expect(try node.counter("evictions") == 0)
        #expect(try peer.ask("cache_memlimit 8") == "OK\r\n")
        try wait(for: "what is above the limit to go") {
            try node.counter("bytes") ?? 0 <= 8 << 20
        }
        let left = try #require(try node.counter("curr_items"))
        #expect(try node.counter("evictions") == 250 - left)
        #expect(left > 60)
        // The newest have stayed, and the pages of statistics know the limit.
        #expect(try peer.ask("get k0", until: "END\r\n") == "END\r\n")
        #expect(try peer.ask("get k249", until: "END\r\n").hasPrefix("VALUE k249 "))
        #expect(try peer.ask("stats slabs", until: "END\r\n").contains("STAT 1:total_pages 8\r\n"))
        #expect(
            try peer.ask("stats settings", until: "END\r\n").contains("STAT maxbytes 8388608\r\n"))
        #expect(try peer.ask("cache_memlimit 64") == "OK\r\n")
        try store(500, "more")
        #expect(try node.counter("evictions") == 250 - left)
        #expect(try node.counter("curr_items") == left + 500)
    }

    private static let refusal = "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"

    /// Sessions of 1,000 bytes, read back.
    private func addUsers(_ numbers: Range<Int>, to node: RunningNode) throws {
        let peer = try node.connect()
        let value = String(repeating: "u", count: 1_000)
        for start in stride(from: numbers.lowerBound, to: numbers.upperBound, by: 500) {
            let part = start..<min(start + 500, numbers.upperBound)
            let sets = part.map { "set user-\($0) 0 0 1000 noreply\r\n\(value)\r\n" }
            _ = try peer.ask(sets.joined() + "mn", until: "MN\r\n")
        }
        #expect(try peer.ask("debugtime 2") == "OK\r\n")
        #expect(try usersLeft(numbers, on: node) == numbers.count)
    }

    private func usersLeft(_ numbers: Range<Int>, on node: RunningNode) throws -> Int {
        let peer = try node.connect()
        var count = 0
        for start in stride(from: numbers.lowerBound, to: numbers.upperBound, by: 500) {
            let part = start..<min(start + 500, numbers.upperBound)
            let text = try peer.ask(
                part.map { "mg user-\($0) s\r\n" }.joined() + "mn", until: "MN\r\n")
            count += text.split(separator: "\r\n").count { $0 == "HD s1000" }
        }
        return count
    }

    private func blockByteCount(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_blocks) * 512 : -1
    }

    @Test(
        "A lower limit gives memory back to the system within seconds, and logs no user out for it")
    func memoryGoesBack() throws {
        let node = try RunningNode.sojournd(["-m", "64", "-o", "debugtime"])
        let peer = try node.connect()
        try addUsers(0..<20_000, to: node)
        let bots = (0..<35_000).map { "set bot-\($0) 0 0 900 noreply\r\n" }
        let value = String(repeating: "b", count: 900)
        for start in stride(from: 0, to: bots.count, by: 500) {
            let part = bots[start..<start + 500].map { $0 + value + "\r\n" }
            _ = try peer.ask(part.joined() + "mn", until: "MN\r\n")
        }
        func residentByteCount() throws -> Int {
            let status = contents(of: "/proc/\(node.program.processID)/status") ?? ""
            let line = try #require(
                status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
            return try #require(Int(line.split(whereSeparator: { $0 == " " || $0 == "\t" })[1]))
                << 10
        }
        let before = try residentByteCount()
        #expect(before > 55 << 20)
        #expect(try peer.ask("cache_memlimit 24") == "OK\r\n")
        #expect(try node.counter("limit_maxbytes") == 24 << 20)
        try wait(for: "the memory to go back") { try residentByteCount() < before - (28 << 20) }
        #expect(try node.counter("released_bytes") ?? 0 > 38 << 20)
        #expect(try node.counter("evicted_live_proven") == 0)
        #expect(try usersLeft(0..<20_000, on: node) == 20_000)
        try wait(for: "the log") {
            node.program.errors.contains(
                "the memory limit is 24 MB, after 64; what is above goes, unproven items first")
        }
        #expect(try peer.ask("cache_memlimit 7").hasPrefix("MEMLIMIT_TOO_SMALL"))
        #expect(try peer.ask("cache_memlimit 2000") == Self.refusal)
        try wait(for: "the reason") {
            node.program.errors.contains(
                "the memory limit stays 24 MB: 2000 MB are below two of the largest items")
        }
    }

    @Test("A memory file grows and shrinks while its node runs, and outlives its death at any time")
    func memoryFile() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/items"
        func start(_ megabytes: Int) throws -> RunningNode {
            try RunningNode.sojournd(["-m", "\(megabytes)", "-e", path, "-o", "debugtime"])
        }
        var node = try start(16)
        #expect((16 << 20..<17 << 20).contains(blockByteCount(path)))
        try addUsers(0..<12_000, to: node)
        #expect(try node.connect().ask("cache_memlimit 64") == "OK\r\n")
        #expect(try node.counter("limit_maxbytes") == 64 << 20)
        #expect((64 << 20..<65 << 20).contains(blockByteCount(path)))
        try addUsers(12_000..<45_000, to: node)
        #expect(try node.counter("evictions") == 0)
        // The very size it has: nothing has to move.
        node.program.end()
        node = try start(64)
        #expect(try usersLeft(0..<45_000, on: node) == 45_000)
        #expect(!node.program.errors.contains("its items move"))
        // Killed before it is through with that, it goes on.
        #expect(try node.connect().ask("cache_memlimit 24") == "OK\r\n")
        node.program.end()
        node = try start(24)
        #expect(!node.program.errors.contains("its items move"))
        try wait(for: "the file to become smaller") { blockByteCount(path) < 25 << 20 }
        // And not the room behind it, which had no memory.
        #expect(try node.counter("released_bytes") ?? 0 <= 40 << 20)
        let left = try usersLeft(0..<45_000, on: node)
        #expect(left > 20_000)
        // Another size is another file, whatever was in force.
        #expect(try node.connect().ask("cache_memlimit 128") == "OK\r\n")
        node.program.end()
        for megabytes in [40, 32] {
            node = try start(megabytes)
            try wait(for: "the news") { node.program.errors.contains("its items move") }
            #expect(try usersLeft(0..<45_000, on: node) == left)
            #expect(blockByteCount(path) < (megabytes + 1) << 20)
            node.program.end()
        }
    }
}
