@testable import SessionMap

/// Bytes -> operations on a small map: no byte string may make it trap, lie about a value's bytes,
/// or break an invariant. A plain function, so that a script can go on from the corpus.
///
/// The first bytes choose the map; then each operation is one byte, with operands behind it. Operands
/// that the input does not have are 0.
func runMapFuzzBody(_ input: [UInt8]) {
    var reader = FuzzReader(bytes: input)
    let shape = reader.byte()
    let configuration = MapConfiguration(
        byteCount: 1 << 20, itemByteCountMax: shape & 1 == 0 ? 1 << 19 : 4096,
        evicts: shape & 2 == 0, assignsCASUniques: shape & 4 == 0, tracksSizes: shape & 8 != 0,
        shardCount: shape & 16 == 0 ? 1 : 2, hashSeed: UInt64(reader.byte()))
    guard let map = try? SessionMap(configuration, now: 10) else { return }
    var fuzz = MapFuzz(map: map)
    while !reader.isAtEnd { fuzz.step(&reader) }
    fuzz.finish()
}

private struct FuzzReader {
    let bytes: [UInt8]
    private var place = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { place >= bytes.count }

    mutating func byte() -> UInt8 {
        guard place < bytes.count else { return 0 }
        defer { place += 1 }
        return bytes[place]
    }

    mutating func number() -> Int { Int(byte()) << 8 | Int(byte()) }

    mutating func key() -> [UInt8] {
        let first = byte()
        return [UInt8](repeating: first, count: 1 + Int(first) * 7 % 250)
    }

    /// Up to all that the first kind of map takes: the operand's square.
    mutating func value() -> [UInt8] {
        let size = number()
        if size & 3 == 0 { return Array("\(size >> 2)".utf8) }
        let byteCount = size & 3 == 1 ? size >> 2 : (size >> 6) * (size >> 6)
        return [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: byteCount)
    }

    mutating func deadline(_ now: UInt32) -> Deadline {
        let word = byte()
        switch word & 3 {
        case 0: return .never
        case 1: return .past
        case 2: return .at(UInt64(now) + UInt64(word))
        default: return .at(UInt64(now) + UInt64(word) << (word >> 3))
        }
    }

    mutating func mode() -> StoreMode {
        switch byte() % 6 {
        case 0, 1: .set
        case 2: .add
        case 3: .replace
        case 4: .append
        default: .prepend
        }
    }

    /// Uniques as the map gives them, and others.
    mutating func unique() -> UInt64? {
        let word = byte()
        return word & 3 == 0 ? UInt64(word >> 2) << UInt64(word & 60) : nil
    }

    mutating func storeRequest(_ now: UInt32) -> StoreRequest {
        let word = byte()
        var request = StoreRequest(
            mode: mode(), clientFlags: UInt32(word), deadline: deadline(now), comparison: unique())
        request.storesStale = word & 1 != 0
        request.createsMissing = word & 2 != 0
        request.hasEncodedKey = word & 4 != 0
        request.dropsOldWhenRefused = word & 8 != 0
        request.casUnique = unique()
        return request
    }

    mutating func invalidation(_ now: UInt32) -> Invalidation {
        let word = byte()
        let empties = word & 1 != 0
        var invalidation = Invalidation(
            emptyClientFlags: empties ? UInt32(word) : nil, marksStale: !empties || word & 2 != 0,
            deadline: word & 4 != 0 ? deadline(now) : nil)
        invalidation.casUnique = unique()
        return invalidation
    }

    mutating func arithmetic(_ now: UInt32) -> ArithmeticRequest {
        let word = byte()
        var request = ArithmeticRequest(
            delta: UInt64(word) << UInt64(word & 63), increments: word & 16 == 0)
        request.comparison = unique() ?? 0
        request.casUnique = unique()
        if word & 32 != 0 {
            request.initial = ArithmeticRequest.Initial(
                number: UInt64(word), deadline: deadline(now))
        }
        return request
    }
}

private struct MapFuzz {
    let map: SessionMap
    private var now: UInt32 = 10
    private var pins: [(value: PinnedValue, bytes: [UInt8])] = []
    private var pending: Pending?

    private final class Pending {
        var store: SessionMap.PendingStore?
        init(_ store: consuming SessionMap.PendingStore) { self.store = consume store }
    }

