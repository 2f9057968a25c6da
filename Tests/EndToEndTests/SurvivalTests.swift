import Glibc
import TestSupport
import Testing

/// A node with a memory file, killed and started again.
@Suite(.timeLimit(.minutes(10)))
struct SurvivalTests {
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") {
        $0 + "/" + $1
    }

    @Test("No death of the process loses an acknowledged store: a short run of scripts/kill")
    func killer() throws {
        let result = try Program.run(
            "/usr/bin/env",
            [
                "python3", Self.root + "/scripts/kill", "--binary", try RunningNode.sojourndPath(),
                "--rounds", "5", "--megabytes", "128", "--seconds", "1", "--seed", "1",
            ], seconds: 300)
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
        #expect(result.output.contains("acknowledged sessions lost"))
    }

    @Test(
        "Nobody whose request begins while a killed node starts again is logged out by Django, PHP, Dalli or pymemcache: a short run of scripts/kill-clients"
    )
    func killedUnderClients() throws {
        let clients =
            "pymemcache,django-pymemcache,django-asks-twice,django-pylibmc,dalli,php,php-strict"
        let result = try Program.run(
            "/usr/bin/env",
            [
                "python3", Self.root + "/scripts/kill-clients",
                "--binary", try RunningNode.sojourndPath(), "--python", try Script.python(),
                "--kills", "5", "--seconds", "1", "--megabytes", "64", "--seed", "1",
                "--clients", clients,
            ], seconds: 120)
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
        #expect(result.output.contains("5 kills; from kill to the next node's first answer"))
    }

    @Test("Two restarts within a second keep what was stored")
    func restarts() throws {
        let directory = try TemporaryDirectory()
        let flags = ["-e", directory.path + "/arena", "-m", "16"]
        let first = try RunningNode.sojournd(flags)
        #expect(try first.connect().ask("set k 7 0 5\r\nvalue") == "STORED\r\n")
        #expect(try first.connect().ask("set gone 0 0 1\r\nx") == "STORED\r\n")
        #expect(try first.connect().ask("delete gone") == "DELETED\r\n")
        first.program.end()
        let second = try RunningNode.sojournd(flags)
        second.program.end()
        let third = try RunningNode.sojournd(flags)
        #expect(
            try third.connect().ask("get k gone", until: "END\r\n")
                == "VALUE k 7 5\r\nvalue\r\nEND\r\n")
    }

    @Test(
        "A node that is told to end while clients write ends in order, and keeps what it has acknowledged",
        arguments: [SIGTERM, SIGINT, SIGUSR1])
    func endsUnderLoad(signal: Int32) throws {
        let directory = try TemporaryDirectory()
        let flags = ["-e", directory.path + "/memory", "-m", "16", "-t", "2"]
        let node = try RunningNode.sojournd(flags)
        var acknowledged = [Int](repeating: -1, count: 4)
        let peers = try acknowledged.map { _ in try node.connect() }
        for round in 0..<100_000 {
            if round == 100 {
                node.program.send(SIGHUP)
                node.program.send(signal)
            }
            var isOver = true
            for (number, peer) in peers.enumerated() where !peer.hasEnded {
                guard (try? peer.send("set k\(number) 0 0 6\r\n\(100_000 + round)\r\n")) != nil
                else {
                    continue
                }
                guard let reply = try? peer.receive(until: "\r\n") else { continue }
                #expect(reply == "STORED\r\n")
                acknowledged[number] = round
                isOver = false
            }
            if isOver { break }
        }
        #expect(try node.program.waitForExit() == .status(0))
        #expect(acknowledged.allSatisfy { $0 >= 99 }, "\(acknowledged)")
        let next = try RunningNode.sojournd(flags)
        let peer = try next.connect()
        for (number, round) in acknowledged.enumerated() {
            let reply = try peer.ask("get k\(number)", until: "END\r\n")
            // One that was not answered may be there.
            let words = reply.split(separator: "\r\n")
            let value = words.count == 3 ? Int(words[1]) : nil
            #expect((value ?? 0) - 100_000 >= round, "\(reply)")
        }
    }

    @Test("A node whose memory file somebody cuts short says so, and the next one starts")
    func cutShort() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/arena"
        let flags = ["-e", path, "-m", "16", "-o", "damaged_file=aside"]
        let node = try RunningNode.sojournd(flags)
        let peer = try node.connect()
        let value = String(repeating: "v", count: 100_000)
        for number in 0..<50 {
            #expect(try peer.ask("set k-\(number) 0 0 100000\r\n\(value)") == "STORED\r\n")
        }
        #expect(truncate(path, 65_536) == 0)
        for number in 0..<50 { try? peer.send("get k-\(number)\r\n") }
        #expect(try node.program.waitForExit() == .status(74), "\(node.program.errors)")
        #expect(
            node.program.errors.contains("memory file \(path): a page of it is gone"),
            "\(node.program.errors)")
        let next = try RunningNode.sojournd(flags)
        #expect(try next.connect().ask("set k 0 0 1\r\nx") == "STORED\r\n")
        #expect(directory.names.contains { $0 != "arena" }, "\(directory.names)")
    }

    @Test("A memory file in use, or what is none, is refused in one line")
    func refusals() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/arena"
        let path = try RunningNode.sojourndPath()
        let node = try RunningNode.sojournd(["-e", file, "-m", "16"])
        let busy = try Program.run(path, ["-p", "-1", "-e", file, "-m", "16"])
        #expect(busy.exit == .status(71))
        #expect(busy.errors.contains("it is in use by a running node"))
        node.program.end()
        let device = try Program.run(path, ["-p", "-1", "-e", "/dev/zero"])
        #expect(device.exit == .status(71))
        #expect(device.errors.contains("it is not a regular file"))
    }
}
