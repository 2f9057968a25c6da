import Cluster
import SessionMap

/// What a node remembers of items that are not what they were, so that nobody who comes back with something older brings it
/// back: of those that were deleted (`tombstones`), and of those that were changed while somebody was away (`shadows`). Each
/// is written down beside the memory file, too.
///
/// Confined to whoever has the member's lock.
final class DeletionMemory {
    private let map: SessionMap
    /// Of the hashes that members agree on.
    private let seed: UInt64
    private(set) var tombstones: Tombstones
    /// Of items that are there, or were, while somebody was away: see `remember`. Apart, as each change makes one.
    private var shadows: Tombstones
    /// See `ReplicaStore`. Kept in the map's memory, which may outlive the process.
    private(set) var forgotten: UInt64
    /// There where the map's memory outlives the process.
    private let log: DeletionLog?
    private let logFailed: () -> Void
    /// How long a key that a client has deleted cannot be stored again; 0 where it can.
    private let fenceSeconds: UInt32
    /// Whether no member is away, who may come back with something older.
    var isEverybodyHere = false {
        didSet {
            tombstones.isEverybodyHere = isEverybodyHere
            shadows.isEverybodyHere = isEverybodyHere
            if isEverybodyHere, forgotten != 0 { forget(until: 0) }
        }
    }
    /// See `ReplicaStore`.
    var isComparing = false {
        didSet {
            tombstones.isHeld = isComparing
            shadows.isHeld = isComparing
        }
    }

    init(
        of map: SessionMap, seed: UInt64, countMax: Int, fenceSeconds: UInt32,
        log: DeletionLog?, logFailed: @escaping () -> Void
    ) {
        self.map = map
        self.seed = seed
        self.fenceSeconds = fenceSeconds
        self.log = log
        self.logFailed = logFailed
        tombstones = Tombstones(countMax: countMax / 2, secondsWhileWell: fenceSeconds)
        shadows = Tombstones(countMax: countMax / 2)
        forgotten = map.deletionsForgottenUntil
    }

    /// All of both kinds.
    var all: [Tombstones.Tombstone] { tombstones.all + shadows.all }

    /// The latest that is known of a key that is not here.
    func stamp(_ hash: UInt64) -> Stamp {
        max(tombstones[hash]?.stamp ?? .none, shadows[hash]?.stamp ?? .none)
    }

    /// The latest that is known of a key, as it is told to others.
    func state(_ hash: UInt64, now: UInt32) -> KeyState? {
        let latest = [tombstones[hash], shadows[hash]].compactMap(\.self)
            .max { $0.stamp < $1.stamp }
        return latest.map { $0.state(now: now) }
    }

    // MARK: Coming and going

    /// As long as somebody may come back with an older state of a key, its later one leaves a tombstone when it
    /// expires or is evicted: else the older state would be the later one.
    func remember(_ key: [UInt8], hash: UInt64, _ stamp: Stamp, now: UInt32) {
        shadows.insert(key, hash: hash, stamp, now: now)
        noteForgotten()
        write(.change, key, stamp, now: now)
    }

    /// The same deletion with, as its time to live, how long its key cannot be stored again.
    func fenced(_ end: KeyState, now: UInt32) -> KeyState {
        guard fenceSeconds != 0, let until = map.fenceEnd(of: end.key.span, now: now)
        else { return end }
        var end = end
        end.secondsLeft = until - now
        return end
    }

    func insert(_ end: KeyState, hash: UInt64, now: UInt32) {
        let (key, stamp) = (end.key, end.stamp)
        // Should it be forgotten, what was there before must not be taken for known.
        shadows.remove(hash: hash)
        var fencedUntil: UInt32 = 0
        if let left = end.secondsLeft, left > 0 {
            fencedUntil = now + min(left, UInt32(FenceRules.secondsMax))
            map.fence(key.span, until: fencedUntil, now: now)
        }
        tombstones.insert(key, hash: hash, stamp, fencedUntil: fencedUntil, now: now)
        noteForgotten()
        write(fencedUntil == 0 ? .deletion : .fencedDeletion, key, stamp, now: now)
    }

    /// There is an item of the key again.
    func removeTombstone(_ hash: UInt64) { tombstones.remove(hash: hash) }

    /// The key is others' now.
    func drop(_ hash: UInt64) {
        tombstones.remove(hash: hash)
        shadows.remove(hash: hash)
    }

    func removeAll(before stamp: Stamp) {
        tombstones.removeAll(before: stamp)
        shadows.removeAll(before: stamp)
    }

    /// To be called every second.
    func expire(now: UInt32) {
        tombstones.expire(now: now)
        shadows.expire(now: now)
        noteForgotten()
    }

    private func noteForgotten() {
        let latest = max(tombstones.latestForgotten.version, shadows.latestForgotten.version)
        let time = VersionClock.microseconds(of: latest)
        if !isEverybodyHere, time > forgotten { forget(until: time) }
    }

    func forget(until time: UInt64) {
        forgotten = time == 0 ? 0 : max(forgotten, time)
        map.setDeletionsForgotten(until: forgotten)
    }

    // MARK: Written down

    /// So that the next process knows of it.
    private func write(
        _ kind: DeletionLog.Entry.Kind, _ key: [UInt8], _ stamp: Stamp, now: UInt32
    ) {
        guard let log, !log.isBroken else { return }
        let new = Tombstones.Tombstone(key: key, stamp: stamp, madeSeconds: now)
        if log.hasRoom(for: new) {
            log.append(.init(kind: kind, tombstone: new))
        } else {
            // It is among them.
            log.rewrite(
                tombstones.all.map {
                    .init(
                        kind: $0.fencedUntil == 0 ? .deletion : .fencedDeletion, tombstone: $0)
                }
                    + shadows.all.map { .init(kind: .change, tombstone: $0) })
        }
        if log.isBroken { logFailed() }
    }

    /// What an earlier process has left.
    ///
    /// - Parameter flushed: what is not later than that is gone anyway.
    func readLog(flushed: Stamp, now: UInt32) {
        guard let log else { return }
        let entries = log.load()
        if log.isBroken { logFailed() }
        for entry in entries {
            let old = entry.tombstone
            let made = min(old.madeSeconds, now)
            guard old.stamp > flushed else { continue }
            guard made + Tombstones.secondsMax >= now else {
                forget(until: VersionClock.microseconds(of: old.stamp.version))
                continue
            }
            let hash = old.key.withUnsafeBytes { SessionMap.hash($0, seed: seed) }
            switch entry.kind {
            case .deletion, .fencedDeletion:
                let fencedUntil = entry.kind == .fencedDeletion ? made + fenceSeconds : 0
                map.fence(old.key.span, until: fencedUntil, now: now)
                tombstones.insert(
                    old.key, hash: hash, old.stamp, fencedUntil: fencedUntil, now: made)
            case .change: shadows.insert(old.key, hash: hash, old.stamp, now: made)
            }
        }
    }
}
