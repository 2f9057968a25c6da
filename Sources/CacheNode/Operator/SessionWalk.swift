import Glibc
import SessionMap
import SessionValues

/// A walk over all sessions of a space, in bounded turns, that finds those which an operator has asked for.
///
/// Goals: whoever waits for a shard's lock waits for some tens of microseconds; a value is looked into without any lock.
/// In a turn the values of some 64 items are copied, up to a bound; what does not fit, and what is large, is looked at
/// afterwards, each by itself, from where it is stored, which it does not leave meanwhile. Not goals: a view of one
/// moment. An item that is there from the first turn to the last is seen exactly once, and no key twice.
///
/// The shards take turns: who waits for one's lock gets it while the walk is at another. Of a lock that is taken again
/// at once, whoever has to be woken up for it would see nothing for milliseconds.
///
/// Confined to one thread.
final class SessionWalk {
    struct Found {
        var key: [UInt8]
        var casUnique: UInt64
        /// Seconds since 2025; nothing where nobody knows.
        var birth: UInt32?
        var valueByteCount: Int
        var secondsIdle: UInt32
        var secondsLeft: UInt32?
        /// Nothing where values were not looked into.
        var user: [UInt8]?
    }

    /// A larger value is not copied.
    private static let copiedByteCountMax = 16 << 10
    /// Of the values, and their keys, of one turn.
    private static let turnByteCount = 128 << 10
    /// How often, and how many microseconds later, it is tried again to have a large value stay where it is.
    private static let pinAttempts = 20
    private static let pinPause: UInt32 = 5_000

    /// What was copied of an item: all but its bytes, which are in the buffer.
    private struct Seen {
        var key: Range<Int>
        var value: Range<Int>
        var clientFlags: UInt32
        var casUnique: UInt64
        var birth: UInt32?
        var valueByteCount: Int
        var secondsIdle: UInt32
        var secondsLeft: UInt32?

        init(
            _ hit: Hit, secondsIdle: UInt32, key: Range<Int> = 0..<0, value: Range<Int> = 0..<0
        ) {
            (self.key, self.value) = (key, value)
            clientFlags = hit.clientFlags
            casUnique = hit.casUnique
            birth = hit.birth
            valueByteCount = hit.valueByteCount
            self.secondsIdle = secondsIdle
            secondsLeft = hit.secondsLeft
        }
    }

    private let space: Space
    private let map: SessionMap
    private let query: SessionQuery
    /// Seconds since 2025, by the clock of births: what was born later is not touched.
    private let began: UInt32
    private var finder: UserFinder?
    private let buffer: UnsafeMutableRawBufferPointer
    private var used = 0
    private var copied: [Seen] = []
    private var later: [[UInt8]] = []
    /// Of each shard that is not over.
    private var walks: [(shard: Int, walk: ItemWalk)]
    private var nextWalk = 0
    private var shardsDone = 0
    private(set) var tally = SessionTally()

