import Cluster
import MemcacheProtocol
import SessionMap

/// A node's copies: the map's items, with their stamps, and the tombstones.
///
/// Confined to whoever has the member's lock. Every change of an item of the map that is not an end by time or for
/// room passes here, so what is found in the map stays true until the next change.
final class NodeStore: ReplicaStore {
    private let map: SessionMap
    private let nodeClock: NodeClock
    private let readWall: () -> UInt64
    /// See `holdTime`.
    private var held: (moment: Moment, wall: UInt64)?
    private let performer: Performer
    private let gates: ReadGates
    /// Of the hashes that members agree on.
    let seed: UInt64
    private var versions: VersionClock
    let deletions: DeletionMemory
    /// See `ReplicaStore`. Kept in the map's memory, which may outlive the process.
    private(set) var flushed: Stamp
    /// What of the map's items may be above all versions that were made or followed here: those of an earlier process
    /// until they were looked at.
    private var versionAtStart = UInt64.max
    /// Whether to read an item now proves it.
    private let provesByReading: (Hit) -> Bool
    /// Whether items were evicted alive: what is not here may be at the other owner then.
    private let hasEvicted: () -> Bool
    private(set) var counts = Counts()
    /// Whether no member is away, who may come back with something older.
    var isEverybodyHere = false {
        didSet { deletions.isEverybodyHere = isEverybodyHere }
    }
    /// See `ReplicaStore`.
    var isComparing = false {
        didSet { deletions.isComparing = isComparing }
    }
    /// See `ReplicaStore`.
    var forgotten: UInt64 { deletions.forgotten }
    /// Where a walk over all items takes too long for who has the lock: whoever drops what others own now, on a thread of
    /// its own.
    var dropsLater: ((@escaping ([UInt8]) -> Bool) -> Void)?

    struct Counts {
        /// States that a peer sent: taken over, and not later than what was there.
        var applied: UInt64 = 0
        var older: UInt64 = 0
        /// There was no room for them.
        var refused: UInt64 = 0
        /// States of keys that are others'.
        var kept: UInt64 = 0
        /// Items that gave way to a deletion that a peer knew of.
        var tombstonesWon: UInt64 = 0
        /// Items of members that were away, which may have been deleted meanwhile.
        var tombstonesAssumed: UInt64 = 0
    }

    init(
        member: UInt8, map: SessionMap, clock: NodeClock, wall: @escaping () -> UInt64,
        performer: Performer, gates: ReadGates,
        seed: UInt64, tombstoneCountMax: Int, fenceSeconds: UInt32 = 0, log: DeletionLog? = nil,
        logFailed: @escaping () -> Void = {},
        provesByReading: @escaping (Hit) -> Bool = { _ in false },
        hasEvicted: @escaping () -> Bool
    ) {
        self.map = map
        nodeClock = clock
        readWall = wall
        self.performer = performer
        self.gates = gates
        self.seed = seed
        versions = VersionClock(member: member)
        deletions = DeletionMemory(
            of: map, seed: seed, countMax: tombstoneCountMax, fenceSeconds: fenceSeconds,
            log: log, logFailed: logFailed)
        self.provesByReading = provesByReading
        self.hasEvicted = hasEvicted
        let flushed = map.flushStamp
        self.flushed = Stamp(birth: flushed.birth, version: flushed.version)
        deletions.readLog(flushed: self.flushed, now: now().seconds)
    }

    /// Unix time of the first of January 2025, in microseconds.
    private static let epoch = NodeClock.birthEpochSeconds * 1_000_000

    /// Microseconds since 2025, as this machine believes.
    static func wall(of clock: NodeClock) -> UInt64 {
        UInt64(max(0, clock.wallMicroseconds() - epoch))
    }

    /// From now on until `letTimeGo` it is one moment: what has come at once needs not read the clocks for each.
    func holdTime() { held = (nodeClock.now(), readWall()) }
    func letTimeGo() { held = nil }

    private func now() -> Moment { held?.moment ?? nodeClock.now() }

    /// As the machine's clock has it, but not behind the clock by which ages are told, which nobody sets: what begins now
    /// must not be older than it is.
    private func wall() -> UInt64 {
        let born = Int64(now().seconds) + map.lifetimes.lead
        return max(held?.wall ?? readWall(), UInt64(max(0, born)) * 1_000_000)
    }

