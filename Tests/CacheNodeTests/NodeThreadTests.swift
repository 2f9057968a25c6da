import Glibc
import Synchronization
import Testing

@testable import CacheNode

@Suite(.timeLimit(.minutes(10)))
struct NodeThreadTests {
    private final class Calls: Sendable {
        let counts: Mutex<[Int]>

        init(_ count: Int) { counts = Mutex(Array(repeating: 0, count: count)) }
    }

    @Test("A thread for long work lets all others go first")
    func yielding() throws {
        let seen = Mutex<[Int32]>([])
        for yields in [false, true] {
            try NodeThread(yields: yields) {
                // Of this thread, where it is Linux.
                let niceness = getpriority(Int32(bitPattern: PRIO_PROCESS.rawValue), 0)
                seen.withLock { $0.append(niceness) }
            }.join()
        }
        let niceness = seen.withLock { $0 }
        #expect(niceness[1] == min(19, niceness[0] + 10))
    }

    @Test(
        "Each number is somebody's once, however many threads there are",
        arguments: [(0, 4), (1, 4), (16, 1), (16, 4), (3, 100), (1_000, 3)])
    func each(count: Int, threadCount: Int) {
        let calls = Calls(count)
        NodeThread.each(count, threadCount: threadCount) { number in
            calls.counts.withLock { $0[number] += 1 }
        }
        #expect(calls.counts.withLock { $0 } == Array(repeating: 1, count: count))
    }
}
