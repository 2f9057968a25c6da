import Glibc
import SessionMap
import Synchronization

/// Has memory made present, on a thread that nobody waits for: that of a memory file, and what a growing
/// map will need next.
///
/// `@unchecked Sendable`: the semaphore is made for several threads, and is there as long as this
/// object is; so is the file, which does not change; the rest is behind a mutex.
final class MemoryPreparer: @unchecked Sendable {
    private let map: SessionMap
    private let file: MemoryFile?
    private let semaphore: UnsafeMutablePointer<sem_t>
    private let state = Mutex(State())

    private struct State {
        var wanted: [Int] = []
        var isStopping = false
    }

    init(map: SessionMap, file: MemoryFile? = nil) {
        self.map = map
        self.file = file
        semaphore = .allocate(capacity: 1)
        let result = sem_init(semaphore, 0, 0)
        precondition(result == 0, "no semaphore to be had")
        map.observeGrowth { [unowned self] in want(shard: $0) }
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    /// Called with the shard's lock held.
    private func want(shard: Int) {
        state.withLock { $0.wanted.append(shard) }
        sem_post(semaphore)
    }

    /// Works until `stop`.
    func run() {
        // Much of it is there already when the file was taken over.
        file?.populate { !state.withLock { $0.isStopping } }
        while true {
            // Interrupted or not: what there is to do is in the state.
            sem_wait(semaphore)
            let (shards, isStopping) = state.withLock { state in
                defer { state.wanted.removeAll() }
                return (state.wanted, state.isStopping)
            }
            if isStopping { return }
            for shard in shards { map.prepareMemory(shard: shard) }
        }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        sem_post(semaphore)
    }
}
