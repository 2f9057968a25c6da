import Glibc
import SessionMap
import Synchronization
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Many who want the same locks, on several workers.
@Suite(.timeLimit(.minutes(10)), .serialized)
struct LockStormTests {
    /// What all clients of a storm have seen.
    private final class Findings: Sendable {
        let holderCounts: [Holders]
        let gotCount = Atomic<Int>(0)
        let refusedCount = Atomic<Int>(0)
        let sentCount = Atomic<Int>(0)
        let isOver = Atomic<Bool>(false)
        let problems = Mutex<[String]>([])

        final class Holders: Sendable {
            let count = Atomic<Int>(0)
        }

        init(keyCount: Int) { holderCounts = (0..<keyCount).map { _ in Holders() } }

        func note(_ problem: String) { problems.withLock { $0.append(problem) } }
    }

    private static let waitMilliseconds = 300
    private static let keyCount = 3

    /// One client: takes a lock, holds it for a moment, lets go; now and then it hangs up while it waits.
    private static func work(
        _ seed: UInt64, _ findings: Findings, _ connect: @Sendable () -> BenchPeer?
    ) {
        var generator = SeededGenerator(seed: seed)
        var peer = connect()
        while !findings.isOver.load(ordering: .relaxed) {
            guard let present = peer else { return findings.note("no connection") }
            let key = Int.random(in: 0..<keyCount, using: &generator)
            let began = ContinuousClock.now
            findings.sentCount.add(1, ordering: .relaxed)
            // One that is left behind expires: after one second at least.
            present.send(
                Bool.random(using: &generator)
                    ? "add lock.\(key) 0 2 1\r\n1\r\n" : "ms lock.\(key) 1 ME T2\r\n1\r\n")
            if Int.random(in: 0..<40, using: &generator) == 0 {
                usleep(UInt32.random(in: 0..<2_000, using: &generator))
                peer = connect()
                continue
            }
            let reply = present.receive()
            let milliseconds = (ContinuousClock.now - began) / .milliseconds(1)
            switch reply {
            case "STORED\r\n", "HD\r\n":
                findings.gotCount.add(1, ordering: .relaxed)
                let holders = findings.holderCounts[key]
                if holders.count.add(1, ordering: .sequentiallyConsistent).newValue != 1 {
                    findings.note("two holders of lock \(key)")
                }
                usleep(UInt32.random(in: 0..<1_500, using: &generator))
                holders.count.subtract(1, ordering: .sequentiallyConsistent)
                if present.ask("delete lock.\(key)\r\n") != "DELETED\r\n" {
                    findings.note("a lock that went before its second was over")
                }
            case "NOT_STORED\r\n", "NS\r\n":
                findings.refusedCount.add(1, ordering: .relaxed)
                if milliseconds < Double(waitMilliseconds) - 1 { findings.note("refused early") }
            default: return findings.note("answered \(reply.debugDescription)")
            }
            // The machine has two processors, and other tests.
            if milliseconds > Double(waitMilliseconds) + 250 {
                findings.note("waited for \(milliseconds) ms")
            }
        }
    }

    @Test(
        "In a storm there is one holder at a time, nobody waits for too long, and the counts add up"
    )
    func storm() throws {
        let bench = try WorkerBench(workerCount: 4) {
            $0.locks.waitMilliseconds = Self.waitMilliseconds
        }
        let findings = Findings(keyCount: Self.keyCount)
        let peers = Peers(bench)
        let threads = try (0..<24).map { number in
            try NodeThread {
                Self.work(UInt64(number), findings) { peers.connect() }
            }
        }
        for _ in 0..<30 {
            usleep(100_000)
            bench.maintain()
        }
        findings.isOver.store(true, ordering: .relaxed)
        for thread in threads { thread.join() }
        try bench.wait(for: "an end of all waits") { try bench.locks().waiting == 0 }
        #expect(findings.problems.withLock { $0 } == [])
        let counts = try bench.locks()
        #expect(counts.waits == counts.handOvers + counts.timeouts + counts.cancellations)
        #expect(counts.timeouts <= findings.refusedCount.load(ordering: .relaxed))
        // It was as meant. The machine may be busy.
        #expect(counts.handOvers > 50)
        bench.node.map.checkInvariants(now: bench.node.now.seconds)
    }

