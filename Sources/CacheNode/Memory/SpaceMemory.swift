import Logging
import SessionMap
import Synchronization

/// How much memory a space may take, and how that changes while it runs.
///
/// Less of it evicts, in bounded turns of maintenance, and the pages go back to the system. For more of it
/// in a file the memory is had first, on the thread that nobody waits for: a full disk refuses the change,
/// and is no signal later.
final class SpaceMemory: Sendable {
    private let map: SessionMap
    private let preparer: MemoryPreparer
    private let limit: Atomic<Int>
    /// One change at a time.
    private let isChanging = Atomic(false)

    enum Outcome: Equatable, Sendable {
        case changed
        /// Less than what a few of the largest items take, or more than there is room for.
        case outOfBounds
        /// The memory is not to be had, for this reason.
        case refused(String)
    }

    init(map: SessionMap, preparer: MemoryPreparer, byteCount: Int) {
        self.map = map
        self.preparer = preparer
        limit = Atomic(byteCount)
    }

    /// As an operator left it.
    var byteCount: Int { limit.load(ordering: .relaxed) }

    /// Changes the memory to `byteCount`. `tell` is called with what came of it: at once, or from another
    /// thread. The log says why it was refused, or what has changed.
    func set(byteCount: Int, logger: Logger, tell: @escaping @Sendable (Outcome) -> Void) {
        let old = self.byteCount
        let end: @Sendable (Outcome) -> Void = { [self] outcome in
            log(outcome, from: old, to: byteCount, logger)
            tell(outcome)
        }
        guard map.admits(limitByteCount: byteCount) else { return end(.outOfBounds) }
        guard
            !isChanging.compareExchange(
                expected: false, desired: true, ordering: .acquiringAndReleasing
            ).original
        else { return end(.refused("another change is under way")) }
        guard byteCount > old else {
            change(to: byteCount)
            return end(.changed)
        }
        preparer.grow(from: old, to: byteCount, logger: logger) { [self] shortage in
            guard let shortage else {
                change(to: byteCount)
                return end(.changed)
            }
            isChanging.store(false, ordering: .releasing)
            end(.refused(shortage))
        }
    }

    private func change(to byteCount: Int) {
        _ = map.setLimit(byteCount: byteCount)
        limit.store(byteCount, ordering: .relaxed)
        isChanging.store(false, ordering: .releasing)
    }

    private func log(_ outcome: Outcome, from old: Int, to new: Int, _ logger: Logger) {
        switch outcome {
        case .changed where old == new: break
        case .changed:
            logger.notice(
                """
                the memory limit is \(new >> 20) MB, after \(old >> 20)\
                \(new < old ? "; what is above goes, unproven items first" : "")
                """)
        case .outOfBounds:
            logger.warning(
                """
                the memory limit stays \(old >> 20) MB: \(new >> 20) MB are below two of the largest \
                items in each of \(map.shardCount) shards, or above what the space can grow to, \
                \(map.limitByteCountMax >> 20) MB
                """)
        case .refused(let reason):
            logger.warning("the memory limit stays \(old >> 20) MB: \(reason)")
        }
    }
}