    private func hash(_ key: [UInt8]) -> UInt64 {
        key.withUnsafeBytes { SessionMap.hash($0, seed: seed) }
    }

    // MARK: Requests

    func perform(_ request: Request) -> (outcome: Outcome, change: Change) {
        let now = now()
        let key = request.key
        if isStandIn { noteGuest() }
        let before = map.copyHead(of: key.span, now: now.seconds)
        let hash = hash(key)
        guard !request.isRead else {
            let outcome = Outcome(performer.perform(request.command, now: now))
            // It may have been proven by it, or its right to be made anew given away.
            let after = map.copyHead(of: key.span, now: now.seconds)
            return (outcome, change(before, after, of: key, now: now))
        }
        let known = known(before, hash: hash)
        let floor = max(known, flushed)
        let version = versions.make(
            above: floor.version, shard: map.shardNumber(of: key.span), now: wall())
        let birth = VersionClock.birth(of: version, notBefore: floor.birth)
        map.setNextStamp(key.span, version: version, birth: birth)
        let outcome = Outcome(performer.perform(request.command, now: now))
        var after: CopyHead?
        var state: KeyState?
        var isNote = false
        _ = map.peek(key.span, now: now.seconds) { hit in
            let head = hit.copyHead
            after = head
            guard Self.differs(before, head) else { return }
            if let before, isEverybodyHere, Self.isNote(before, head, now: now) {
                isNote = true
            } else {
                state = KeyState(key, hit)
            }
        }
        if isNote { return (outcome, .note) }
        let end = KeyState.tombstone(of: key, Stamp(birth: birth, version: version))
        guard let after else {
            // What was not here may be at the other owner.
            guard
                before != nil
                    || (isStandIn || hasEvicted()) && request.isDeletion
            else {
                return (outcome, .none)
            }
            let fenced = deletions.fenced(end, now: now.seconds)
            return (outcome, .state(bury(fenced, hash: hash, now: now)))
        }
        guard state != nil else { return (outcome, .none) }
        deletions.removeTombstone(hash)
        // The client may have wished for a lower version than was there; and an earlier end would lose against
        // the later one of the same state.
        // Nor would somebody who is away ever hear of an end that has only moved.
        if after.stamp <= floor,
            before?.stamp != after.stamp || !isEverybodyHere
                || Self.differs(before?.merged(with: after), after)
        {
            state = raise(key, above: floor)
        }
        if known != .none, !isEverybodyHere {
            deletions.remember(
                key, hash: hash, state?.stamp ?? after.stamp, now: now.seconds)
        }
        return (outcome, .state(state ?? bury(end, hash: hash, now: now)))
    }

    /// What has come of a read.
    private func change(
        _ before: CopyHead?, _ after: CopyHead?, of key: [UInt8], now: Moment
    ) -> Change {
        guard Self.differs(before, after) else { return .none }
        if let before, let after, Self.isNote(before, after, now: now) { return .note }
        return state(of: key, now: now).map { .state($0) } ?? .none
    }

    /// So long an item has to live without it that its renewal may be told later.
    static let secondsWithoutRenewal: UInt32 = 5

    /// Whether an item only lives longer, and can wait to be told.
    private static func isNote(_ before: CopyHead, _ after: CopyHead, now: Moment) -> Bool {
        // That it was proven decides whether a flood takes it: it must not be lost with whoever knows it.
        guard before.stamp == after.stamp, before.isProven == after.isProven, !after.isStale,
            !before.isStale
        else { return false }
        var merged = before.merged(with: after)
        merged.marks &= CopyHead.sharedMarks
        var shared = after
        shared.marks &= CopyHead.sharedMarks
        return merged == shared
            && (before.deadline.secondsLeft(at: now.seconds) ?? .max) >= secondsWithoutRenewal
    }

    func note(of key: [UInt8]) -> Note? {
        var note: Note?
        _ = map.peek(key.span, now: now().seconds) { hit in
            let head = hit.copyHead
            note = Note(
                key: key, stamp: head.stamp, secondsLeft: hit.secondsLeft, marks: head.toldMarks)
        }
        return note
    }

