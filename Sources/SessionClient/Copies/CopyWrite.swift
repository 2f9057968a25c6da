/// A change of an item with several copies, without any I/O: which nodes are asked for what, in which order,
/// and what came of it.
///
///     set, delete       look ───────────────────────────> spread ──> finish
///     add, replace      look ──> decide ──stored────────> spread ──> finish
///                         ^         └──another version──┐
///                         └─────────────────────────────┘
///     compareAndSet     look ──> decide ──stored────────> spread ──> finish
///                         ^  └─────────┴another version──> read ──> finish, or again
///     addFresh          add everywhere ─────────────────────────────> finish
///
/// Where a copy was missed, `remember` lies before the end.
///
/// Goals: a version above every one that was seen; one node decides, the first that answers in the order of
/// the ring, and the others follow it; a change that too few copies have fails.
/// Not goals: knowing values, deadlines and connections.
struct CopyWrite: Sendable {
    enum Goal: Equatable, Sendable {
        case set, add, replace
        /// An `add` under a key that nobody has used before, in one round.
        case addFresh
        case compareAndSet(expected: UInt64)
        case delete
    }

    enum Step: Equatable, Sendable {
        /// Ask all nodes what they have; so many known copies are waited for.
        case look(needed: Int)
        /// Ask all nodes to add the item; so many that have it are waited for.
        case addEverywhere(version: UInt64, needed: Int)
        /// Ask one node to store, only over what it was seen to have (0 for nothing). It has one of so many
        /// parts of the time that is left.
        case decide(version: UInt64, place: Int, over: UInt64, partCount: Int)
        /// Bring nodes to the version, each from the one that it was seen to have; so many of them are
        /// waited for.
        case spread(version: UInt64, over: [Int: UInt64], needed: Int)
        /// A copy was missed. What was stored at these places has to outlive what the others may still have.
        case remember(version: UInt64, places: Set<Int>)
        /// Read the item, as everybody does.
        case read
        case finish(StoreOutcome)
        case fail(CacheError)
    }

    /// What became of a fresh item at one node.
    enum Addition: Equatable, Sendable {
        case stored, present
        case unknown(CacheError)

        var isStored: Bool { self == .stored }
        var error: CacheError? { if case .unknown(let error) = self { error } else { nil } }
    }

    enum Decision: Equatable, Sendable {
        case stored
        /// The node has something else.
        case refused
        case failed(CacheError)
    }

    private let goal: Goal
    private let settings: Copies
    private let nodeCount: Int
    private let clock: VersionClock
    private var attemptCount = 0
    private var version: UInt64 = 0
    /// Those that were not asked yet to decide, the one that is asked now first.
    private var candidates: ArraySlice<Copy> = []
    /// Nodes that have the version.
    private var reached: Set<Int> = []
    /// What came of it, if enough nodes have the version.
    private var outcome = StoreOutcome.absent
    /// What follows when a missed copy is remembered.
    private var ending: Step?

    /// - Parameter nodeCount: nodes that there are for the item; may be fewer than there are to be copies.
    init(_ goal: Goal, settings: Copies, nodeCount: Int, clock: VersionClock) {
        self.goal = goal
        self.settings = settings
        self.nodeCount = nodeCount
        self.clock = clock
    }

    mutating func begin() -> Step {
        switch goal {
        case .set, .delete: return .look(needed: settings.writeCountMin)
        // No item has it; as a version it would stand for a missing one.
        case .compareAndSet(expected: 0): return .read
        // A node that has returned may have missed a later version, or a deletion: it does not decide alone.
        case .add, .replace, .compareAndSet:
            guard attemptCount < Copies.attemptCountMax else {
                return .fail(CacheError(.contended))
            }
            attemptCount += 1
            return .look(needed: max(settings.readCountMin, settings.writeCountMin))
        case .addFresh:
            return withVersion(after: 0) { write in
                .addEverywhere(version: write.version, needed: write.settings.writeCountMin)
            }
        }
    }

    private mutating func withVersion(
        after seen: UInt64, _ next: (inout CopyWrite) -> Step
    ) -> Step {
        guard let version = clock.next(after: seen) else {
            return .fail(
                CacheError(.contended, reason: "no later version than the item's"))
        }
        self.version = version
        return next(&self)
    }

    // MARK: What was found

