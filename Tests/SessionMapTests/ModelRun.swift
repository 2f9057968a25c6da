@testable import SessionMap

/// A map and its model, driven through the same random operations.
///
/// Every disagreement ends the run with the seed and the step in its message.
final class ModelRun {
    struct Shape {
        var name: String
        var configuration: MapConfiguration
        var keyCount: Int
        /// Values have up to this many bytes; small ones are more frequent.
        var valueByteCountMax: Int
        /// How often at most a value's greatest size is halved before it is chosen.
        var valueHalvings = 14
        /// Whether the arena may turn out to be too small.
        var hasPressure: Bool
        var stepsPerCheck = 1
    }

    struct Disagreement: Error, CustomStringConvertible {
        var description: String
    }

    /// A value on its way, and what it will be.
    final class Pending {
        var store: SessionMap.PendingStore?
        let key: [UInt8]
        let value: [UInt8]
        let request: StoreRequest
        var arrivedCount = 0

        init(
            _ store: consuming SessionMap.PendingStore, key: [UInt8], value: [UInt8],
            request: StoreRequest
        ) {
            self.store = consume store
            self.key = key
            self.value = value
            self.request = request
        }
    }

    let shape: Shape
    let map: SessionMap
    let seed: UInt64
    var generator: SeededGenerator
    let model = MapModel()
    var now: UInt32 = 100
    var step = 0
    var pins: [(value: PinnedValue, bytes: [UInt8])] = []
    var pendings: [Pending] = []
    var limit: Int
    private var failure: String?
    private(set) var evictionCount = 0
    private(set) var outcomeCounts: [String: Int] = [:]

    init(_ shape: Shape, seed: UInt64) throws {
        self.shape = shape
        self.seed = seed
        generator = SeededGenerator(seed: seed)
        limit = shape.configuration.byteCount
        map = try SessionMap(shape.configuration, now: now)
        map.observeEvictions { [unowned self] hit in noteEviction(HitCopy(hit).key) }
    }

    private func noteEviction(_ key: [UInt8]) {
        evictionCount += 1
        if model.items[key] == nil { failure = "evicted what was not there" }
        if map.shardCount == 1, model.oldestKey != key {
            failure = "evicted an item that was not the oldest"
        }
        model.forget(key)
    }

    func require(_ claim: Bool, _ message: @autoclosure () -> String) throws {
        if claim, failure == nil { return }
        throw Disagreement(
            description: "\(shape.name), SOJOURN_SEED=\(seed), step \(step): "
                + (failure ?? message()))
    }

    func count(_ word: String) { outcomeCounts[word, default: 0] += 1 }

    func run(stepCount: Int) throws {
        print("\(shape.name): SOJOURN_SEED=\(seed), \(stepCount) steps")
        while step < stepCount {
            step += 1
            model.enter(now: now)
            try doSomething()
            if step % shape.stepsPerCheck == 0 { map.checkInvariants(now: now) }
            try require(true, "")
            if step % 500 == 0 { try compareEverything() }
        }
        try finish()
    }

    private func finish() throws {
        for pin in pins { try endPin(pin) }
        pins = []
        while let pending = pendings.popLast() {
            try end(pending, commits: generator.isHit(oneIn: 2))
        }
        map.checkInvariants(now: now)
        try compareEverything()
        map.flush()
        model.flush()
        try compareEverything()
        let all = map.statistics(now: now)
        try require(all.itemCount == 0 && all.itemByteCount == 0, "items are left at the end")
        // Without items, the index is back at one segment per shard (514 units).
        try require(
            all.indexByteCount <= map.shardCount * 514 * 8 + 65_536, "index memory is left")
    }

    // MARK: Choices

    func someKey() -> [UInt8] {
        let number = generator.number(below: shape.keyCount)
        var key = Array("key-\(number)".utf8)
        // Lengths up to the longest, always the same for the same number.
        if number % 7 == 0 {
            key += [UInt8](repeating: 0x78, count: number * 13 % (251 - key.count))
        }
        return key
    }

    func someValue() -> [UInt8] {
        if generator.isHit(oneIn: 4) {
            return Array("\(generator.next() >> UInt64(generator.number(below: 64)))".utf8)
        }
        if generator.isHit(oneIn: 40) {
            return Array(
                ["18446744073709551615", " 7 ", "+9", "x1", "", "1 x"].randomElement(
                    using: &generator)!.utf8)
        }
        let reach = 1 + shape.valueByteCountMax >> generator.number(below: shape.valueHalvings)
        let byteCount = generator.number(below: reach + 1)
        let start = generator.number(below: 1000)
        return Array(Self.pattern[start..<start + byteCount])
    }

