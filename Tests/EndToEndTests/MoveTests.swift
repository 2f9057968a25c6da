import Glibc
import TestSupport
import Testing

/// A node that is given more memory, or less, with sessions in its memory file.
@Suite(.timeLimit(.minutes(10)))
struct MoveTests {
    /// Stores many at once: `count` replies are waited for.
    private func ask(_ peer: SocketPeer, _ requests: [String]) throws -> [Substring] {
        var replies: [Substring] = []
        for start in stride(from: 0, to: requests.count, by: 100) {
            let batch = requests[start..<min(start + 100, requests.count)]
            let text = try peer.ask(batch.joined(separator: "\r\n") + "\r\nmn", until: "MN\r\n")
            replies += text.split(separator: "\r\n").dropLast()
        }
        return replies
    }

    private func value(_ number: Int) -> String {
        String(repeating: "\(number % 10)", count: 500 + number % 1_000)
    }

    /// `count` sessions, of which those below `provenCount` have been read back.
    private func fill(_ node: RunningNode, count: Int, provenCount: Int) throws {
        let peer = try node.connect()
        let stores = (0..<count).map { number in
            let value = value(number)
            return "ms s-\(number) \(value.utf8.count) F\(number) T\(100_000 + number)\r\n\(value)"
        }
        let replies = try ask(peer, stores)
        #expect(replies.count == count && replies.allSatisfy { $0 == "HD" })
        #expect(try peer.ask("debugtime 5") == "OK\r\n")
        let reads = try ask(peer, (0..<provenCount).map { "mg s-\($0)" })
        #expect(reads.allSatisfy { $0 == "HD" })
    }

    private struct Seen: Equatable {
        var unique: Substring
        var clientFlags: Substring
        var value: String
        var secondsLeft: Int
    }

    private func look(_ node: RunningNode, _ numbers: [Int]) throws -> [Int: Seen] {
        let peer = try node.connect()
        var seen: [Int: Seen] = [:]
        for number in numbers {
            let text = try peer.ask("mg s-\(number) c f t v q\r\nmn", until: "MN\r\n")
            let lines = text.split(separator: "\r\n")
            guard lines.count == 3 else { continue }
            let words = lines[0].split(separator: " ")
            seen[number] = Seen(
                unique: words[2], clientFlags: words[3], value: String(lines[1]),
                secondsLeft: Int(words[4].dropFirst()) ?? -1)
        }
        return seen
    }

    @Test("A node with more memory, then with less, keeps every session that was read back")
    func moreAndLess() throws {
        let directory = try TemporaryDirectory()
        let flags = ["-e", directory.path + "/arena", "-o", "debugtime", "-t", "2"]
        var node = try RunningNode.sojournd(flags + ["-m", "32"])
        try fill(node, count: 16_000, provenCount: 6_000)
        let deleted = try ask(node.connect(), (0..<1_000).map { "md s-\($0)" })
        #expect(deleted.count == 1_000)
        let some = Array(stride(from: 0, to: 16_000, by: 41))
        let before = try look(node, some)
        #expect(before.count > 300)
        node.program.end()
        for megabytes in [80, 16] {
            node = try RunningNode.sojournd(flags + ["-m", "\(megabytes)"])
            try wait(for: "the news") { node.program.errors.contains("its items move") }
            #expect(directory.names == ["arena"])
            let proven = some.filter { $0 < 6_000 }
            let after = try look(node, megabytes == 80 ? some : proven)
            for number in megabytes == 80 ? some : proven {
                guard number >= 1_000 else {
                    #expect(after[number] == nil)
                    continue
                }
                let (old, new) = (before[number], after[number])
                #expect(new?.value == old?.value && new?.value == value(number))
                #expect(new?.unique == old?.unique && new?.clientFlags == old?.clientFlags)
                let (left, right) = (old?.secondsLeft ?? 0, new?.secondsLeft ?? 0)
                // The seconds that `debugtime` had moved the clock by are not kept over a death.
                #expect(abs(left - right) < 60)
            }
            #expect(try node.counter("evicted_live_proven") == 0)
            #expect(try node.counter("proven_items") ?? 0 >= 5_000)
            node.program.send(SIGTERM)
            #expect(try node.program.waitForExit() == .status(0))
        }
    }

    @Test("A node that is killed again and again while its items move loses none")
    func killedWhileMoving() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/arena"
        let flags = ["-e", path, "-o", "debugtime"]
        var node = try RunningNode.sojournd(flags + ["-m", "64"])
        try fill(node, count: 20_000, provenCount: 0)
        node.program.end()
        var interruptions = 0
        var generator = SeededGenerator(seed: 5)
        for round in 0..<12 {
            let size = round % 2 == 0 ? "96" : "64"
            let program = try Program(
                RunningNode.sojourndPath(), ["-p", "-1"] + flags + ["-m", size])
            usleep(UInt32.random(in: 20_000...250_000, using: &generator))
            if round % 3 == 2 { program.send(SIGTERM) } else { program.send(SIGKILL) }
            _ = try program.waitForExit()
            if directory.names.contains("arena.new") { interruptions += 1 }
        }
        #expect(interruptions > 0)
        node = try RunningNode.sojournd(flags + ["-m", "64"])
        #expect(try node.counter("curr_items") == 20_000)
        let some = Array(stride(from: 0, to: 20_000, by: 101))
        let seen = try look(node, some)
        for number in some { #expect(seen[number]?.value == value(number)) }
    }

    @Test("With more memory one damaged session is told and gone, and all others are there")
    func damagedSession() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/arena"
        let flags = ["-e", path, "-o", "checksums=on,debugtime"]
        var node = try RunningNode.sojournd(flags + ["-m", "32"])
        try fill(node, count: 4_000, provenCount: 0)
        node.program.end()
        // A value is zeros behind its key.
        let changed = try Program.run(
            "/bin/sh", ["-c", "LC_ALL=C sed -i 's/s-321000000/s-321000900/' '\(path)'"])
        try #require(changed.exit == .status(0))
        node = try RunningNode.sojournd(flags + ["-m", "80"])
        try wait(for: "the news") { node.program.errors.contains("items or places dropped") }
        #expect(node.program.errors.contains("evicted for want of room, 1 damaged"))
        #expect(try node.counter("curr_items") == 3_999)
        let seen = try look(node, Array(3_100..<3_300))
        #expect(seen.count == 199 && seen[3_210] == nil)
        for (number, item) in seen { #expect(item.value == value(number)) }
    }

    @Test("A damaged memory file keeps a node from starting, or is kept aside, as it was told")
    func damaged() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("not a memory file", to: "arena")
        let refused = try Program.run(
            RunningNode.sojourndPath(), ["-p", "-1", "-m", "16", "-e", path])
        #expect(refused.exit == .status(71))
        #expect(refused.errors.contains("it is not a memory file of sojournd"))
        let node = try RunningNode.sojournd(
            ["-m", "16", "-e", path, "-o", "damaged_file=aside"])
        #expect(try node.connect().ask("set k 0 0 1\r\nx") == "STORED\r\n")
        let aside = directory.names.filter { $0.hasPrefix("arena.damaged-") }
        #expect(aside.count == 1)
        try wait(for: "the news") { node.program.errors.contains(aside[0]) }
        #expect(contents(of: directory.path + "/" + aside[0]) == "not a memory file")
        let wrong = try Program.run(
            RunningNode.sojourndPath(), ["-p", "-1", "-o", "damaged_file=yes"])
        #expect(wrong.exit == .status(64))
    }
}
