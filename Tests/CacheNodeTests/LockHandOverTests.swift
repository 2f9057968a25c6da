import Glibc
import SessionMap
import Synchronization
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Locks that are handed over between real sockets and threads: how quickly, and what goes wrong.
@Suite(.timeLimit(.minutes(10)), .serialized)
struct LockHandOverTests {
    private static let add = "add lock.a 0 30 1\r\n1\r\n"

    private func milliseconds(_ body: () throws -> Void) rethrows -> Double {
        let elapsed = try ContinuousClock().measure(body)
        return elapsed / .milliseconds(1)
    }

    private func waits(_ count: Int, _ bench: WorkerBench) throws {
        try bench.wait(for: "\(count) who wait") { try bench.locks().waiting == count }
    }

    @Test(
        "A lock is there within milliseconds of its deletion, on the same worker and on another",
        arguments: [0, 1])
    func quickly(worker: Int) throws {
        let bench = try WorkerBench(workerCount: 2) { _ in }
        let holder = try bench.connect(to: 0)
        let waiter = try bench.connect(to: worker)
        var times: [Double] = []
        for _ in 0..<30 {
            #expect(holder.ask(Self.add) == "STORED\r\n")
            waiter.send(Self.add)
            try waits(1, bench)
            usleep(20_000)
            holder.send("delete lock.a\r\n")
            times.append(milliseconds { #expect(waiter.receive() == "STORED\r\n") })
            #expect(holder.receive() == "DELETED\r\n")
            #expect(waiter.ask("delete lock.a\r\n") == "DELETED\r\n")
        }
        // Some of them: the machine may be busy.
        #expect(times.sorted()[5] < 2, "\(times)")
    }

    @Test("Who waits is refused when its time is over, not before and not long after")
    func timeOver() throws {
        let bench = try WorkerBench(workerCount: 1) { $0.locks.waitMilliseconds = 150 }
        let holder = try bench.connect()
        let waiters = try (0..<3).map { _ in try bench.connect() }
        #expect(holder.ask(Self.add) == "STORED\r\n")
        var times: [Double] = []
        for _ in 0..<4 {
            times.append(
                milliseconds {
                    for waiter in waiters { waiter.send(Self.add + "mn\r\n") }
                    // Others of the worker go on.
                    #expect(holder.ask("mn\r\n") == "MN\r\n")
                    for waiter in waiters {
                        var reply = waiter.receive()
                        if reply == "NOT_STORED\r\n" { reply += waiter.receive() }
                        #expect(reply == "NOT_STORED\r\nMN\r\n")
                    }
                })
        }
        #expect(times.allSatisfy { $0 >= 149 }, "\(times)")
        // One of them: the machine may be busy.
        #expect(times.sorted()[0] < 175, "\(times)")
        #expect(try bench.locks().timeouts == 12)
    }

    @Test("A lock whose holder never deletes it is there in the second in which it expires")
    func expiry() throws {
        let bench = try WorkerBench(workerCount: 2) { $0.locks.waitMilliseconds = 10_000 }
        let holder = try bench.connect(to: 0)
        let waiters = try (0..<2).map { try bench.connect(to: $0) }
        // Of three seconds two are left at least: both must be there before it expires.
        #expect(holder.ask("add lock.a 0 3 1\r\n1\r\n") == "STORED\r\n")
        // Nobody maintains anything here. The second one has the first one's lock to expire.
        waiters[0].send("add lock.a 0 1 1\r\n1\r\n")
        try waits(1, bench)
        waiters[1].send(Self.add)
        try waits(2, bench)
        for waiter in waiters {
            #expect(waiter.receive() == "STORED\r\n")
            let past = NodeClock.nanoseconds() % 1_000_000_000
            // A second of the node's clock has just begun.
            #expect(past < 100_000_000, "\(past) ns late")
        }
    }

    @Test(
        "A peer that hangs up is out of the line, though it was called; its lock is the next one's")
    func hangingUp() throws {
        let bench = try WorkerBench(workerCount: 2) { $0.locks.waitMilliseconds = 20_000 }
        let holder = try bench.connect(to: 0)
        for round in 0..<40 {
            let first = try bench.connect(to: round % 2)
            let second = try bench.connect(to: 1)
            #expect(holder.ask(Self.add) == "STORED\r\n")
            first.send(Self.add)
            try waits(1, bench)
            second.send(Self.add)
            try waits(2, bench)
            if round % 4 < 2 { holder.send("delete lock.a\r\n") }
            first.close()
            if round % 4 >= 2 { holder.send("delete lock.a\r\n") }
            #expect(holder.receive() == "DELETED\r\n")
            var reply = second.receive(milliseconds: round % 4 < 2 ? 100 : 30_000)
            if reply.isEmpty, round % 4 < 2 {
                // The first had it before it hung up: nobody can know that it would.
                #expect(holder.ask("delete lock.a\r\n") == "DELETED\r\n")
                reply = second.receive()
            }
            #expect(reply == "STORED\r\n")
            #expect(holder.ask("delete lock.a\r\n") == "DELETED\r\n")
        }
        #expect(try bench.locks().waiting == 0)
    }

    @Test("A peer that ends its sending is answered at once, all that it has sent, and then closed")
    func halfClose() throws {
        let bench = try WorkerBench(workerCount: 1) { $0.locks.waitMilliseconds = 20_000 }
        let holder = try bench.connect()
        let waiter = try bench.connect()
        #expect(holder.ask(Self.add) == "STORED\r\n")
        waiter.send(Self.add + "mn\r\n" + Self.add + "ms lock.a 1 ME\r\n1\r\nversion\r\n")
        waiter.endSending()
        var reply = ""
        while !reply.hasSuffix("1.6.45\r\n") {
            let part = waiter.receive()
            try #require(!part.isEmpty, "\(reply)")
            reply += part
        }
        #expect(reply == "NOT_STORED\r\nMN\r\nNOT_STORED\r\nNS\r\nVERSION 1.6.45\r\n")
        #expect(waiter.isClosed())
        let counts = try bench.locks()
        #expect(counts.cancellations == 3 && counts.waiting == 0 && counts.timeouts == 0)
    }

    @Test("A megabyte behind an add that waits stays with its peer, and is answered in order")
    func backPressure() throws {
        let bench = try WorkerBench(workerCount: 1) { $0.locks.waitMilliseconds = 20_000 }
        let holder = try bench.connect()
        let waiter = try bench.connect()
        #expect(holder.ask(Self.add) == "STORED\r\n")
        waiter.send(Self.add)
        try waits(1, bench)
        // A line's end is one character of a text.
        let line = "mg nothing k Oabcdefghijklmnopqrstuvwxyz\n"
        let lines = String(repeating: line, count: 100)
        let total = 1_000_000 / lines.utf8.count
        var sent = 0
        var part = 0
        var received = 0
        func sendSome() {
            while sent < total {
                let count = waiter.send(String(lines.dropFirst(part)))
                if count == 0 { return }
                part += count
                if part == lines.utf8.count {
                    part = 0
                    sent += 1
                }
            }
        }
        sendSome()
        usleep(50_000)
        sendSome()
        #expect(sent < total)
        let readBefore = bench.node.space.counters[0].value(.bytesRead)
        usleep(20_000)
        #expect(bench.node.space.counters[0].value(.bytesRead) == readBefore)
        #expect(readBefore < 100_000)
        // Others are served as ever.
        #expect(holder.ask("delete lock.a\r\n") == "DELETED\r\n")
        #expect(waiter.receive().hasPrefix("STORED\r\n"))
        let misses = { Int(bench.node.space.counters[0].value(.getMisses)) }
        try bench.wait(for: "the end") {
            sendSome()
            received += waiter.receive(milliseconds: 1).utf8.count
            return misses() == total * 100
        }
    }

    @Test("A node that stops answers what waits as if the time was over")
    func stopping() throws {
        let bench = try WorkerBench(workerCount: 2) { $0.locks.waitMilliseconds = 20_000 }
        let holder = try bench.connect()
        let waiters = try (0..<6).map { try bench.connect(to: $0 % 2) }
        #expect(holder.ask(Self.add) == "STORED\r\n")
        for waiter in waiters { waiter.send(Self.add) }
        try waits(6, bench)
        bench.stop()
        for waiter in waiters {
            #expect(waiter.receive() == "NOT_STORED\r\n")
            #expect(waiter.isClosed())
        }
        #expect(try bench.locks().timeouts == 6)
    }

    @Test("A connection that waits is not idle, and is again when it has been answered")
    func idle() throws {
        let bench = try WorkerBench(workerCount: 1) {
            $0.locks.waitMilliseconds = 20_000
            $0.idleTimeoutSeconds = 10
        }
        let holder = try bench.connect()
        let waiter = try bench.connect()
        #expect(holder.ask("add lock.a 0 0 1\r\n1\r\n") == "STORED\r\n")
        waiter.send(Self.add)
        try waits(1, bench)
        bench.node.space.clock.advance(seconds: 9)
        #expect(holder.ask("mn\r\n") == "MN\r\n")
        // On a busy machine some seconds more pass before the next word.
        bench.node.space.clock.advance(seconds: 4)
        bench.maintain()
        #expect(holder.ask("delete lock.a\r\n") == "DELETED\r\n")
        #expect(waiter.receive() == "STORED\r\n")
        bench.node.space.clock.advance(seconds: 11)
        bench.maintain()
        #expect(waiter.isClosed())
    }
}