    /// Bytes to cut values from; a slice of it is a copy, which is quick in a debug build too.
    private static let pattern: [UInt8] = {
        var generator = SeededGenerator(seed: 0)
        var words: [UInt64] = []
        for _ in 0..<(1 << 18) { words.append(generator.next()) }
        return words.withUnsafeBytes { Array($0) }
    }()

    func someDeadline() -> Deadline {
        switch generator.number(below: 8) {
        case 0...3: return .never
        case 4: return generator.isHit(oneIn: 3) ? .past : .at(UInt64(now) + 1)
        case 5: return .at(UInt64(now) + UInt64(generator.number(below: 200_000)))
        default: return .at(UInt64(now) + UInt64(generator.number(below: 6000)))
        }
    }

    func someWish() -> UInt64? {
        generator.isHit(oneIn: 10) ? generator.next() >> UInt64(generator.number(below: 60)) : nil
    }

    /// The unique of the item that is there, or one that it does not have. Nothing where the item's is
    /// not known, which could then be any.
    func someComparison(_ key: [UInt8], oneIn chance: Int) -> UInt64? {
        guard generator.isHit(oneIn: chance) else { return nil }
        guard let item = model.items[key] else { return generator.next() }
        guard let known = item.casUnique else { return nil }
        switch generator.number(below: 6) {
        case 0: return 0
        case 1: return known &+ 1
        case 2: return known / 2
        default: return known
        }
    }

    private func someMode() -> StoreMode {
        switch generator.number(below: 12) {
        case 0...4: return .set
        case 5: return .add
        case 6: return .replace
        case 7, 8: return .append
        case 9: return .prepend
        default: return .set
        }
    }

    func someRequest(_ key: [UInt8]) -> StoreRequest {
        var request = StoreRequest(
            mode: someMode(), clientFlags: UInt32(truncatingIfNeeded: generator.next()),
            deadline: someDeadline(), comparison: someComparison(key, oneIn: 5))
        request.storesStale = generator.isHit(oneIn: 2)
        request.createsMissing = generator.isHit(oneIn: 4)
        request.hasEncodedKey = generator.isHit(oneIn: 4)
        request.casUnique = someWish()
        if generator.isHit(oneIn: 4) { request.dropsOldWhenRefused = true }
        return request
    }

    private func doSomething() throws {
        switch generator.number(below: 100) {
        case 0..<28: try store()
        case 28..<50: try retrieve()
        case 50..<53: try delete()
        case 53..<55: try invalidate()
        case 55..<66: try countUpOrDown()
        case 66..<70: try beginPending()
        case 70..<80: try continuePending()
        case 80..<84: try pin()
        case 84..<88:
            if let number = pins.indices.randomElement(using: &generator) {
                try endPin(pins.remove(at: number))
            }
        case 88..<90: try contains()
        case 90..<94: now += UInt32(generator.number(below: 1 << generator.number(below: 7)))
        case 94: if generator.isHit(oneIn: 40) { now += UInt32(generator.number(below: 300_000)) }
        case 95: if generator.isHit(oneIn: 20) { try flush() }
        case 96: if shape.hasPressure { try setLimit() }
        default:
            _ = map.maintain(
                shard: generator.number(below: map.shardCount), now: now,
                itemBudget: 1 + generator.number(below: 30))
        }
    }

    // MARK: Pins

    private func pin() throws {
        let key = someKey()
        guard pins.count < 12, let expected = model.items[key] else { return }
        guard let pinned = map.pin(key, now: now) else {
            // Half of a shard's limit may be pinned, or one of the largest items.
            let all = map.statistics(now: now)
            return try require(
                all.heldByteCount + all.pinnedByteCount + expected.value.count
                    > map.configuration.itemByteCountMax, "nothing to pin")
        }
        model.noteAccess(key)
        model.mark(key) { $0.wasFetched = true }
        try require(hasEqualBytes(pinned.bytes, expected.value), "a pinned value that is another")
        pins.append((pinned, expected.value))
    }

    private func endPin(_ pin: (value: PinnedValue, bytes: [UInt8])) throws {
        try require(hasEqualBytes(pin.value.bytes, pin.bytes), "a pinned value that has changed")
        map.unpin(pin.value)
    }

    // MARK: Pending stores

