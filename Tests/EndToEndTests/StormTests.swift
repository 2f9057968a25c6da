import Dispatch
import Foundation
import Synchronization
import TestSupport
import Testing

/// Every command of the protocol beside every other, on many connections, against four threads.
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
            "flush_all", "flush_all 2", "flush_all -1", "version", "verbosity 0", "nonsense",
            "cache_memlimit 256", "cache_memlimit 128", "cache_memlimit 1",
            "stats", "stats reset", "stats items", "stats slabs", "stats settings", "stats conns",
            "stats sizes", "stats cachedump 1 50", "stats detail on", "stats detail off",
            "stats detail dump", "lru_crawler crawl all", "lru_crawler metadump all",
            "lru_crawler mgdump all", "lru_crawler enable", "lru_crawler disable",
            "lru_crawler enable",
            "lru tune 10 20 0.2 2.0", "lru mode flat", "slabs automove 1", "slabs reassign 1 2",
            "refresh_certs", "config get cluster", "debugtime 1",
        ]

    /// What ends a connection, or leaves it in the middle of something.
    private static let endings: [String] = [
        "quit", "watch fetchers mutations evictions connevents deletions",
        "set half 0 0 500000\r\n" + String(repeating: "h", count: 200_000),
        "get big big big big big big big big big big big big big big big big big",
        "lru_crawler metadump all", "GET / HTTP/1.1", "ms half 70000\r\nabc",
    ]

    /// One peer's conversation: batches of commands, and after some of them an ending.
    private static func talk(to node: RunningNode, seed: Int, until end: ContinuousClock.Instant)
        throws
        -> Set<String>
    {
        var generator = SeededGenerator(seed: UInt64(seed))
        var used: Set<String> = []
        var peer = try node.connect()
        while ContinuousClock.now < end {
            var batch = ""
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                let command = commands.randomElement(using: &generator)!
                used.insert(command)
                batch += command + "\r\n"
            }
            try peer.send(batch + "mn\r\n")
            _ = try peer.receive(until: "MN\r\n")
            guard Int.random(in: 0..<6, using: &generator) == 0 else { continue }
            let ending = endings.randomElement(using: &generator)!
            used.insert(ending)
            try peer.send(ending + (ending.hasSuffix("h") ? "" : "\r\n"))
            if Bool.random(using: &generator) { _ = peer.receive(milliseconds: 2) }
            if Bool.random(using: &generator) { peer.reset() } else { peer.close() }
            peer = try node.connect()
        }
        return used
    }

    @Test("Whatever clients and operators ask at the same time, the node answers and goes on")
    func everythingAtOnce() throws {
        print("a storm of commands: SOJOURN_SEED=\(Self.seed)")
        let node = try RunningNode.sojournd([
            "-t", "4", "-m", "256", "-o", "show_keys,track_sizes,debugtime",
        ])
        let used = Mutex<Set<String>>([])
        let troubles = Mutex<[String]>([])
        let shared = Shared(node: node)
        let end = ContinuousClock.now + .seconds(Self.seconds)
        let threads = DispatchGroup()
        for number in 0..<10 {
            threads.enter()
            Thread.detachNewThread {
                do {
                    let some = try Self.talk(to: shared.node, seed: Self.seed + number, until: end)
                    used.withLock { $0.formUnion(some) }
                } catch { troubles.withLock { $0.append("\(error)") } }
                threads.leave()
            }
        }
        threads.wait()
        #expect(troubles.withLock { $0 } == [])
        try #require(!node.program.hasEnded, "\(node.program.errors)")
        let missing = Set(Self.commands + Self.endings).subtracting(used.withLock { $0 })
        #expect(missing == [], "not every command was sent: a run of more seconds?")
        // Nothing is left of those who are gone.
        try wait(for: "the connections to go") { try node.counter("curr_connections") == 1 }
        try wait(for: "what they held") {
            try node.counter("held_bytes") == 0 && node.counter("pinned_bytes") == 0
        }
        let peer = try node.connect()
        #expect(try peer.ask("flush_all") == "OK\r\n")
        #expect(try node.counter("curr_items") == 0)
        #expect(try peer.ask("set k 0 0 1\r\nx") == "STORED\r\n")
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
        #expect(!node.program.errors.contains("ThreadSanitizer"), "\(node.program.errors)")
    }

    /// `@unchecked Sendable`: the threads only connect to the node.
    private final class Shared: @unchecked Sendable {
        let node: RunningNode
        init(node: RunningNode) { self.node = node }
    }
}
