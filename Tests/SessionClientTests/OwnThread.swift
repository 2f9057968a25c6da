import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Runs a test on an event loop of its own. Other suites block the few threads that tests share for
/// seconds; what measures time, or is measured, cannot wait for them. Only a few run at the same time, so
/// that short deadlines mean something.
struct OwnThread: TestTrait, SuiteTrait, TestScoping {
    /// The event loop of the test that runs; nil in suites without this trait.
    @TaskLocal static var executor: (any TaskExecutor)?

    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        await Turns.shared.begin()
        defer { Turns.shared.end() }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let executor = LoopExecutor(group.next())
            try await Self.$executor.withValue(executor) {
                try await withTaskExecutorPreference(executor) { try await function() }
            }
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }
}

/// A task on the test's own event loop, which has to be waited for. An unstructured `Task` does not inherit
/// the executor: it would wait for a thread that other suites block.
func ownTask<Success: Sendable>(
    _ operation: sending @escaping () async throws -> Success
) -> Task<Success, any Error> {
    Task(executorPreference: OwnThread.executor, operation: operation)
}

extension Trait where Self == OwnThread {
    static var ownThread: OwnThread { OwnThread() }
}

/// Runs tasks on an event loop.
private final class LoopExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Lets a few in at the same time, in the order in which they come.
private final class Turns: Sendable {
    static let shared = Turns()

    private struct State {
        var freeCount = 3
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func begin() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.freeCount > 0 else {
                    state.waiters.append(continuation)
                    return false
                }
                state.freeCount -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    func end() {
        let next: CheckedContinuation<Void, Never>? = state.withLock { state in
            guard state.waiters.isEmpty else { return state.waiters.removeFirst() }
            state.freeCount += 1
            return nil
        }
        next?.resume()
    }
}