    /// - Parameter copies: every copy, in the order of the nodes.
    mutating func looked(_ copies: [Copy], needed: Int) -> Step {
        let newest: Copy
        do throws(CacheError) {
            newest = try Copy.newest(of: copies, needed: needed, nodeCount: nodeCount)
        } catch {
            return .fail(error)
        }
        switch goal {
        case .add where newest.isLive: return .finish(.present)
        case .replace where !newest.isLive: return .finish(.absent)
        case .compareAndSet(let expected) where !newest.isLive || newest.version != expected:
            return .read
        case .add, .replace, .compareAndSet:
            return withVersion(after: newest.version ?? 0) { $0.decide(among: copies[...]) }
        case .delete where newest.version == 0 && copies.allSatisfy({ $0.version != nil }):
            // Where a node does not answer, it may have one.
            return .finish(.absent)
        case .set, .delete, .addFresh:
            return withVersion(after: newest.version ?? 0) { write in
                let wasThere = newest.isLive || write.goal != .delete
                write.outcome = wasThere ? .stored(write.version) : .absent
                return write.spread(over: copies)
            }
        }
    }

    /// - Parameter version: the item's; nil if there is none.
    mutating func read(_ version: UInt64?) -> Step {
        guard case .compareAndSet(let expected) = goal, let version else {
            return .finish(.absent)
        }
        // The node that decides lags behind.
        return version == expected && expected != 0 ? begin() : .finish(.changed)
    }

    // MARK: Deciding

    /// A node that was asked and did not answer may have stored it, too: it is the same then.
    private mutating func decide(among copies: ArraySlice<Copy>) -> Step {
        candidates = copies.drop { $0.version == nil }
        guard let copy = candidates.first, let known = copy.version else {
            return .fail(CacheError(.tooFewCopies))
        }
        return .decide(
            version: version, place: copy.place, over: known, partCount: candidates.count + 1)
    }

    mutating func decided(_ decision: Decision) -> Step {
        switch decision {
        case .refused: return goal == .add || goal == .replace ? begin() : .read
        case .failed(let error):
            let rest = candidates.dropFirst()
            guard rest.contains(where: { $0.version != nil }) else { return .fail(error) }
            return decide(among: rest)
        case .stored:
            // Those before it do not answer.
            guard let copy = candidates.first else { return .fail(CacheError(.tooFewCopies)) }
            outcome = .stored(version)
            reached = [copy.place]
            return spread(over: Array(candidates.dropFirst()))
        }
    }

    // MARK: Spreading

    private func spread(over copies: [Copy]) -> Step {
        var versions: [Int: UInt64] = [:]
        for copy in copies { versions[copy.place] = copy.version }
        return .spread(
            version: version, over: versions, needed: settings.writeCountMin - reached.count)
    }

    /// - Parameter places: nodes that have the version now, or a later one.
    mutating func spread(to places: some Sequence<Int>) -> Step {
        reached.formUnion(places)
        let needed = settings.writeCountMin
        return end(
            with: reached.count >= needed
                ? .finish(outcome)
                : .fail(Copy.tooFew(reached.count, needed: needed, nodeCount: nodeCount)),
            reachedCount: reached.count, remembering: reached.count < nodeCount ? reached : [])
    }

    private mutating func end(
        with step: Step, reachedCount: Int, remembering places: Set<Int>
    ) -> Step {
        guard reachedCount < settings.count else { return step }
        ending = step
        return .remember(version: version, places: places)
    }

    func remembered() -> Step { ending ?? .fail(CacheError(.tooFewCopies)) }

    // MARK: Fresh items

    /// - Parameter additions: of every node.
    mutating func added(_ additions: [Addition]) -> Step {
        let failures = additions.compactMap(\.error)
        let count = additions.count(where: \.isStored)
        guard count + failures.count == additions.count else { return .finish(.present) }
        // There is nothing older that it would have to outlive.
        return end(
            with: freshEnding(count, because: failures.first), reachedCount: count, remembering: [])
    }

    private func freshEnding(_ count: Int, because error: CacheError?) -> Step {
        let needed = settings.writeCountMin
        if count >= needed { return .finish(.stored(version)) }
        if count == 0, let error { return .fail(error) }
        return .fail(Copy.tooFew(count, needed: needed, nodeCount: nodeCount, because: error))
    }
}
