import Dispatch
import Foundation
import Synchronization
import TestSupport
import Testing

/// Every command of the protocols beside every other, on many connections, against four threads: text, meta
/// and binary, in clear text and by TLS, with logins, locks that are waited for, and files that are read again.
///
/// What the replies are is for others to judge: here nothing may end the node, hang it, or be told
/// twice or not at all. `SOJOURN_SEED` chooses another run, `SOJOURN_STORM_SECONDS` a longer one.
@Suite(.timeLimit(.minutes(10)))
struct StormTests {
    private static func setting(_ name: String, default fallback: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? fallback
    }
    private static let seed = setting("SOJOURN_SEED", default: 13)
    private static let seconds = setting("SOJOURN_STORM_SECONDS", default: 3)

    private static let large = String(repeating: "v", count: 70_000)

    /// Stores one upon the other, which what `stats` and `stats reset` read must meet.
    private static let burst: String =
        String(repeating: "set a 0 0 1 noreply\r\nx\r\n", count: 500) + "version"

    /// Each is answered in full before the next one is executed.
    private static let commands: [String] =
        [
            "get a", "get a b c d e f g h", "gets a", "gat 100 a", "gats 1 a b", "touch a 50",
            "delete a", "incr n 1", "decr n 1", "set n 0 0 1\r\n5", "set a 1 0 3\r\nxyz",
            "set b 0 1 3\r\nxyz", "add c 0 0 1\r\nx", "replace a 0 0 1\r\ny",
            "append a 0 0 2\r\nzz", "prepend a 0 0 2\r\nzz", "cas a 0 0 1 1\r\nx",
            burst,
            "set big 0 0 \(large.count)\r\n\(large)", "get big", "get big big a", "mg big v",
            "append big 0 0 5\r\nabcde", "append big 0 0 \(large.count)\r\n\(large)",
            "delete big", "set big 0 0 2000000\r\n" + String(repeating: "w", count: 2_000_000),
            "mg a v s t c f h l k Oabc", "mg a v T30 q", "mg z v N30", "mg a v R1000", "me a",
            "ms a 2 T90\r\nhi", "ms a 2 I C1\r\nhi", "ms z 2 MA N30\r\nhi", "ms YQ== 1 b\r\nx",
            "md a", "md a I T30", "md a x", "ma n v", "ma m N0 J5 v", "ma n MD D3 v",
            "add lock.a 0 1 1\r\nx", "add lock.b 0 1 1\r\nx", "delete lock.a", "delete lock.b",
            "ms lock.a 1 ME T1\r\nx", "stats locks",
            "flush_all", "flush_all 2", "flush_all -1", "version", "verbosity 0", "verbosity 2",
            "verbosity 0", "nonsense", "shutdown",
            "cache_memlimit 256", "cache_memlimit 128", "cache_memlimit 1",
            "stats", "stats reset", "stats items", "stats slabs", "stats settings", "stats conns",
            "stats sizes", "stats cachedump 1 50", "stats detail on", "stats detail off",
            "stats detail dump", "lru_crawler crawl all", "lru_crawler metadump all",
            "lru_crawler mgdump all", "lru_crawler enable", "lru_crawler disable",
            "lru_crawler enable",
            "lru tune 10 20 0.2 2.0", "lru mode flat", "slabs automove 1", "slabs reassign 1 2",
            "lru_crawler sleep 100", "lru_crawler tocrawl 100",
            "refresh_certs", "config get cluster", "config get definition", "debugtime 1",
        ]

