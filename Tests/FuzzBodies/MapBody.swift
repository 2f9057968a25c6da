#if DEBUG || Fuzzing
    @testable import SessionMap

    /// Takes any bytes as operations on a small map, which must neither lie about a value's bytes nor break
    /// an invariant. Returns what is wrong.
    ///
    /// The first bytes choose the map; then each operation is one byte, with operands behind it. Operands
    /// that the input does not have are 0.
    func checkMap(_ input: [UInt8]) -> String? {
        var reader = FuzzReader(bytes: input)
        let shape = reader.byte()
        let configuration = MapConfiguration(
            byteCount: 1 << 20, itemByteCountMax: shape & 1 == 0 ? 1 << 19 : 4096,
            evicts: shape & 2 == 0, assignsCASUniques: shape & 4 == 0, tracksSizes: shape & 8 != 0,
            shardCount: shape & 16 == 0 ? 1 : 2, hashSeed: UInt64(reader.byte()))
        guard let map = try? SessionMap(configuration, now: 10) else { return "no map" }
        var fuzz = MapFuzz(map: map)
        while !reader.isAtEnd { fuzz.step(&reader) }
        fuzz.finish()
        return fuzz.problem
    }

    /// The operands of operations.
    extension FuzzReader {
        fileprivate mutating func key() -> [UInt8] {
            let first = byte()
            return [UInt8](repeating: first, count: 1 + Int(first) * 7 % 250)
        }

        /// Its length is the operand or a square: up to all that the first kind of map takes, seldom.
        fileprivate mutating func value() -> [UInt8] {
            let size = number()
            if size & 3 == 0 { return Array("\(size >> 2)".utf8) }
            let root = size & 12 == 12 ? size >> 6 : size >> 8
            let byteCount = size & 3 == 1 ? size >> 2 : root * root
            return [UInt8](repeating: UInt8(truncatingIfNeeded: size), count: byteCount)
        }

        fileprivate mutating func deadline(_ now: UInt32) -> Deadline {
            let word = byte()
            switch word & 3 {
            case 0: return .never
            case 1: return .past
            case 2: return .at(UInt64(now) + UInt64(word))
            default: return .at(UInt64(now) + UInt64(word) << (word >> 3))
            }
        }

        fileprivate mutating func mode() -> StoreMode {
            switch byte() % 6 {
            case 0, 1: .set
            case 2: .add
            case 3: .replace
            case 4: .append
            default: .prepend
            }
        }

        /// Uniques as the map gives them, and others.
        fileprivate mutating func unique() -> UInt64? {
            let word = byte()
            return word & 3 == 0 ? UInt64(word >> 2) << UInt64(word & 60) : nil
        }

        fileprivate mutating func storeRequest(_ now: UInt32) -> StoreRequest {
            let word = byte()
            var request = StoreRequest(
                mode: mode(), clientFlags: UInt32(word), deadline: deadline(now),
                comparison: unique())
            request.storesStale = word & 1 != 0
            request.createsMissing = word & 2 != 0
            request.hasEncodedKey = word & 4 != 0
            request.dropsOldWhenRefused = word & 8 != 0
            request.casUnique = unique()
            return request
        }

        fileprivate mutating func invalidation(_ now: UInt32) -> Invalidation {
            let word = byte()
            let empties = word & 1 != 0
            var invalidation = Invalidation(
                emptyClientFlags: empties ? UInt32(word) : nil,
                marksStale: !empties || word & 2 != 0,
                deadline: word & 4 != 0 ? deadline(now) : nil)
            invalidation.casUnique = unique()
            return invalidation
        }

        fileprivate mutating func arithmetic(_ now: UInt32) -> ArithmeticRequest {
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
        /// What was wrong first.
        private(set) var problem: String?

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
            case 6: touch(&reader)
            case 7: remove(&reader)
            case 8: _ = map.arithmetic(reader.key().span, reader.arithmetic(now), now: now)
            case 9: pin(&reader)
            case 10: unpin()
            case 11: begin(&reader)
            case 12: goOn(&reader)
            case 13:
                advance(by: word & 16 == 0 ? UInt32(reader.byte()) : UInt32(reader.number()) << 8)
            case 14: change(&reader)
            default:
                _ = map.maintain(
                    shard: Int(word >> 4) % map.shardCount, now: now, itemBudget: Int(reader.byte())
                )
            }
        }

        /// A node's clock does not come to its end.
        private mutating func advance(by seconds: UInt32) { now = min(now + seconds, 1 << 31) }

        private func touch(_ reader: inout FuzzReader) {
            let (key, deadline) = (reader.key(), reader.deadline(now))
            _ = map.retrieve(key.span, now: now) { _ in .touched(deadline) }
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
            let key = reader.key()
            guard pins.count < 8 else { return }
            let pinned = map.retrieve(key.span, now: now) { _ in
                var use = HitUse()
                use.pinsValue = true
                return use
            }.pinned
            if let pinned { pins.append((pinned, Self.bytes(of: pinned))) }
        }

        private mutating func unpin() {
            guard let pin = pins.popLast() else { return }
            if Self.bytes(of: pin.value) != pin.bytes { note("a pinned value has changed") }
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
            if isComplete != store.target.isEmpty { note("a target at the wrong time") }
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

        private mutating func change(_ reader: inout FuzzReader) {
            let word = reader.byte()
            switch word & 3 {
            case 0: map.flush()
            case 1: map.flush(at: .at(UInt64(now) + UInt64(word >> 2)), now: now)
            case 2: _ = map.setLimit(byteCount: Int(word) << 14)
            default: look()
            }
        }

        mutating func finish() {
            while !pins.isEmpty { unpin() }
            endPending(commits: false)
            look()
            map.flush()
            for number in 0..<map.shardCount {
                while map.maintain(shard: number, now: now, itemBudget: 1000) {}
            }
            look()
            if map.statistics(now: now).itemByteCount != 0 { note("items are left at the end") }
        }

        private mutating func look() {
            if let sentence = map.brokenInvariants().first {
                note("a broken invariant: \(sentence)")
            }
        }

        private mutating func note(_ sentence: String) { problem = problem ?? sentence }

        private static func bytes(of value: PinnedValue) -> [UInt8] {
            var all: [UInt8] = []
            all.reserveCapacity(value.byteCount)
            for piece in value.pieces { all.append(contentsOf: piece) }
            return all
        }
    }
#endif