    func apply(_ note: Note) {
        let now = now()
        map.renew(
            note.key.span,
            CopyHead(
                version: note.stamp.version, birth: note.stamp.birth, clientFlags: 0,
                deadline: CopyHead.deadline(
                    secondsLeft: note.secondsLeft, marks: note.marks, now: now.seconds),
                marks: UInt32(note.marks)), now: now.seconds, fraction: now.fraction)
    }

    func lacks(_ note: Note) -> Bool {
        guard CopyHead.isProven(marks: UInt32(note.marks)),
            map.copyHead(of: note.key.span, now: now().seconds) == nil
        else { return false }
        // Of a state that was evicted it may be remembered that it was there.
        return known(nil, hash: hash(note.key)) <= note.stamp
    }

    func released(_ state: KeyState) {
        guard state.kind == .item else { return }
        deletions.remember(
            state.key, hash: hash(state.key), state.stamp, now: now().seconds)
    }

    private func bury(_ end: KeyState, hash: UInt64, now: Moment) -> KeyState {
        deletions.insert(end, hash: hash, now: now.seconds)
        return end
    }

    func noteForgotten(until time: UInt64) { deletions.forget(until: time) }

    // MARK: Others' keys

    /// See `ReplicaStore`.
    var isStandIn = false
    /// See `ReplicaStore`. Of what an earlier process has left nobody knows before it was looked at.
    private(set) var mayHaveGuests = true
    /// How many have come, for who looks for them meanwhile.
    private(set) var guestCount: UInt64 = 0
    /// Whose what is here is does not say any more that it may be read.
    var guestCame: () -> Void = {}

    func keep(_ state: KeyState) -> Stamp? {
        noteGuest()
        counts.kept += 1
        var state = state
        // On probation: it goes before all that is this node's own. Whoever it is given back to knows, or will.
        state.marks = CopyHead.unproven(state.marks)
        return apply(state)
    }

    func keep(_ note: Note) {
        var note = note
        note.marks = CopyHead.unproven(note.marks)
        apply(note)
    }

    private func noteGuest() {
        mayHaveGuests = true
        guestCount += 1
        guestCame()
    }

    /// All that is here was looked at, and what is others' was dropped.
    ///
    /// - Parameter count: how many had come when that began.
    func noteNoGuests(since count: UInt64) {
        if count == guestCount { mayHaveGuests = false }
    }

    func discard(_ key: [UInt8]) {
        _ = map.delete(key.span, now: now().seconds)
        dropDeletions(of: CollectionOfOne(key))
    }

    func lacks(whatIsNeededBy request: Request) -> Bool {
        !request.stores && !request.adds
            && !request.isDeletion
            && map.copyHead(of: request.key.span, now: now().seconds) == nil
            && deletions.tombstones[hash(request.key)] == nil
    }

    func drop(where isForeign: @escaping ([UInt8]) -> Bool) -> Bool {
        if let dropsLater {
            dropsLater(isForeign)
            return false
        }
        deleteAll { $0.withKey { isForeign(Array($0)) } }
        dropDeletions(of: deletions.all.map(\.key).filter(isForeign))
        mayHaveGuests = false
        return true
    }

    func dropDeletions(of keys: some Sequence<[UInt8]>) {
        for key in keys { deletions.drop(hash(key)) }
    }

    func end(_ state: KeyState) -> KeyState {
        let now = now()
        counts.tombstonesAssumed += 1
        let version = versions.make(
            above: state.stamp.version, shard: map.shardNumber(of: state.key.span), now: wall())
        let stamp = Stamp(
            birth: VersionClock.birth(of: version, notBefore: state.stamp.birth), version: version)
        return bury(
            KeyState(key: state.key, stamp: stamp, kind: .tombstone), hash: hash(state.key),
            now: now)
    }

    /// Whether to read an item changes it: the right to make it anew is given away.
    func changesByReading(_ key: [UInt8]) -> Bool {
        let now = now()
        var changes = false
        _ = map.peek(key.span, now: now.seconds, fraction: now.fraction) {
            changes =
                $0.isStale || provesByReading($0)
                || map.lifetimes.deadline(afterAccessTo: $0) != $0.deadline
        }
        return changes
    }

    func mayLack(whatIsNeededBy request: Request) -> Bool {
        hasEvicted() && !request.stores
            && map.copyHead(of: request.key.span, now: now().seconds) == nil
            && deletions.tombstones[hash(request.key)] == nil
    }

