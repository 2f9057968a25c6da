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
    private(set) var tombstones: Tombstones
    /// Of items that are there, or were, while somebody was away: see `remember`. Apart, as each change makes one.
    private var shadows: Tombstones
    /// See `ReplicaStore`. Kept in the map's memory, which may outlive the process.
    private(set) var flushed: Stamp
    /// What of the map's items may be above all versions that were made or followed here: those of an earlier process
    /// until they were looked at.
    private var versionAtStart = UInt64.max
    /// There where the map's memory outlives the process.
    private let log: DeletionLog?
    private let logFailed: () -> Void
    /// How long a key that a client has deleted cannot be stored again; 0 where it can.
    private let fenceSeconds: UInt32
    /// Whether to read an item now proves it.
    private let provesByReading: (Hit) -> Bool
    /// Whether items were evicted alive: what is not here may be at the other owner then.
    private let hasEvicted: () -> Bool
    private(set) var counts = Counts()
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
    /// See `ReplicaStore`. Kept in the map's memory, which may outlive the process.
    private(set) var forgotten: UInt64
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
        self.fenceSeconds = fenceSeconds
        tombstones = Tombstones(
            countMax: tombstoneCountMax / 2, secondsWhileWell: fenceSeconds)
        shadows = Tombstones(countMax: tombstoneCountMax / 2)
        forgotten = map.deletionsForgottenUntil
        self.provesByReading = provesByReading
        self.hasEvicted = hasEvicted
        let flushed = map.flushStamp
        self.flushed = Stamp(birth: flushed.birth, version: flushed.version)
        self.log = log
        self.logFailed = logFailed
        readLog()
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
                    || (isStandIn || hasEvicted()) && Self.isDeletion(request.command)
            else {
                return (outcome, .none)
            }
            return (outcome, .state(bury(fenced(end, now: now), hash: hash, now: now)))
        }
        guard state != nil else { return (outcome, .none) }
        tombstones.remove(hash: hash)
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
            remember(key, hash: hash, state?.stamp ?? after.stamp, now: now)
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

    /// As long as somebody may come back with an older state of a key, its later one leaves a tombstone when it
    /// expires or is evicted: else the older state would be the later one.
    private func remember(_ key: [UInt8], hash: UInt64, _ stamp: Stamp, now: Moment) {
        shadows.insert(key, hash: hash, stamp, now: now.seconds)
        noteForgotten()
        write(.change, key, stamp, now: now)
    }

    func released(_ state: KeyState) {
        guard state.kind == .item else { return }
        remember(state.key, hash: hash(state.key), state.stamp, now: now())
    }

    /// The same deletion with, as its time to live, how long its key cannot be stored again.
    private func fenced(_ end: KeyState, now: Moment) -> KeyState {
        guard fenceSeconds != 0, let until = map.fenceEnd(of: end.key.span, now: now.seconds)
        else { return end }
        var end = end
        end.secondsLeft = until - now.seconds
        return end
    }

    private func bury(_ end: KeyState, hash: UInt64, now: Moment) -> KeyState {
        insertTombstone(end, hash: hash, now: now)
        return end
    }

    private func insertTombstone(_ end: KeyState, hash: UInt64, now: Moment) {
        let (key, stamp) = (end.key, end.stamp)
        // Should it be forgotten, what was there before must not be taken for known.
        shadows.remove(hash: hash)
        var fencedUntil: UInt32 = 0
        if let left = end.secondsLeft, left > 0 {
            fencedUntil = now.seconds + min(left, UInt32(FenceRules.secondsMax))
            map.fence(key.span, until: fencedUntil, now: now.seconds)
        }
        tombstones.insert(
            key, hash: hash, stamp, fencedUntil: fencedUntil, now: now.seconds)
        noteForgotten()
        write(fencedUntil == 0 ? .deletion : .fencedDeletion, key, stamp, now: now)
    }

    private func noteForgotten() {
        let latest = max(tombstones.latestForgotten.version, shadows.latestForgotten.version)
        let time = VersionClock.microseconds(of: latest)
        if !isEverybodyHere, time > forgotten { forget(until: time) }
    }

    private func forget(until time: UInt64) {
        forgotten = time == 0 ? 0 : max(forgotten, time)
        map.setDeletionsForgotten(until: forgotten)
    }

    func noteForgotten(until time: UInt64) { forget(until: time) }

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
        !Self.stores(request.command) && !Self.adds(request.command)
            && !Self.isDeletion(request.command)
            && map.copyHead(of: request.key.span, now: now().seconds) == nil
            && tombstones[hash(request.key)] == nil
    }

    func drop(where isForeign: @escaping ([UInt8]) -> Bool) -> Bool {
        if let dropsLater {
            dropsLater(isForeign)
            return false
        }
        deleteAll { $0.withKey { isForeign(Array($0)) } }
        dropDeletions(of: allTombstones.map(\.key).filter(isForeign))
        mayHaveGuests = false
        return true
    }

    func dropDeletions(of keys: some Sequence<[UInt8]>) {
        for key in keys {
            tombstones.remove(hash: hash(key))
            shadows.remove(hash: hash(key))
        }
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

    /// So that the next process knows of it.
    private func write(
        _ kind: DeletionLog.Entry.Kind, _ key: [UInt8], _ stamp: Stamp, now: Moment
    ) {
        guard let log, !log.isBroken else { return }
        let new = Tombstones.Tombstone(key: key, stamp: stamp, madeSeconds: now.seconds)
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
    private func readLog() {
        guard let log else { return }
        let now = now().seconds
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
            switch entry.kind {
            case .deletion, .fencedDeletion:
                let fencedUntil = entry.kind == .fencedDeletion ? made + fenceSeconds : 0
                map.fence(old.key.span, until: fencedUntil, now: now)
                tombstones.insert(
                    old.key, hash: hash(old.key), old.stamp, fencedUntil: fencedUntil, now: made)
            case .change: shadows.insert(old.key, hash: hash(old.key), old.stamp, now: made)
            }
        }
    }

    /// `delete`, `md`, or a binary deletion.
    private static func isDeletion(_ command: [UInt8]) -> Bool {
        guard let first = command.first else { return false }
        if first == BinaryHeader.requestMagic {
            return command.count > 1 && (command[1] == 0x04 || command[1] == 0x14)
        }
        return command.starts(with: "delete ".utf8) || command.starts(with: "md ".utf8)
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
        hasEvicted() && !Self.stores(request.command)
            && map.copyHead(of: request.key.span, now: now().seconds) == nil
            && tombstones[hash(request.key)] == nil
    }

    /// `set`, which takes the place of whatever there is.
    private static func stores(_ command: [UInt8]) -> Bool {
        guard command.first == BinaryHeader.requestMagic else {
            return command.starts(with: "set ".utf8)
        }
        // Unless it is for one CAS unique alone.
        return command.count >= BinaryHeader.byteCount && (command[1] == 0x01 || command[1] == 0x11)
            && command[16..<24].allSatisfy { $0 == 0 }
    }

    /// `add`, of what nobody who is there has, or `ms` that sets or adds.
    private static func adds(_ command: [UInt8]) -> Bool {
        guard command.first != BinaryHeader.requestMagic else {
            return command.count > 1 && (command[1] == 0x02 || command[1] == 0x12)
        }
        if command.starts(with: "add ".utf8) { return true }
        guard command.starts(with: "ms ".utf8) else { return false }
        // Behind the key and the value's length. Of one CAS unique alone, or of what is there, nobody knows.
        let flags = command.prefix { $0 != 13 && $0 != 10 }.split(separator: 32).dropFirst(3)
        return flags.allSatisfy { flag in
            switch flag.first {
            case UInt8(ascii: "C"): false
            case UInt8(ascii: "M"): flag.count == 2 && "SsEe".utf8.contains(flag.last ?? 0)
            default: true
            }
        }
    }

    /// Whether there is something to tell: that it was read is not.
    private static func differs(_ first: CopyHead?, _ second: CopyHead?) -> Bool {
        guard var first, var second else { return (first == nil) != (second == nil) }
        first.marks &= CopyHead.sharedMarks
        second.marks &= CopyHead.sharedMarks
        return first != second
    }

    private func known(_ head: CopyHead?, hash: UInt64) -> Stamp {
        max(
            head?.stamp ?? .none, tombstones[hash]?.stamp ?? .none,
            shadows[hash]?.stamp ?? .none)
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
            insertTombstone(state, hash: hash, now: now)
        case .item:
            let new = state.head(now: now.seconds)
            if let head, head.stamp == state.stamp {
                let merged = head.merged(with: new)
                guard Self.differs(head, merged) else { break }
                if !adopt(state, merged, now: now) { counts.refused += 1 }
            } else {
                if !adopt(state, new, now: now) { counts.refused += 1 }
                tombstones.remove(hash: hash)
                if known != .none, !isEverybodyHere {
                    remember(state.key, hash: hash, state.stamp, now: now)
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
        let deletion = tombstones[hash].map { $0.state(now: now.seconds) }
        guard var state = state(of: key, now: now) ?? deletion else { return nil }
        let version = versions.make(
            above: max(stamp.version, state.stamp.version), shard: map.shardNumber(of: key.span),
            now: wall())
        state.stamp = Stamp(birth: max(stamp.birth, state.stamp.birth), version: version)
        switch state.kind {
        case .tombstone: insertTombstone(state, hash: hash, now: now)
        case .item: _ = adopt(state, state.head(now: now.seconds), now: now)
        }
        return state
    }

    private func tombstone(_ hash: UInt64) -> KeyState? {
        let latest = [tombstones[hash], shadows[hash]].compactMap(\.self)
            .max { $0.stamp < $1.stamp }
        return latest.map { $0.state(now: now().seconds) }
    }

    // MARK: Flushing

    func flush(_ stamp: Stamp) {
        guard stamp > flushed else { return }
        flushed = stamp
        map.setFlushStamp(version: stamp.version, birth: stamp.birth)
        tombstones.removeAll(before: stamp)
        shadows.removeAll(before: stamp)
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
    func maintain() {
        let now = now().seconds
        tombstones.expire(now: now)
        shadows.expire(now: now)
        noteForgotten()
    }

    // MARK: Surveys

    func states(of found: SurveyedState) -> [KeyState] {
        var states: [KeyState] = []
        map.visit(hash: found.place, now: now().seconds) { hit in
            let key = hit.withKey { Array($0) }
            if hash(key) == found.hash { states.append(KeyState(key, hit)) }
        }
        if states.isEmpty, let tombstone = tombstone(found.hash) { states.append(tombstone) }
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

    /// For a survey, with the member's lock: who looks at them does it without.
    var allTombstones: [Tombstones.Tombstone] { tombstones.all + shadows.all }
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