    /// Connects to one worker after the other.
    ///
    /// `@unchecked Sendable`: the test outlives its threads, and `connect` is safe to call from any.
    private final class Peers: @unchecked Sendable {
        private unowned let bench: WorkerBench
        private let next = Atomic<Int>(0)

        init(_ bench: WorkerBench) { self.bench = bench }

        func connect() -> BenchPeer? {
            try? bench.connect(to: next.add(1, ordering: .relaxed).newValue % 4)
        }
    }

    /// One page after the other of one session: each counts on in it, while it has the lock.
    private static func visit(
        _ peer: BenchPeer, pages: Int, _ findings: Findings
    ) {
        for _ in 0..<pages {
            var has = false
            while !has {
                peer.send("incr s.lock 1\r\nadd s.lock 0 60 1\r\n1\r\nget s\r\n")
                var reply = ""
                while !reply.hasSuffix("END\r\n") {
                    let part = peer.receive()
                    guard !part.isEmpty else { return findings.note("no answer: \(reply)") }
                    reply += part
                }
                let lines = reply.split(separator: "\r\n")
                has = lines[0] == "1" || lines[1] == "STORED"
                guard has else {
                    findings.refusedCount.add(1, ordering: .relaxed)
                    continue
                }
                let holders = findings.holderCounts[0]
                if holders.count.add(1, ordering: .sequentiallyConsistent).newValue != 1 {
                    findings.note("two holders")
                }
                let number = (lines.count > 3 ? Int(lines[3]) ?? 0 : 0) + 1
                holders.count.subtract(1, ordering: .sequentiallyConsistent)
                let digits = "\(number)"
                peer.send(
                    "set s 0 0 \(digits.utf8.count)\r\n\(digits)\r\nset s.lock 0 60 1\r\n0\r\n")
                reply = ""
                while reply.utf8.count < 16 {
                    let part = peer.receive()
                    guard !part.isEmpty else { return findings.note("not saved: \(reply)") }
                    reply += part
                }
            }
        }
    }

    @Test(
        "Of locks that are counted there is one holder at a time, and what each saved is found by the next"
    )
    func counted() throws {
        let bench = try WorkerBench(workerCount: 4) {
            $0.locks.keys = [LockKeys("*.lock")].compactMap { $0 }
            // Whom nobody calls when the lock is free is refused.
            $0.locks.waitMilliseconds = 20_000
        }
        let findings = Findings(keyCount: 1)
        let peers = Peers(bench)
        let threads = try (0..<12).map { _ in
            try NodeThread {
                guard let peer = peers.connect() else { return findings.note("no connection") }
                Self.visit(peer, pages: 100, findings)
            }
        }
        for thread in threads { thread.join() }
        #expect(findings.problems.withLock { $0 } == [])
        let last = try bench.connect()
        #expect(last.ask("get s\r\n") == "VALUE s 0 4\r\n1200\r\nEND\r\n")
        #expect(findings.refusedCount.load(ordering: .relaxed) == 0)
        #expect(try bench.locks().handOvers > 100)
    }

    @Test("First come, first served: also across four workers")
    func order() throws {
        let bench = try WorkerBench(workerCount: 4) { $0.locks.waitMilliseconds = 20_000 }
        let peers = try (0..<40).map { try bench.connect(to: $0 % 4) }
        let add = "add lock.a 0 30 1\r\n1\r\n"
        #expect(peers[0].ask(add) == "STORED\r\n")
        for (number, peer) in peers.enumerated().dropFirst() {
            peer.send(add)
            try bench.wait(for: "a place in line") { try bench.locks().waiting == number }
        }
        let newcomer = try bench.connect(to: 0)
        for number in 1..<40 {
            peers[number - 1].send("delete lock.a\r\n")
            // It comes at the very moment in which the lock is free.
            if number == 20 { newcomer.send(add) }
            #expect(peers[number].receive() == "STORED\r\n", "\(number)")
            #expect(try bench.locks().handOvers == number)
        }
        #expect(peers[39].ask("delete lock.a\r\n") == "DELETED\r\n")
        #expect(newcomer.receive() == "STORED\r\n")
    }
}
