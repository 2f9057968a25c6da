import Glibc
import TestSupport
import Testing

/// What is logged, and what happens when nobody reads it.
@Suite(.timeLimit(.minutes(10)))
struct LoggingTests {
    @Test(
        "A log that nobody reads stops neither clients nor SIGTERM; lost lines are counted and told"
    )
    func fullPipe() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/log"
        try #require(mkfifo(path, 0o600) == 0)
        // Open in both directions: it has a reader, who never reads.
        let node = try RunningNode.sojournd(["-t", "2"], preparation: "exec 2<>\(path)")
        let peer = try node.connect()
        #expect(try peer.ask("verbosity 2") == "OK\r\n")
        // More than a pipe and all buffers take.
        for _ in 0..<20 {
            try peer.send(String(repeating: "touch none 0\r\n", count: 200) + "mn\r\n")
            _ = try peer.receive(until: "MN\r\n")
        }
        try wait(for: "lines to be dropped") { try node.counter("log_lines_dropped") ?? 0 > 0 }
        #expect(try node.connect().ask("set k 0 0 1\r\nx") == "STORED\r\n")
        // A reader that comes back is told what is missing.
        let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        try #require(reader >= 0)
        defer { close(reader) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        var log = ""
        try wait(for: "the line about lost lines") {
            let count = read(reader, &bytes, bytes.count)
            if count > 0 { log += String(decoding: bytes.prefix(count), as: UTF8.self) }
            _ = try peer.ask("mn")
            return log.contains("lines were dropped here")
        }
        // And it stops again, with a pipe that is full again.
        for _ in 0..<20 {
            try peer.send(String(repeating: "touch none 0\r\n", count: 200) + "mn\r\n")
            _ = try peer.receive(until: "MN\r\n")
        }
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit(seconds: 10) == .status(0))
    }

    @Test("A reader of the log that has gone before the start does not end the node")
    func brokenPipe() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/log"
        try #require(mkfifo(path, 0o600) == 0)
        let node = try RunningNode.sojournd(
            ["-v"], preparation: "exec 3<>\(path) 2>\(path) 3<&-")
        #expect(try node.connect().ask("verbosity 2") == "OK\r\n")
        #expect(try node.connect().ask("mn") == "MN\r\n")
        try wait(for: "lines to be dropped") { try node.counter("log_lines_dropped") ?? 0 > 0 }
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
    }

    @Test("A refusal that nobody reads ends with its status all the same")
    func refusalIntoFullPipe() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/log"
        try #require(mkfifo(path, 0o600) == 0)
        let node = try Program.prepared(
            "exec 2<>\(path); head -c 65536 /dev/zero >&2", try RunningNode.sojourndPath(),
            ["-p", "99999"])
        #expect(try node.waitForExit(seconds: 10) == .status(64))
    }

    @Test("Hundreds of peers with the same mistake are some lines of the log, and a count")
    func flood() throws {
        let node = try RunningNode.sojournd(["-B", "binary"])
        for _ in 0..<200 {
            let peer = try node.connect()
            try peer.send("g")
            #expect(try peer.receiveUntilEnd() == "")
        }
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
        let lines = node.program.errors.split(separator: "\n").filter {
            $0.contains("what it sent is no binary request")
        }
        #expect((2..<60).contains(lines.count))
        // Each of them is in it.
        let others = lines.compactMap { line -> Int? in
            let words = line.split(separator: " ")
            return words.firstIndex(of: "(and").flatMap { Int(words[$0 + 1]) }
        }
        #expect(!others.isEmpty)
        #expect(lines.count + others.reduce(0, +) == 200)
    }

    @Test("-vv logs commands and packets, with keys where they may be shown, and without values")
    func commands() throws {
        let directory = try TemporaryDirectory()
        for isShown in [true, false] {
            let flags = isShown ? ["-s", directory.path + "/socket"] : []
            let node = try RunningNode.sojournd(["-vv"] + flags)
            let peer = try node.connect()
            #expect(try peer.ask("set session:1 0 0 6\r\nsecret") == "STORED\r\n")
            _ = try peer.ask("get session:1", until: "END\r\n")
            _ = try peer.ask("mg session:1 v", until: "\r\nsecret\r\n")
            let binary = try node.connect()
            let packet = BinaryPacket(0x00, key: "session:1\n").bytes
            try binary.send(packet)
            #expect(binary.receive(isUnexpected: false))
            #expect(try peer.ask("session:1 what") == "ERROR\r\n")
            try wait(for: "the last command") {
                node.program.errors.contains(isShown ? "what" : "(no command)")
            }
            let log = node.program.errors
            #expect(log.contains(isShown ? " set session:1 0 0 6\n" : " set (19 bytes)\n"))
            #expect(log.contains(isShown ? " get session:1\n" : " get (13 bytes)\n"))
            #expect(log.contains(isShown ? " mg session:1 v\n" : " mg (14 bytes)\n"))
            #expect(
                log.contains(
                    isShown ? " binary 0x0 session:1%0A\n" : " binary 0x0 (\(packet.count) bytes)\n"
                ))
            #expect(log.contains("session:1") == isShown)
            #expect(!log.contains("secret"))
        }
    }
}