    /// Those of the binary protocol. Not all are answered; the noop after them is.
    private static let packets: [[UInt8]] = {
        let keyed: [UInt8] = [0x00, 0x09, 0x0c, 0x0d, 0x04, 0x14]
        let value = [UInt8](repeating: 7, count: 70_000)
        let number = bigEndian(UInt64(1)) + bigEndian(UInt64(0)) + bigEndian(UInt32(50))
        let stores = [0x01, 0x02, 0x03, 0x11, 0x12, 0x13].map {
            BinaryPacket.store($0, "a", [1, 2, 3])
        }
        return keyed.map { BinaryPacket($0, key: "a").bytes } + stores + [
            BinaryPacket.store(0x01, "big", value), BinaryPacket(0x00, key: "big").bytes,
            BinaryPacket.store(0x02, "lock.a", [1], exptime: 1),
            BinaryPacket(0x04, key: "lock.a").bytes,
            BinaryPacket(0x0e, key: "a", value: [1]).bytes,
            BinaryPacket(0x0f, key: "a", value: [1]).bytes,
            BinaryPacket(0x05, key: "n", extras: number).bytes,
            BinaryPacket(0x06, key: "n", extras: number).bytes,
            BinaryPacket(0x1c, key: "a", extras: bigEndian(UInt32(9))).bytes,
            BinaryPacket(0x1d, key: "big", extras: bigEndian(UInt32(9))).bytes,
            BinaryPacket(0x08, extras: bigEndian(UInt32(0))).bytes, BinaryPacket(0x0b).bytes,
            BinaryPacket(0x10).bytes, BinaryPacket(0x10, key: "settings").bytes,
            BinaryPacket(0x10, key: "detail dump").bytes, BinaryPacket(0x10, key: "reset").bytes,
            BinaryPacket(0x1b, extras: bigEndian(UInt32(0))).bytes, BinaryPacket(0x20).bytes,
            BinaryPacket(0x21, key: "PLAIN", value: Array("\u{0}app\u{0}secret".utf8)).bytes,
        ]
    }()

    /// What ends a connection, or leaves it in the middle of something.
    private static let endings: [String] = [
        "quit", "watch fetchers mutations evictions connevents deletions",
        "set half 0 0 500000\r\n" + String(repeating: "h", count: 200_000),
        "get big big big big big big big big big big big big big big big big big",
        "lru_crawler metadump all", "GET / HTTP/1.1", "ms half 70000\r\nabc",
    ]

    /// What was sent so far, and when it is enough.
    private struct Progress {
        var used: Set<String> = []
        var troubles: [String] = []
        let end = ContinuousClock.now + .seconds(StormTests.seconds)
        /// On a machine that has other things to do it takes longer to send each command once.
        let deadline = ContinuousClock.now + .seconds(StormTests.seconds + 120)

        var missing: Set<String> {
            Set(StormTests.commands + StormTests.endings).subtracting(used)
        }
        var isOver: Bool {
            let now = ContinuousClock.now
            return now >= deadline || !troubles.isEmpty || (now >= end && missing.isEmpty)
        }
    }

