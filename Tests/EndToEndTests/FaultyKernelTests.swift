import Glibc
import TestSupport
import Testing

/// A kernel that is less kind than most: `faulty_kernel.c`, which says what there is.
private enum FaultyKernel {
    /// Beside the node, and made once.
    private static let library = Result {
        let path = try RunningNode.sojourndPath() + "-faulty_kernel.so"
        let source = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/")
        let result = try Program.run(
            "/usr/bin/env",
            ["clang", "-shared", "-fPIC", "-O1", "-o", path, source + "/faulty_kernel.c", "-ldl"])
        guard result.exit == .status(0) else { throw Trouble(result.errors) }
        return path
    }

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
}
