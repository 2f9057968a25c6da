import Glibc
import TestSupport
import Testing

/// A kernel that is less kind than most: `faulty_kernel.c`, which says what there is.
private enum FaultyKernel {
    /// Made once.
    private static let library = Result { try PreloadedLibrary.make(of: "faulty_kernel") }

    /// What a shell does before it becomes the node.
    static func preparation(_ faults: String) throws -> String {
        "export LD_PRELOAD=\(try library.get()) SOJOURN_FAULTS='\(faults)'"
    }
}

@Suite(.timeLimit(.minutes(10)))
struct FaultyKernelTests {
    /// Every fourth, for the time that it takes; all of them pass. Two are about input that arrives whole.
    private static let names =
        TranscriptFiles.names.enumerated().filter { $0.offset % 4 == 1 }.map(\.element)
        .filter { !["dump-pipelined.txt", "long-complete-line.txt"].contains($0) }

    @Test(
        "Transfers that are cut short, interrupted or put off change no reply", arguments: names)
    func transfers(name: String) throws {
        let transcript = try TranscriptFiles.read(name)
        let clock = transcript.needsClockStopped ? ["-o", "debugtime"] : []
        let node = try RunningNode.sojournd(
            clock + transcript.flags + transcript.ownFlags,
            preparation: FaultyKernel.preparation("short=1 eintr=3 eagain=5"))
        defer { node.program.end() }
        try TranscriptRun.hold(transcript, with: OwnNode(node: node), as: .own)
    }

    @Test("A megabyte arrives and leaves whole in pieces of a few bytes, each third interrupted")
    func largeValue() throws {
        let node = try RunningNode.sojournd(
            ["-m", "16"], preparation: FaultyKernel.preparation("short=1 eintr=3 eagain=7"))
        let value = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let peer = try node.connect()
        try peer.send("set k 0 0 \(value.count)\r\n")
        try peer.send(value + Array("\r\nget k\r\n".utf8))
        let wanted =
            Array("STORED\r\nVALUE k 0 \(value.count)\r\n".utf8) + value
            + Array("\r\nEND\r\n".utf8)
        while peer.received.count < wanted.count, peer.receive(isUnexpected: false) {}
        #expect(peer.received == wanted)
    }

    @Test("An accept that finds no descriptor is tried again, and everybody is served")
    func accepting() throws {
        let node = try RunningNode.sojournd(
            ["-t", "2"], preparation: FaultyKernel.preparation("accept=2"))
        for _ in 0..<6 {
            let peer = try node.connect()
            #expect(try peer.ask("version").hasPrefix("VERSION "))
        }
        #expect(try #require(try node.counter("listen_disabled_num")) >= 2)
    }

    @Test("A disk that is full when the node starts is told then, and nothing is left behind")
    func fullAtStart() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/arena"
        let program = try Program.prepared(
            FaultyKernel.preparation("nospace=2"), RunningNode.sojourndPath(),
            ["-p", "-1", "-m", "256", "-e", path])
        #expect(try program.waitForExit() == .status(71), "\(program.errors)")
        #expect(program.errors.contains("disk"), "\(program.errors)")
        #expect(directory.names == [], "\(directory.names)")
    }

    @Test("A disk that becomes full while items move keeps all of them for the start after")
    func fullWhileMoving() throws {
        let directory = try TemporaryDirectory()
        let flags = ["-e", directory.path + "/arena", "-t", "2"]
        var node = try RunningNode.sojournd(flags + ["-m", "32"])
        let peer = try node.connect()
        let value = String(repeating: "v", count: 900)
        let stores = (0..<8_000).map { "ms s-\($0) 900 q\r\n\(value)\r\n" }.joined()
        #expect(try peer.ask(stores + "mn", until: "MN\r\n") == "MN\r\n")
        node.program.end()
        let failing = try Program.prepared(
            FaultyKernel.preparation("nospace=6"), RunningNode.sojourndPath(),
            ["-p", "-1", "-m", "96"] + flags)
        #expect(try failing.waitForExit() != .status(0))
        #expect(failing.errors.contains("full"), "\(failing.errors)")
        node = try RunningNode.sojournd(flags + ["-m", "96"])
        #expect(try node.counter("curr_items") == 8_000)
    }

    @Test(
        "Where libevent and OpenSSL get no memory for a connection, it is dropped, and others go on",
        arguments: [3, 7, 40])
    func noMemory(period: Int) throws {
        let node = try TLSNode(
            TestCertificates(), flags: ["-t", "2", "-v"],
            preparation: FaultyKernel.preparation("memory=\(period)"))
        // Whoever the node has is served, whatever becomes of those who come.
        var first: SocketPeer?
        try wait(for: "a connection to be served") {
            let peer = try node.node.connect()
            try peer.send("set k 0 0 1\r\nx\r\n")
            guard (try? peer.receive(until: "STORED\r\n")) != nil else { return false }
            first = peer
            return true
        }
        let peer = try #require(first)
        var servedCount = 0
        for number in 0..<60 {
            if let other = try? node.connect(), (try? other.ask("mn")) == "MN\r\n" {
                servedCount += 1
            }
            if number % 10 == 0 { node.node.program.send(SIGHUP) }
            #expect(
                try peer.ask("get k", until: "END\r\n") == "VALUE k 0 1\r\nx\r\nEND\r\n")
        }
        #expect(servedCount < 60, "no connection was refused memory")
        #expect(try peer.ask("version").hasPrefix("VERSION "))
        node.node.program.send(SIGTERM)
        #expect(try node.node.program.waitForExit() == .status(0))
    }

    @Test(
        "A clock that is set a day ahead or back logs nobody out, nor does a restart after that",
        arguments: [86_400, -86_400])
    func clockJump(seconds: Int64) throws {
        let directory = try TemporaryDirectory()
        let clock = directory.path + "/clock"
        let offset = try #require(fopen(clock, "w"))
        defer { fclose(offset) }
        func set(_ seconds: Int64) {
            rewind(offset)
            withUnsafeBytes(of: seconds) { _ = fwrite($0.baseAddress, 1, 8, offset) }
            fflush(offset)
        }
        func start() throws -> RunningNode {
            try RunningNode.sojournd(
                ["-m", "16", "-e", directory.path + "/arena"],
                preparation: FaultyKernel.preparation("") + " SOJOURN_CLOCK=\(clock)")
        }
        func timeLeft(_ key: String, on peer: SocketPeer) throws -> Int? {
            let reply = try peer.ask("mg \(key) t")
            return Int(reply.dropFirst("HD t".count).dropLast())
        }
        set(0)
        var node = try start()
        var peer = try node.connect()
        let now = Int64(time(nil))
        for (key, exptime) in [("never", 0), ("hour", 3_600), ("date", now + 3_600)] {
            #expect(try peer.ask("set \(key) 0 \(exptime) 1\r\nx") == "STORED\r\n")
        }
        set(seconds)
        for isAgain in [false, true] {
            if isAgain {
                node.program.end()
                node = try start()
                peer = try node.connect()
            }
            #expect(try timeLeft("never", on: peer) == -1)
            for key in ["hour", "date"] {
                let left = try #require(try timeLeft(key, on: peer), "\(key) is gone")
                #expect((3_500...3_600).contains(left), "\(key): \(left)")
            }
            // A date that is told from now on is one of the new clock.
            let date = now + seconds + 600
            #expect(try peer.ask("set new 0 \(date) 1\r\nx") == "STORED\r\n")
            let left = try #require(try timeLeft("new", on: peer))
            #expect((500...601).contains(left), "\(left)")
        }
    }
}
