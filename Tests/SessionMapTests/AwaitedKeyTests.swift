import Foundation
import Synchronization
import Testing

@testable import SessionMap

/// Keys that somebody waits for: whoever does is told when their items go, and comes before others.
@Suite(.timeLimit(.minutes(10))) struct AwaitedKeyTests {
    /// What the observer of a map was told.
    private final class Told: Sendable {
        private let all = Mutex<[UInt64]>([])

        init(_ map: SessionMap) {
            map.observeAwaited { [self] hash in all.withLock { $0.append(hash) } }
        }

        /// Since it was asked last.
        func take() -> Set<UInt64> {
            all.withLock { all in
                defer { all = [] }
                return Set(all)
            }
        }
    }

    private final class Flag: Sendable {
        let isSet = Atomic<Bool>(false)
    }

    private static let lock = Array("lock.a".utf8)

    private func makeMap(byteCount: Int = 4 << 20, shardCount: Int = 2) throws -> SessionMap {
        try SessionMap(
            MapConfiguration(byteCount: byteCount, shardCount: shardCount, hashSeed: 12), now: 10)
    }

    private func claim(
        _ map: SessionMap, _ key: [UInt8] = lock, isFirst: Bool = false,
        deadline: Deadline = .never, now: UInt32 = 10
    ) -> ClaimOutcome {
        map.claim(
            key.span, StoreRequest(mode: .add, clientFlags: 0, deadline: deadline),
            value: [1].span, isFirst: isFirst, now: now)
    }

    @Test("Who finds a key free gets it, and waits for nothing")
    func free() throws {
        let map = try makeMap()
        let told = Told(map)
        var seen: HitCopy?
        let outcome = map.claim(
            Self.lock.span, StoreRequest(mode: .add, clientFlags: 7, deadline: .at(50)),
            value: [1, 2].span, isFirst: false, now: 10
        ) { seen = HitCopy($0) }
        #expect(outcome == .stored)
        #expect(seen?.value == [1, 2] && seen?.clientFlags == 7 && seen?.secondsLeft == 40)
        #expect(map.remove(Self.lock))
        #expect(told.take() == [])
        map.checkInvariants(now: 10)
    }

    /// Ways for an item of the lock's key, with the deadline 20, to go, and whether it has gone then.
    private static let changes:
        [(name: String, isGone: Bool, body: @Sendable (SessionMap) -> Void)] = [
            ("deleted", true, { _ = $0.remove(lock) }),
            ("expired, and swept", true, { $0.maintainFully(now: 20) }),
            ("expired, and met", true, { _ = $0.get(lock, now: 20) }),
            ("flushed", true, { $0.flush() }),
            ("to be flushed", false, { $0.flush(at: .at(15), now: 10) }),
            (
                "flushed in advance", true,
                {
                    $0.flush(at: .at(15), now: 10)
                    $0.maintainFully(now: 15)
                }
            ),
            (
                "evicted", true,
                { map in
                    for number in 0..<4_000 {
                        _ = map.set("filler-\(number)", [UInt8](repeating: 0, count: 2_000))
                    }
                }
            ),
            ("replaced", false, { _ = $0.set(lock, [2], deadline: .at(12)) }),
            (
                "counted", false,
                {
                    _ = $0.set(lock, [UInt8(ascii: "1")], deadline: .at(20))
                    _ = $0.arithmetic(
                        lock.span, ArithmeticRequest(delta: 1, increments: true), now: 10)
                }
            ),
            ("touched", false, { _ = $0.get(lock, touch: .at(30)) }),
            ("touched to be gone", true, { _ = $0.get(lock, touch: .past) }),
            ("replaced by what is gone", true, { _ = $0.set(lock, [2], deadline: .past) }),
            (
                "emptied", false,
                {
                    _ = $0.invalidate(
                        lock.span,
                        Invalidation(emptyClientFlags: 0, marksStale: false, deadline: nil),
                        now: 10)
                }
            ),
            (
                "made stale, with a deadline", false,
                {
                    _ = $0.invalidate(
                        lock.span,
                        Invalidation(emptyClientFlags: nil, marksStale: true, deadline: .at(11)),
                        now: 10)
                }
            ),
        ]

    @Test("Whatever becomes of an item, who waits for its key is told, and of no other key")
    func everyChange() throws {
        for (name, isGone, body) in Self.changes {
            let map = try makeMap()
            let told = Told(map)
            let hash = map.keyHash(Self.lock.span)
            #expect(map.set(Self.lock, [1], deadline: .at(20)) == .stored)
            #expect(map.set("other", [1]) == .stored)
            #expect(claim(map) == .held(until: .at(20)), "\(name)")
            #expect(map.value("other") == [1] && map.remove(Array("other".utf8)))
            #expect(told.take() == [], "\(name)")
            body(map)
            #expect(told.take() == [hash], "\(name)")
            // At a time when nothing else has expired.
            let now: UInt32 = name.contains("expired") ? 20 : name.contains("advance") ? 15 : 10
            let outcome = claim(map, isFirst: true, now: now)
            #expect((outcome == .stored) == isGone, "\(name)")
            map.stopAwaiting(hash)
            _ = told.take()
            #expect(map.remove(Self.lock, now: now))
            #expect(told.take() == [], "\(name)")
            map.checkInvariants(now: now)
        }
    }

    @Test("Reading an item is no change of it")
    func reading() throws {
        let map = try makeMap()
        let told = Told(map)
        #expect(map.set(Self.lock, [1], deadline: .at(20)) == .stored)
        #expect(claim(map) == .held(until: .at(20)))
        #expect(map.get(Self.lock).outcome == .hit)
        let isContained = map.contains(Self.lock.span, now: 10)
        #expect(isContained)
        #expect(map.set(Self.lock, [2], mode: .add) == .notStored)
        #expect(told.take() == [])
    }

    @Test("A flush that was asked for in advance tells when the key is free, if it comes first")
    func flushInAdvance() throws {
        let map = try makeMap()
        #expect(map.set(Self.lock, [1], deadline: .at(20)) == .stored)
        map.flush(at: .at(30), now: 10)
        #expect(claim(map) == .held(until: .at(20)))
        map.flush(at: .at(15), now: 10)
        #expect(claim(map) == .held(until: .at(15)))
        #expect(map.set(Self.lock, [1]) == .stored)
        #expect(claim(map) == .held(until: .at(15)))
        #expect(claim(map, isFirst: true, now: 15) == .stored)
    }

    @Test(
        "A key that somebody waits for is no other's: not by add, whole or in parts; by set it is")
    func turns() throws {
        let map = try makeMap()
        let hash = map.keyHash(Self.lock.span)
        let add = StoreRequest(mode: .add, clientFlags: 0, deadline: .never)
        #expect(map.set(Self.lock, [1]) == .stored)
        #expect(claim(map) == .held(until: .never))
        #expect(map.remove(Self.lock))
        #expect(map.set(Self.lock, [2], mode: .add) == .notStored)
        #expect(claim(map) == .held(until: .never))
        switch map.begin(Self.lock.span, add, valueByteCount: 0, now: 10) {
        case .pending(let store): #expect(map.commit(store, now: 10) == .notStored)
        case .refused: Issue.record("no memory for nothing")
        }
        #expect(map.value("lock.a") == nil)
        #expect(map.set("lock.b", [2]) == .stored)
        // A client that means to replace whatever is there does so.
        #expect(map.set(Self.lock, [3]) == .stored)
        #expect(claim(map, isFirst: true) == .held(until: .never))
        #expect(map.remove(Self.lock))
        #expect(claim(map, isFirst: true) == .stored)
        #expect(map.remove(Self.lock))
        map.stopAwaiting(hash)
        #expect(map.set(Self.lock, [2], mode: .add) == .stored)
        map.checkInvariants(now: 10)
    }

    @Test("A zero is a free key for those who say so, in turn, and is not counted up meanwhile")
    func zero() throws {
        let map = try makeMap()
        let told = Told(map)
        let hash = map.keyHash(Self.lock.span)
        let one = ArithmeticRequest(delta: 1, increments: true)
        let zero = [UInt8(ascii: "0")]
        func claimZero(isFirst: Bool) -> ClaimOutcome {
            map.claim(
                Self.lock.span, StoreRequest(mode: .add, clientFlags: 3, deadline: .at(60)),
                value: [9].span, isFirst: isFirst, zeroIsFree: true, now: 10)
        }
        #expect(map.set(Self.lock, [UInt8(ascii: "1")], deadline: .at(20)) == .stored)
        #expect(claimZero(isFirst: false) == .held(until: .at(20)))
        #expect(map.arithmetic(Self.lock.span, one, now: 10) == .value(2))
        #expect(map.set(Self.lock, zero, deadline: .at(30)) == .stored)
        #expect(told.take() == [hash])
        #expect(map.arithmetic(Self.lock.span, one, now: 10) == .value(2))
        #expect(map.value("lock.a") == zero)
        #expect(claimZero(isFirst: false) == .held(until: .never))
        #expect(map.set(Self.lock, [2], mode: .add) == .notStored)
        #expect(claimZero(isFirst: true) == .stored)
        let item = map.get(Self.lock).hit
        #expect(item?.value == [9] && item?.clientFlags == 3 && item?.secondsLeft == 50)
        map.stopAwaiting(hash)
        #expect(map.set(Self.lock, zero) == .stored)
        #expect(map.arithmetic(Self.lock.span, one, now: 10) == .value(1))
        #expect(map.set(Self.lock, zero) == .stored)
        // To others it is an item like any other.
        #expect(claim(map) == .held(until: .never))
        #expect(claim(map, isFirst: true) == .held(until: .never))
        #expect(map.arithmetic(Self.lock.span, one, now: 10) == .value(1))
        map.stopAwaiting(hash)
        #expect(map.set(Self.lock, zero) == .stored)
        #expect(claimZero(isFirst: false) == .stored)
        map.checkInvariants(now: 10)
    }

    @Test("What can never be stored does not wait")
    func refused() throws {
        let map = try SessionMap(
            MapConfiguration(
                byteCount: 1 << 20, itemByteCountMax: 64 << 10, evicts: false, shardCount: 1,
                hashSeed: 3), now: 10)
        let told = Told(map)
        let add = StoreRequest(mode: .add, clientFlags: 0, deadline: .never)
        let large = [UInt8](repeating: 0, count: 70 << 10)
        #expect(
            map.claim(Self.lock.span, add, value: large.span, isFirst: false, now: 10)
                == .refused(.tooLarge))
        var number = 0
        while map.set("filler-\(number)", [UInt8](repeating: 0, count: 40)) == .stored {
            number += 1
        }
        #expect(claim(map) == .refused(.outOfMemory))
        #expect(told.take() == [])
        map.checkInvariants(now: 10)
    }

    @Test("No removal on another thread comes between an add that fails and the wait for the key")
    func noLostRemoval() throws {
        let map = try makeMap(shardCount: 1)
        let hash = map.keyHash(Self.lock.span)
        let told = Told(map)
        let isOver = Flag()
        let group = DispatchGroup()
        group.enter()
        // A thread of its own: those that queues share may all be taken by other tests.
        Thread.detachNewThread {
            while !isOver.isSet.load(ordering: .sequentiallyConsistent) {
                _ = map.set(Self.lock, [1], mode: .add)
                _ = map.remove(Self.lock)
            }
            group.leave()
        }
        var heldCount = 0
        // Where others use the processors, too, it takes longer until the key was held often enough.
        let enough = ContinuousClock.now + .seconds(2)
        let deadline = ContinuousClock.now + .seconds(120)
        while ContinuousClock.now < (heldCount > 10 ? enough : deadline) {
            switch claim(map) {
            case .stored: _ = map.remove(Self.lock)
            case .refused: Issue.record("there is memory")
            case .held:
                heldCount += 1
                // The holder deletes it within microseconds; nobody else may take the key then.
                let patience = ContinuousClock.now + .seconds(20)
                var isTold = false
                while !isTold, ContinuousClock.now < patience { isTold = told.take() == [hash] }
                #expect(isTold)
                #expect(claim(map, isFirst: true) == .stored)
                map.stopAwaiting(hash)
                _ = map.remove(Self.lock)
                _ = told.take()
            }
        }
        isOver.isSet.store(true, ordering: .sequentiallyConsistent)
        group.wait()
        #expect(heldCount > 10)
        map.checkInvariants(now: 10)
    }
}