    init(_ space: Space, _ query: SessionQuery, rule: UserRule?, began: UInt32) {
        self.space = space
        map = space.map
        self.query = query
        self.began = began
        finder = rule.map { UserFinder($0) }
        walks = (0..<space.map.shardCount).map { ($0, ItemWalk(fromShard: $0)) }
        buffer = .allocate(byteCount: Self.turnByteCount, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// How much of it is done.
    var progress: Double {
        let parts = walks.reduce(0) { $0 + map.shardsDone(by: $1.walk) - Double($1.shard) }
        return (Double(shardsDone) + parts) / Double(map.shardCount)
    }

    /// What a session is called where its key is not shown. Members call it the same.
    func nameHash(of key: UnsafeRawBufferPointer) -> UInt64 {
        SessionMap.hash(key, seed: space.peers?.seed ?? ~map.configuration.hashSeed)
    }

    private var looksIntoValues: Bool { finder != nil || query.needle != nil }

    /// Looks at the next items, and shows `body` those that were asked for. False when there is no further turn.
    func turn(_ body: (Found) -> Void) -> Bool {
        used = 0
        copied.removeAll(keepingCapacity: true)
        later.removeAll(keepingCapacity: true)
        let now = space.clock.now()
        let hasMore = step(now)
        for item in copied {
            let key = UnsafeRawBufferPointer(rebasing: buffer[item.key])
            let found = withUnsafePointer(
                to: UnsafeRawBufferPointer(rebasing: buffer[item.value])
            ) { look(item, key, UnsafeBufferPointer(start: $0, count: 1)) }
            if let found { report(found, body) }
        }
        for key in later {
            if let found = lookAgain(at: key) { report(found, body) }
        }
        return hasMore
    }

    private func step(_ now: Moment) -> Bool {
        if nextWalk >= walks.count { nextWalk = 0 }
        _ = map.step(&walks[nextWalk].walk, now: now.seconds) { hit in note(hit) }
        if walks[nextWalk].walk.shard == walks[nextWalk].shard {
            nextWalk += 1
        } else {
            walks.remove(at: nextWalk)
            shardsDone += 1
        }
        // Nobody else's turn comes between two of one shard.
        if walks.count < Self.shardCountWithoutPause, !walks.isEmpty { usleep(Self.turnPause) }
        return !walks.isEmpty
    }

    /// With fewer shards the walk waits between turns, for as long as it takes to wake somebody up.
    private static let shardCountWithoutPause = 3
    private static let turnPause: UInt32 = 30

    private func report(_ found: Found, _ body: (Found) -> Void) {
        tally.foundCount += 1
        tally.foundByteCount += found.valueByteCount
        body(found)
    }

    // MARK: With a shard's lock held

    private func note(_ hit: Hit) {
        tally.itemCount += 1
        tally.valueByteCount += hit.valueByteCount
        guard isWanted(hit) else { return }
        let valueByteCount = looksIntoValues ? hit.valueByteCount : 0
        let byteCount = hit.keyByteCount + valueByteCount
        guard valueByteCount <= Self.copiedByteCountMax, used + byteCount <= buffer.count else {
            later.append(hit.withKey { Array($0) })
            return
        }
        let key = used..<used + hit.keyByteCount
        let value = key.upperBound..<used + byteCount
        hit.withKey { UnsafeMutableRawBufferPointer(rebasing: buffer[key]).copyMemory(from: $0) }
        if looksIntoValues {
            hit.copyValue(into: UnsafeMutableRawBufferPointer(rebasing: buffer[value]))
        }
        used = value.upperBound
        copied.append(Seen(hit, secondsIdle: secondsIdle(hit), key: key, value: value))
    }

    private func secondsIdle(_ hit: Hit) -> UInt32 { map.lifetimes.secondsSinceAccess(of: hit) }

    /// What can be told without the value.
    private func isWanted(_ hit: Hit) -> Bool {
        if let least = query.largerThanByteCount, hit.valueByteCount <= least { return false }
        if let least = query.idleSeconds, secondsIdle(hit) < least { return false }
        if let name = query.session {
            guard hit.withKey({ nameHash(of: $0) == name }) else { return false }
        }
        if let prefix = query.keyPrefix {
            guard hit.withKey({ $0.starts(with: prefix) }) else { return false }
        }
        if !query.excepted.isEmpty {
            guard hit.withKey({ key in !query.excepted.contains { key.elementsEqual($0) } }) else {
                return false
            }
        }
        if let least = query.olderThanSeconds {
            guard let birth = hit.birth else {
                tally.ageUnknown += 1
                return false
            }
            guard Int64(began) - Int64(birth) >= Int64(least) else { return false }
        }
        return true
    }

    // MARK: Without a lock

    /// Nothing if it is none of those that were asked for.
    private func look(
        _ item: Seen, _ key: UnsafeRawBufferPointer,
        _ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>
    ) -> Found? {
        guard let user = lookInto(item, key, pieces) else { return nil }
        if let birth = item.birth, birth > began {
            tally.createdSince += 1
            return nil
        }
        return Found(
            key: Array(key), casUnique: item.casUnique, birth: item.birth,
            valueByteCount: item.valueByteCount, secondsIdle: item.secondsIdle,
            secondsLeft: item.secondsLeft, user: user.isEmpty ? nil : user)
    }

    /// The user, no bytes where nobody is named, and nothing of a value that was not asked for.
    private func lookInto(
        _ item: Seen, _ key: UnsafeRawBufferPointer,
        _ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>
    ) -> [UInt8]? {
        if let needle = query.needle, !ByteSearch.contains(needle, in: pieces) { return nil }
        guard let finding = finder?.find(in: pieces, key: key, clientFlags: item.clientFlags)
        else { return [] }
        switch finding {
        case .user:
            tally.withUser += 1
            guard query.user == nil || finder?.user == query.user else { return nil }
            return finder?.user
        case .unreadable(let trouble):
            tally.note(trouble)
        case .none: tally.withoutUser += 1
        }
        noteKind(pieces, item.clientFlags)
        return query.user == nil ? [] : nil
    }

    private func noteKind(
        _ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>, _ clientFlags: UInt32
    ) {
        guard tally.wantsKind else { return }
        tally.note(UserFinder.kind(of: pieces, clientFlags: clientFlags))
    }

    /// Looks at the item of a key as it is now, from where it is stored. Nothing if there is none, or it is none of those
    /// that were asked for.
    func lookAgain(at key: [UInt8]) -> Found? {
        for attempt in 1... {
            let now = space.clock.now()
            var item: Seen?
            let (outcome, _, pinned) = map.retrieve(
                key.span, now: now.seconds, fraction: now.fraction, isAccess: false
            ) { hit in
                var use = HitUse()
                use.isAccess = false
                guard isWanted(hit) else { return use }
                item = Seen(hit, secondsIdle: secondsIdle(hit))
                use.pinsValue = looksIntoValues
                return use
            }
            guard outcome != .outOfMemory else {
                guard attempt < Self.pinAttempts else {
                    tally.note(.noMemory)
                    return nil
                }
                usleep(Self.pinPause)
                continue
            }
            guard let item else { return nil }
            defer { if let pinned { map.unpin(pinned) } }
            return key.withUnsafeBytes { key in
                (pinned?.pieces ?? []).withUnsafeBufferPointer { look(item, key, $0) }
            }
        }
        return nil
    }

    /// The same, of what was counted before.
    func lookOnceMore(at key: [UInt8]) -> Found? {
        let counted = tally
        defer { tally = counted }
        return lookAgain(at: key)
    }

    func note(_ change: (inout SessionTally) -> Void) { change(&tally) }
}