    /// Whether there is something to tell: that it was read is not.
    private static func differs(_ first: CopyHead?, _ second: CopyHead?) -> Bool {
        guard var first, var second else { return (first == nil) != (second == nil) }
        first.marks &= CopyHead.sharedMarks
        second.marks &= CopyHead.sharedMarks
        return first != second
    }

    private func known(_ head: CopyHead?, hash: UInt64) -> Stamp {
        max(head?.stamp ?? .none, deletions.stamp(hash))
    }

    // MARK: States

    func stamp(of key: [UInt8]) -> Stamp {
        known(map.copyHead(of: key.span, now: now().seconds), hash: hash(key))
    }

    func state(of key: [UInt8]) -> KeyState? { state(of: key, now: now()) }

    private func state(of key: [UInt8], now: Moment) -> KeyState? {
        var state: KeyState?
        _ = map.peek(key.span, now: now.seconds) { state = KeyState(key, $0) }
        return state
    }

    func reading(of request: Request) -> Request? {
        MinorityReply.reading(of: request.command, key: request.key).map {
            Request(number: request.number, isRead: true, key: request.key, command: $0)
        }
    }
    func refusal(of request: Request) -> Outcome {
        Outcome(MinorityReply.reply(to: request.command))
    }

    func apply(_ state: KeyState) -> Stamp? {
        let now = now()
        let head = map.copyHead(of: state.key.span, now: now.seconds)
        let hash = hash(state.key)
        let known = known(head, hash: hash)
        guard state.stamp >= known, state.stamp > flushed,
            VersionClock.isPossible(state.stamp.version)
        else {
            counts.older += 1
            return max(known, flushed)
        }
        versions.follow(
            microseconds: VersionClock.microseconds(of: state.stamp.version), now: wall())
        counts.applied += 1
        switch state.kind {
        case .tombstone:
            // Only remembered, see `remember`: it is still there.
            if head?.stamp == state.stamp { break }
            if head != nil {
                counts.tombstonesWon += 1
                _ = map.delete(state.key.span, now: now.seconds)
            }
            deletions.insert(state, hash: hash, now: now.seconds)
        case .item:
            let new = state.head(now: now.seconds)
            if let head, head.stamp == state.stamp {
                let merged = head.merged(with: new)
                guard Self.differs(head, merged) else { break }
                if !adopt(state, merged, now: now) { counts.refused += 1 }
            } else {
                if !adopt(state, new, now: now) { counts.refused += 1 }
                deletions.removeTombstone(hash)
                if known != .none, !isEverybodyHere {
                    deletions.remember(state.key, hash: hash, state.stamp, now: now.seconds)
                }
            }
        }
        return nil
    }

    private func adopt(_ state: KeyState, _ head: CopyHead, now: Moment) -> Bool {
        // Since it began, not since it came here.
        let clockSeconds = UInt32(clamping: clock / 1_000_000)
        return map.adopt(
            state.key.span, head, value: state.value.span,
            age: clockSeconds - min(state.stamp.birth, clockSeconds), now: now.seconds,
            fraction: now.fraction)
    }

    func raise(_ key: [UInt8], above stamp: Stamp) -> KeyState? {
        let now = now()
        let hash = hash(key)
        // Of what was changed and has gone since, the other owner may have the last copy.
        let deletion = deletions.tombstones[hash].map { $0.state(now: now.seconds) }
        guard var state = state(of: key, now: now) ?? deletion else { return nil }
        let version = versions.make(
            above: max(stamp.version, state.stamp.version), shard: map.shardNumber(of: key.span),
            now: wall())
        state.stamp = Stamp(birth: max(stamp.birth, state.stamp.birth), version: version)
        switch state.kind {
        case .tombstone: deletions.insert(state, hash: hash, now: now.seconds)
        case .item: _ = adopt(state, state.head(now: now.seconds), now: now)
        }
        return state
    }

    // MARK: Flushing

    func flush(_ stamp: Stamp) {
        guard stamp > flushed else { return }
        flushed = stamp
        map.setFlushStamp(version: stamp.version, birth: stamp.birth)
        deletions.removeAll(before: stamp)
        if max(VersionClock.last(of: versions.lastMicroseconds), versionAtStart) < stamp.version {
            map.flush()
        } else {
            // One after the other, as some are to stay.
            deleteAll { $0.copyHead.stamp < stamp }
        }
    }

