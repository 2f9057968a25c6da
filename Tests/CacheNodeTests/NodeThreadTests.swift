import Synchronization
import Testing

@testable import CacheNode

@Suite(.timeLimit(.minutes(10)))
struct NodeThreadTests {
    private final class Calls: Sendable {
        let counts: Mutex<[Int]>

        init(_ count: Int) { counts = Mutex(Array(repeating: 0, count: count)) }
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