    /// One peer's conversation: batches of commands, and after some of them an ending.
    private static func talk(_ storm: Storm, seed: Int, byTLS: Bool) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        var peer: any TranscriptPeer = try storm.logIn(byTLS: byTLS)
        while !storm.progress.withLock({ $0.isOver }) {
            let batch = (0..<Int.random(in: 1...8, using: &generator)).map { _ in
                commands.randomElement(using: &generator)!
            }
            try peer.send(batch.map { $0 + "\r\n" }.joined() + "mn\r\n")
            _ = try peer.receive(until: "MN\r\n")
            storm.progress.withLock { $0.used.formUnion(batch) }
            guard Int.random(in: 0..<6, using: &generator) == 0 else { continue }
            let ending = endings.randomElement(using: &generator)!
            storm.progress.withLock { _ = $0.used.insert(ending) }
            try peer.send(ending + (ending.hasSuffix("h") ? "" : "\r\n"))
            if let bare = peer as? SocketPeer {
                if Bool.random(using: &generator) { _ = bare.receive(milliseconds: 2) }
                if Bool.random(using: &generator) { bare.reset() } else { bare.close() }
            } else {
                (peer as? TLSPeer)?.close()
            }
            peer = try storm.logIn(byTLS: byTLS)
        }
    }

    /// The same in packets, each batch ended by a noop.
    private static func talkBinary(_ storm: Storm, seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        while !storm.progress.withLock({ $0.isOver }) {
            let peer = try storm.node.connect()
            try peer.send(packets.last!)
            for number in UInt32(1)...20 {
                var batch: [UInt8] = []
                for _ in 0..<Int.random(in: 1...8, using: &generator) {
                    batch += packets.randomElement(using: &generator)!
                }
                try peer.send(batch + BinaryPacket(0x0a, opaque: number).bytes)
                try wait(for: "a noop's answer") {
                    guard peer.receive(milliseconds: 1_000) || !peer.hasEnded else {
                        throw Trouble("the node has closed a binary connection")
                    }
                    return BinaryReplyPacket.all(in: peer.received)?.last?.opaque == number
                }
                peer.received.removeAll()
            }
        }
    }

    /// What operators and guessers do meanwhile.
    private static func disturb(_ storm: Storm) throws {
        while !storm.progress.withLock({ $0.isOver }) {
            storm.node.program.send(SIGHUP)
            let guesser = try storm.node.connect()
            try guesser.send("get a\r\nset auth 0 0 9\r\napp wrong\r\nget a\r\n")
            usleep(200_000)
        }
    }

    @Test("Whatever clients and operators ask at the same time, the node answers and goes on")
    func everythingAtOnce() throws {
        print("a storm of commands: SOJOURN_SEED=\(Self.seed)")
        let storm = try Storm()
        let node = storm.node
        let threads = DispatchGroup()
        for number in 0..<14 {
            threads.enter()
            Thread.detachNewThread {
                do {
                    switch number {
                    case 0: try Self.disturb(storm)
                    case 1...3: try Self.talkBinary(storm, seed: Self.seed + number)
                    default: try Self.talk(storm, seed: Self.seed + number, byTLS: number < 6)
                    }
                } catch {
                    storm.progress.withLock { $0.troubles.append("\(number): \(error)") }
                }
                threads.leave()
            }
        }
        threads.wait()
        #expect(
            storm.progress.withLock { $0.troubles } == [], "\(node.program.errors.suffix(4_000))")
        try #require(!node.program.hasEnded, "\(node.program.errors.suffix(4_000))")
        #expect(storm.progress.withLock { $0.missing } == [], "not every command was sent")
        // Nothing is left of those who are gone.
        try wait(for: "the connections to go") { try storm.counter("curr_connections") == 1 }
        try wait(for: "what they held") {
            try storm.counter("held_bytes") == 0 && storm.counter("pinned_bytes") == 0
                && storm.counter("lock_waiting") == 0
        }
        let peer = try storm.logIn(byTLS: false)
        #expect(try peer.ask("flush_all") == "OK\r\n")
        #expect(try storm.counter("curr_items") == 0)
        #expect(try peer.ask("set k 0 0 1\r\nx") == "STORED\r\n")
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
        #expect(!node.program.errors.contains("ThreadSanitizer"), "\(node.program.errors)")
    }

    /// A node with everything on.
    ///
    /// `@unchecked Sendable`: the threads only connect to the node, and send it signals.
    private final class Storm: @unchecked Sendable {
        let node: RunningNode
        let progress = Mutex(Progress())
        private let certificates: TestCertificates
        private let directory: TemporaryDirectory

        init() throws {
            certificates = try TestCertificates()
            directory = try TemporaryDirectory()
            let passwords = try certificates.write("app:secret\n", to: "passwords")
            let flags = certificates.flags(
                "node",
                "show_keys,track_sizes,debugtime,lock_keys=lock.,lock_wait=20,output_timeout=0,auth_timeout=3600"
            )
            node = try RunningNode.sojournd(
                flags + [
                    "-l", "notls:127.0.0.1,127.0.0.1", "-Y", passwords, "-t", "4", "-m", "256",
                    "-e",
                    directory.path + "/arena",
                ])
        }

        /// A peer that may do everything.
        func logIn(byTLS: Bool) throws -> any TranscriptPeer {
            let peer: any TranscriptPeer =
                byTLS ? try TLSPeer(node.places[1]) : try SocketPeer(node.places[0])
            let reply = try peer.ask("set auth 0 0 10\r\napp secret")
            guard reply == "STORED\r\n" else { throw Trouble("a login is answered by \(reply)") }
            return peer
        }

        func counter(_ name: String) throws -> Int? {
            let page = try logIn(byTLS: false).ask("stats", until: "END\r\n")
            let line = page.split(separator: "\r\n").first { $0.hasPrefix("STAT \(name) ") }
            return line.flatMap { Int($0.split(separator: " ")[2]) }
        }
    }
}
