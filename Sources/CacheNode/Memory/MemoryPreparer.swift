import SessionMap
import Synchronization

/// Has memory made present, on a thread that nobody waits for: that of a memory file, and what a growing
/// map will need next.
///
/// `@unchecked Sendable`: the file does not change; the rest is made for several threads.
final class MemoryPreparer: @unchecked Sendable {
    private let map: SessionMap
    private let file: MemoryFile?
    private let semaphore = Semaphore()
    private let state = Mutex(State())

    private struct State {
        var wanted: [Int] = []
        var isStopping = false
    }

    init(map: SessionMap, file: MemoryFile? = nil) {
        self.map = map
        self.file = file
        map.observeGrowth { [unowned self] in want(shard: $0) }
    }

    /// Called with the shard's lock held.
    private func want(shard: Int) {
        state.withLock { $0.wanted.append(shard) }
        semaphore.signal()
    }

    /// Works until `stop`.
    func run() {
        // Much of it is there already when the file was taken over.
        file?.populate { !state.withLock { $0.isStopping } }
        while true {
            semaphore.waitForAll()
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
        semaphore.signal()
    }
}