    private func beginPending() throws {
        guard pendings.count < 6 else { return }
        let key = someKey()
        let value = someValue()
        let request = someRequest(key)
        let limit = map.configuration.valueByteCountMax(keyByteCount: key.count)
        switch map.begin(key.span, request, valueByteCount: value.count, now: now) {
        case .pending(let store):
            try require(value.count <= limit, "a value beyond the limit was begun")
            pendings.append(Pending(store, key: key, value: value, request: request))
        case .refused(let outcome):
            count("begin \(outcome)")
            let reason: StoreOutcome = value.count > limit ? .tooLarge : .outOfMemory
            try require(outcome == reason, "refused with \(outcome)")
            try require(reason == .tooLarge || shape.hasPressure, "out of memory for no reason")
            if request.dropsOldWhenRefused { model.forget(key) }
        }
    }

    private func continuePending() throws {
        guard let number = pendings.indices.randomElement(using: &generator) else { return }
        let pending = pendings[number]
        if generator.isHit(oneIn: 10) {
            pendings.remove(at: number)
            return try end(pending, commits: false)
        }
        let rounds = 1 + generator.number(below: 4)
        for _ in 0..<rounds {
            guard pending.arrivedCount < pending.value.count else { break }
            guard try receive(pending) else {
                pendings.remove(at: number)
                return
            }
        }
        if pending.arrivedCount == pending.value.count, generator.isHit(oneIn: 2) {
            pendings.remove(at: number)
            try end(pending, commits: true)
        }
    }

    /// Lets some bytes arrive; false when there was no memory for the rest.
    private func receive(_ pending: Pending) throws -> Bool {
        guard var store = pending.store.take() else { return try abandoned() }
        let target = store.target
        try require(!target.isEmpty, "no place for bytes that are to come")
        let count =
            generator.isHit(oneIn: 3) ? target.count : 1 + generator.number(below: target.count)
        let part = pending.value[pending.arrivedCount..<pending.arrivedCount + count]
        UnsafeMutableRawBufferPointer(rebasing: target[..<count]).copyBytes(from: part)
        pending.arrivedCount += count
        if map.received(count, in: &store, now: now) {
            pending.store = consume store
            return true
        }
        self.count("received outOfMemory")
        try require(shape.hasPressure, "out of memory for no reason")
        let deletes = pending.request.dropsOldWhenRefused
        map.abandon(store, deletingOldAt: deletes ? now : nil)
        if deletes { model.forget(pending.key) }
        return false
    }

    private func abandoned() throws -> Bool {
        try require(false, "a pending store that has ended")
        return false
    }

    private func end(_ pending: Pending, commits: Bool) throws {
        while commits, pending.arrivedCount < pending.value.count {
            guard try receive(pending) else { return }
        }
        guard let store = pending.store.take() else {
            _ = try abandoned()
            return
        }
        guard commits else {
            let deletes = generator.isHit(oneIn: 2)
            map.abandon(store, deletingOldAt: deletes ? now : nil)
            if deletes { model.forget(pending.key) }
            return
        }
        model.enter(now: now)
        let expected = judgeAndNoteAccess(pending.key, pending.request, pending.value)
        var shown: HitCopy?
        let outcome = map.commit(store, now: now) { shown = HitCopy($0) }
        try settle(pending.key, pending.request, expected, outcome, shown)
    }

    // MARK: The whole map

    private func flush() throws {
        if generator.isHit(oneIn: 2) {
            map.flush()
            model.flush()
        } else {
            let deadline = Deadline.at(UInt64(now) + UInt64(generator.number(below: 100)))
            map.flush(at: deadline, now: now)
            model.flush(at: deadline)
        }
    }

    private func setLimit() throws {
        guard generator.isHit(oneIn: 6) else { return }
        let whole = shape.configuration.byteCount
        let wanted = whole / 2 + generator.number(below: whole * 3 / 2)
        let isAllowed =
            wanted / shape.configuration.shardCount >= 2 * shape.configuration.itemByteCountMax
        try require(map.setLimit(byteCount: wanted) == isAllowed, "a wrong answer to setLimit")
        if isAllowed { limit = wanted }
    }

    /// With nothing left to maintain, the map holds what the model holds, and nothing else.
    private func compareEverything() throws {
        // What was stored dead in this second leaves in the next. A lower limit evicts here.
        now += 1
        model.enter(now: now)
        map.maintainFully(now: now)
        try require(true, "")
        var seen: [[UInt8]: HitCopy] = [:]
        map.forEachItem(now: now) { hit in
            let copy = HitCopy(hit)
            seen[copy.key] = copy
        }
        try require(
            seen.count == model.items.count, "\(seen.count) items, not \(model.items.count)")
        for (key, item) in model.items {
            guard let hit = seen[key] else { return try require(false, "an item is missing") }
            try check(hit, key, item)
        }
        let all = map.statistics(now: now)
        try require(all.itemCount == model.items.count, "dead items that maintenance has left")
        try require(all.evictionCount == evictionCount, "evictions are counted wrongly")
    }
}
