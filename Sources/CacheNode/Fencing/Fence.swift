import SessionMap
import Synchronization

/// What keeps a session that was logged out from being stored again by a page that still has it: `-o fence`.
///
/// The map refuses the stores; here is which deletions fence their keys, and that the next process knows of it.
final class Fence: Sendable {
    private let map: SessionMap
    private let rules: Mutex<FenceRules>
    private let isOn: Atomic<Bool>
    private let locks: LockRules
    /// There where the map's memory outlives the process, and no member of a cluster sees to it.
    private let log: FenceLog?

    init(
        _ rules: FenceRules, locks: LockRules, map: SessionMap, log: FenceLog? = nil, now: UInt32
    ) {
        self.map = map
        self.rules = Mutex(rules)
        isOn = Atomic(rules.seconds > 0)
        self.locks = locks
        self.log = log
        for fence in log?.load() ?? [] {
            // Never for longer than the present rules say.
            let end = min(fence.end, now + UInt32(rules.seconds))
            map.fence(hash: fence.hash, until: end, now: now)
        }
    }

    /// From now on.
    func decide(_ rules: FenceRules) {
        self.rules.withLock { $0 = rules }
        isOn.store(rules.seconds > 0, ordering: .relaxed)
    }

    var seconds: UInt32 { UInt32(rules.withLock { $0.seconds }) }

    /// Until which second a key cannot be stored again that is deleted now; 0 where it can.
    func end(of key: Span<UInt8>, now: UInt32) -> UInt32 {
        guard isOn.load(ordering: .relaxed) else { return 0 }
        let (isCovered, seconds) = rules.withLock { rules in
            (rules.cover(key, locks: locks), UInt32(rules.seconds))
        }
        return isCovered ? now + seconds : 0
    }

    /// A key was fenced. Without the shard's lock: it is a system call.
    func noteFenced(_ key: Span<UInt8>, until end: UInt32) {
        log?.append(hash: map.keyHash(key), end: end) { map.fences }
    }
}

extension Space {
    /// Ends an item as a client's deletion does, for whoever has one ended: what was there may be fenced. Where nodes keep
    /// copies, whoever decides about a key calls this.
    func delete(
        _ key: Span<UInt8>, comparison: UInt64? = nil, now: Moment
    ) -> DeleteOutcome {
        let end = fence.end(of: key, now: now.seconds)
        let outcome = map.delete(
            key, comparison: comparison, fencingUntil: end, now: now.seconds)
        if end != 0, outcome == .deleted { fence.noteFenced(key, until: end) }
        return outcome
    }
}
