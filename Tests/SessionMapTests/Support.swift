import Foundation

@testable import SessionMap

/// A small generator with a seed (SplitMix64): the same seed gives the same numbers everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func number(below limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }

    mutating func isHit(oneIn count: Int) -> Bool { number(below: count) == 0 }
}

/// A number that the environment gives, or the default.
func environmentNumber(_ name: String, default fallback: UInt64) -> UInt64 {
    guard let text = ProcessInfo.processInfo.environment[name] else { return fallback }
    guard let number = UInt64(text) else { preconditionFailure("\(name) is not a number") }
    return number
}

/// Whether the tests were built without optimisation; the big measurements are smaller then.
let isDebugBuild: Bool = {
    var isDebug = false
    assert(
        {
            isDebug = true
            return true
        }())
    return isDebug
}()

/// A region with memory of its own, for tests of what works on one.
final class TestRegion {
    let region: Region
    private let memory: UnsafeMutableRawPointer

    init(unitCount: UInt32) {
        let byteCount = Int(unitCount) * Region.unitByteCount + Region.guardByteCount
        memory = .allocate(byteCount: byteCount, alignment: Region.unitByteCount)
        // What was there before must not matter.
        memory.initializeMemory(as: UInt8.self, repeating: 0xA5, count: byteCount)
        region = Region(base: memory, unitCount: unitCount)
    }

    deinit { memory.deallocate() }
}

/// Everything about a hit, copied out.
struct HitCopy: Equatable {
    var key: [UInt8]
    var value: [UInt8]
    var clientFlags: UInt32
    var casUnique: UInt64
    var secondsLeft: UInt32?
    var isNew: Bool
    var marks: ItemMarks

    init(_ hit: Hit) {
        // An array of uninitialised capacity 0 writes to the empty array that all threads share.
        key = [UInt8](repeating: 0, count: hit.keyByteCount)
        key.withUnsafeMutableBytes { target in hit.withKey { target.copyMemory(from: $0) } }
        value = [UInt8](repeating: 0, count: hit.valueByteCount)
        value.withUnsafeMutableBytes { hit.copyValue(into: $0) }
        clientFlags = hit.clientFlags
        casUnique = hit.casUnique
        secondsLeft = hit.secondsLeft
        isNew = hit.isNew
        marks = ItemMarks(
            wasFetched: hit.wasFetched, isStale: hit.isStale, isClaimed: hit.isClaimed,
            hasEncodedKey: hit.hasEncodedKey)
    }
}

/// What is remembered of an item besides what a client gave.
struct ItemMarks: Equatable {
    var wasFetched = false
    var isStale = false
    var isClaimed = false
    var hasEncodedKey = false
}

extension HitUse {
    static var pinned: HitUse {
        var use = HitUse()
        use.pinsValue = true
        return use
    }
}

extension Hit {
    var keyText: String { withKey { String(decoding: $0, as: UTF8.self) } }
}

/// Short forms of what tests ask of a map.
extension SessionMap {
    func set(
        _ key: [UInt8], _ value: [UInt8], mode: StoreMode = .set, clientFlags: UInt32 = 0,
        deadline: Deadline = .never, now: UInt32 = 10
    ) -> StoreOutcome {
        store(
            key.span,
            StoreRequest(mode: mode, clientFlags: clientFlags, deadline: deadline),
            value: value.span, now: now)
    }

    func set(_ key: String, _ value: [UInt8], now: UInt32 = 10) -> StoreOutcome {
        set(Array(key.utf8), value, now: now)
    }

    func get(
        _ key: [UInt8], now: UInt32 = 10, touch: Deadline? = nil
    ) -> (outcome: RetrievalOutcome, hit: HitCopy?) {
        var copy: HitCopy?
        let outcome = retrieve(key.span, now: now) { hit in
            copy = HitCopy(hit)
            return .touched(touch)
        }.outcome
        return (outcome, copy)
    }

    func value(_ key: String, now: UInt32 = 10) -> [UInt8]? {
        get(Array(key.utf8), now: now).hit?.value
    }

    func remove(_ key: [UInt8], now: UInt32 = 10) -> Bool {
        delete(key.span, now: now) == .deleted
    }

    func pin(_ key: [UInt8], now: UInt32 = 10) -> PinnedValue? {
        retrieve(key.span, now: now) { _ in .pinned }.pinned
    }

    /// Maintains every shard until nothing is due.
    func maintainFully(now: UInt32) {
        for number in 0..<shardCount {
            while maintain(shard: number, now: now, itemBudget: 1000) {}
        }
    }
}

extension PinnedValue {
    var bytes: [UInt8] {
        var all: [UInt8] = []
        all.reserveCapacity(byteCount)
        for piece in pieces { all.append(contentsOf: piece) }
        return all
    }
}

/// Equality of bytes that is quick in a debug build too.
func hasEqualBytes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    let count = left.count
    guard count == right.count else { return false }
    return left.withUnsafeBytes { left in
        right.withUnsafeBytes { right in
            guard let left = left.baseAddress, let right = right.baseAddress else { return true }
            return memcmp(left, right, count) == 0
        }
    }
}

/// A key as session handlers write them: a prefix and 32 hexadecimal digits.
func sessionKey(_ number: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: number)
    let digits = Array("0123456789abcdef".utf8)
    var key = Array("session:".utf8)
    for _ in 0..<2 {
        var bits = generator.next()
        for _ in 0..<16 {
            key.append(digits[Int(bits & 15)])
            bits >>= 4
        }
    }
    return key
}

extension SessionMap {
    /// Shows `body` every live item.
    func forEachItem(now: UInt32, _ body: (Hit) -> Void) {
        var walk = ItemWalk()
        while step(&walk, now: now, body) {}
    }
}