    init(map: SessionMap) { self.map = map }

    mutating func step(_ reader: inout FuzzReader) {
        let word = reader.byte()
        switch word % 16 {
        case 0..<4:
            let request = reader.storeRequest(now)
            _ = map.store(reader.key().span, request, value: reader.value().span, now: now)
        case 4, 5: retrieve(&reader)
        case 6: _ = map.get(reader.key(), now: now, touch: reader.deadline(now))
        case 7: remove(&reader)
        case 8: _ = map.arithmetic(reader.key().span, reader.arithmetic(now), now: now)
        case 9: pin(&reader)
        case 10: unpin()
        case 11: begin(&reader)
        case 12: goOn(&reader)
        case 13: now &+= word & 16 == 0 ? UInt32(reader.byte()) : UInt32(reader.number()) << 8
        case 14: change(&reader)
        default:
            _ = map.maintain(
                shard: Int(word >> 4) % map.shardCount, now: now, itemBudget: Int(reader.byte()))
        }
    }

    private func retrieve(_ reader: inout FuzzReader) {
        let word = reader.byte()
        var new: Vivification?
        if word & 3 == 0 {
            new = Vivification(deadline: reader.deadline(now))
            new?.casUnique = reader.unique()
        }
        var use = HitUse.touched(word & 4 == 0 ? nil : reader.deadline(now))
        use.claims = word & 8 != 0
        _ = map.retrieve(
            reader.key().span, now: now, isAccess: word & 16 != 0, creating: new
        ) { _ in use }
    }

    private func remove(_ reader: inout FuzzReader) {
        let key = reader.key()
        guard reader.byte() & 1 == 0 else {
            _ = map.delete(key.span, comparison: reader.unique(), now: now)
            return
        }
        _ = map.invalidate(
            key.span, reader.invalidation(now), comparison: reader.unique(), now: now)
    }

    private mutating func pin(_ reader: inout FuzzReader) {
        guard pins.count < 8, let pinned = map.pin(reader.key(), now: now) else { return }
        pins.append((pinned, pinned.bytes))
    }

    private mutating func unpin() {
        guard let pin = pins.popLast() else { return }
        precondition(hasEqualBytes(pin.value.bytes, pin.bytes), "a pinned value has changed")
        map.unpin(pin.value)
    }

    private mutating func begin(_ reader: inout FuzzReader) {
        endPending(commits: false)
        let request = reader.storeRequest(now)
        let count = reader.value().count
        switch map.begin(reader.key().span, request, valueByteCount: count, now: now) {
        case .refused: break
        case .pending(let store): pending = Pending(store)
        }
    }

    private mutating func goOn(_ reader: inout FuzzReader) {
        guard let pending, var store = pending.store.take() else { return }
        let part = reader.byte()
        let count = min(store.target.count, Int(part) * Int(part) + 1)
        UnsafeMutableRawBufferPointer(rebasing: store.target[..<count])
            .initializeMemory(as: UInt8.self, repeating: part)
        guard map.received(count, in: &store, now: now) else {
            map.abandon(store, deletingOldAt: now)
            self.pending = nil
            return
        }
        let isComplete = store.bytesLeft == 0
        precondition(isComplete == store.target.isEmpty, "a target at the wrong time")
        pending.store = consume store
        if isComplete || part == 0 { endPending(commits: isComplete) }
    }

    private mutating func endPending(commits: Bool) {
        guard let store = pending?.store.take() else { return }
        pending = nil
        if commits {
            _ = map.commit(store, now: now)
        } else {
            map.abandon(store, deletingOldAt: now & 1 == 0 ? now : nil)
        }
    }

    private func change(_ reader: inout FuzzReader) {
        let word = reader.byte()
        switch word & 3 {
        case 0: map.flush()
        case 1: map.flush(at: .at(UInt64(now) + UInt64(word >> 2)), now: now)
        case 2: _ = map.setLimit(byteCount: Int(word) << 14)
        default: map.checkInvariants(now: now)
        }
    }

    mutating func finish() {
        while !pins.isEmpty { unpin() }
        endPending(commits: false)
        map.checkInvariants(now: now)
        map.flush()
        map.maintainFully(now: now)
        map.checkInvariants(now: now)
        precondition(map.statistics(now: now).itemByteCount == 0, "items are left at the end")
    }
}