    private func deleteAll(where isToGo: (Hit) -> Bool) {
        let now = now().seconds
        var walk = ItemWalk()
        var keys: [[UInt8]] = []
        var goesOn = true
        while goesOn {
            goesOn = map.step(&walk, now: now) { hit in
                if isToGo(hit) { keys.append(hit.withKey { Array($0) }) }
            }
        }
        for key in keys { _ = map.delete(key.span, now: now) }
    }

    /// All items that an earlier process has left have versions up to this one.
    func noteVersionAtStart(_ version: UInt64) { versionAtStart = version }

    // MARK: What may be read

    func unsettle(_ key: [UInt8]) { gates.unsettle(hash: map.keyHash(key.span)) }
    func settle(_ key: [UInt8]) { gates.settle(hash: map.keyHash(key.span)) }

    // MARK: Clocks

    var clock: UInt64 { max(versions.lastMicroseconds, wall()) }
    func follow(clock: UInt64) { versions.follow(microseconds: clock, now: wall()) }

    /// To be called every second.
    func maintain() { deletions.expire(now: now().seconds) }

    // MARK: Surveys

    func states(of found: SurveyedState) -> [KeyState] {
        var states: [KeyState] = []
        map.visit(hash: found.place, now: now().seconds) { hit in
            let key = hit.withKey { Array($0) }
            if hash(key) == found.hash { states.append(KeyState(key, hit)) }
        }
        if states.isEmpty, let end = deletions.state(found.hash, now: now().seconds) {
            states.append(end)
        }
        return states
    }

    /// What a member has of the keys that `isShared` says yes to. Takes long; needs no lock.
    static func survey(
        _ map: SessionMap, _ tombstones: [Tombstones.Tombstone], seed: UInt64, now: UInt32,
        _ isShared: ([UInt8], Stamp) -> Bool
    ) -> Survey {
        var found: [SurveyedState] = []
        var walk = ItemWalk()
        var goesOn = true
        // Others wait for the shard's lock: what takes time comes behind it.
        var seen: [(key: [UInt8], stamp: Stamp)] = []
        while goesOn {
            seen.removeAll(keepingCapacity: true)
            goesOn = map.step(&walk, now: now) { hit in
                seen.append((hit.withKey { Array($0) }, hit.copyHead.stamp))
            }
            for (key, stamp) in seen where isShared(key, stamp) {
                key.withUnsafeBytes { bytes in
                    found.append(
                        SurveyedState(
                            hash: SessionMap.hash(bytes, seed: seed), place: map.place(of: bytes),
                            stamp: stamp))
                }
            }
        }
        // Behind the items: of equal states the items count.
        for tombstone in tombstones where isShared(tombstone.key, tombstone.stamp) {
            tombstone.key.withUnsafeBytes { bytes in
                // There it is found if it is stored anew meanwhile.
                found.append(
                    SurveyedState(
                        hash: SessionMap.hash(bytes, seed: seed), place: map.place(of: bytes),
                        stamp: tombstone.stamp))
            }
        }
        return Survey(found)
    }
}

extension CopyHead {
    fileprivate var stamp: Stamp { Stamp(birth: birth, version: version) }
}

extension KeyState {
    /// An item's, seen with its shard's lock held.
    fileprivate init(_ key: [UInt8], _ hit: Hit) {
        let head = hit.copyHead
        let count = hit.valueByteCount
        let value = [UInt8](unsafeUninitializedCapacity: count) { buffer, written in
            hit.copyValue(into: UnsafeMutableRawBufferPointer(buffer))
            written = count
        }
        self.init(
            key: key, stamp: Stamp(birth: head.birth, version: head.version), kind: .item,
            clientFlags: head.clientFlags, secondsLeft: hit.secondsLeft,
            marks: head.toldMarks, value: value)
    }

    fileprivate func head(now: UInt32) -> CopyHead {
        CopyHead(
            version: stamp.version, birth: stamp.birth, clientFlags: clientFlags,
            deadline: CopyHead.deadline(secondsLeft: secondsLeft, marks: marks, now: now),
            marks: UInt32(marks))
    }
}
