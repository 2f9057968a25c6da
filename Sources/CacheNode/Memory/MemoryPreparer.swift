import Logging
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
        /// Memory that a space is to have more of.
        var growth: (@Sendable () -> Void)?
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

    /// Has the memory for a higher limit; one at a time. Then, or at once where there is nothing to be had
    /// first, calls `tell` with what is wrong, if anything is.
    func grow(
        from old: Int, to new: Int, logger: Logger, tell: @escaping @Sendable (String?) -> Void
    ) {
        guard let file else {
            if let shortage = MemoryBudget.ofThisProcess().shortage(arenaByteCount: new) {
                // As at the start: some of it may never come into use.
                logger.warning("\(shortage)")
            }
            return tell(nil)
        }
        let work: @Sendable () -> Void = { [map] in
            tell(file.shortage(takingMore: map.bytes(between: old, and: new), total: new))
        }
        state.withLock { $0.growth = work }
        semaphore.signal()
    }

    private func goOnGrowing() {
        let work = state.withLock { $0.growth.take() }
        work?()
    }

    /// Works until `stop`.
    func run() {
        // Much of it is there already when the file was taken over.
        file?.populate {
            goOnGrowing()
            return !state.withLock { $0.isStopping }
        }
        while true {
            semaphore.waitForAll()
            let (shards, isStopping) = state.withLock { state in
                defer { state.wanted.removeAll() }
                return (state.wanted, state.isStopping)
            }
            if isStopping { return }
            goOnGrowing()
            for shard in shards { map.prepareMemory(shard: shard) }
        }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        semaphore.signal()
    }
}
