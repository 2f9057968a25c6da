import Testing

@testable import SessionMap

/// Who is on probation, who is proven, and who goes first.
@Suite(.timeLimit(.minutes(10))) struct EvictionQueueTests {
    private final class Keys {
        var all: [String] = []
    }

    private func makeMap(
        _ eviction: EvictionPolicy = .standard, byteCount: Int = 1 << 20
    ) throws -> (map: SessionMap, evicted: Keys) {
        let map = try SessionMap(
            MapConfiguration(
                byteCount: byteCount, eviction: eviction, shardCount: 1, hashSeed: 51), now: 10)
        let evicted = Keys()
        map.observeEvictions { evicted.all.append($0.keyText) }
        return (map, evicted)
    }

    private func set(
        _ map: SessionMap, _ key: String, at time: (UInt32, UInt32), mode: StoreMode = .set,
        comparison: UInt64? = nil, _ value: [UInt8] = [1]
    ) -> StoreOutcome {
        map.store(
            Array(key.utf8).span,
            StoreRequest(
                mode: mode, clientFlags: 0, deadline: .never, comparison: comparison),
            value: value.span, now: time.0, fraction: time.1)
    }

    private func hit(
        _ map: SessionMap, _ key: String, at time: (UInt32, UInt32), touch: Deadline? = nil
    ) -> Bool {
        map.retrieve(Array(key.utf8).span, now: time.0, fraction: time.1) { _ in
            .touched(touch)
        }.outcome == .hit
    }

    private func provenCount(_ map: SessionMap) -> Int {
        map.checkInvariants(now: 100)
        let all = map.statistics(now: 100)
        #expect(all.provenItemCount + all.probationaryItemCount == all.itemCount)
        #expect(all.provenByteCount + all.probationaryByteCount == all.itemByteCount)
        return all.provenItemCount
    }

    // MARK: Standing

    @Test func aNewItemIsOnProbation() throws {
        let (map, _) = try makeMap()
        #expect(set(map, "a", at: (10, 0)) == .stored)
        #expect(provenCount(map) == 0)
        #expect(map.statistics(now: 10).probationaryItemCount == 1)
    }

    @Test func aHitProvesAtExactlyTheProofAgeAndNotASixteenthEarlier() throws {
        for (age, fraction) in [(UInt32(1), UInt32(0)), (1, 5), (1, 15), (3, 9)] {
            let (map, _) = try makeMap(
                .probation(sharePercent: 5, proofAgeSeconds: Int(age)))
            #expect(set(map, "a", at: (10, fraction)) == .stored)
            let due = (10 + age) * 16 + fraction
            #expect(hit(map, "a", at: (10, fraction)))
            #expect(hit(map, "a", at: ((due - 1) / 16, (due - 1) % 16)))
            #expect(provenCount(map) == 0)
            #expect(hit(map, "a", at: (due / 16, due % 16)))
            #expect(provenCount(map) == 1)
        }
    }

    @Test func withoutAProofAgeTheFirstHitProves() throws {
        let (map, _) = try makeMap(.probation(sharePercent: 5, proofAgeSeconds: 0))
        #expect(set(map, "a", at: (10, 3)) == .stored)
        #expect(hit(map, "a", at: (10, 3)))
        #expect(provenCount(map) == 1)
    }

    @Test func aReaderWhoseClockStandsBehindProvesNothing() throws {
        let (map, _) = try makeMap()
        #expect(set(map, "a", at: (10, 9)) == .stored)
        #expect(hit(map, "a", at: (10, 8)))
        #expect(hit(map, "a", at: (9, 0)))
        #expect(provenCount(map) == 0)
        // Nor does it make the item look old.
        #expect(map.statistics(now: 10).oldestAge == 0)
    }

    @Test func aTouchProvesAsAnyHit() throws {
        let (map, _) = try makeMap()
        #expect(set(map, "a", at: (10, 0)) == .stored)
        #expect(hit(map, "a", at: (10, 15), touch: .at(100)))
        #expect(provenCount(map) == 0)
        #expect(hit(map, "a", at: (11, 0), touch: .at(100)))
        #expect(provenCount(map) == 1)
    }

    @Test func whatIsNoHitProvesNothing() throws {
        let (map, _) = try makeMap()
        #expect(set(map, "a", at: (10, 0)) == .stored)
        #expect(set(map, "a", at: (20, 0), mode: .add) == .notStored)
        let bytes = Array("a".utf8)
        let isThere = map.contains(bytes.span, now: 20)
        #expect(isThere)
        #expect(set(map, "a", at: (20, 0), comparison: 1 << 40) == .exists)
        #expect(provenCount(map) == 0)
        #expect(hit(map, "a", at: (20, 0)))
        #expect(provenCount(map) == 1)
    }

    @Test func anOverwriteKeepsStandingAndAge() throws {
        let (map, _) = try makeMap()
        for key in ["proven", "young"] { #expect(set(map, key, at: (10, 0), [0x31]) == .stored) }
        #expect(hit(map, "proven", at: (11, 0)))
        for mode in [StoreMode.set, .replace, .append, .prepend] {
            for key in ["proven", "young"] {
                #expect(set(map, key, at: (11, 0), mode: mode, [0x32]) == .stored)
            }
        }
        for key in ["proven", "young"] {
            let bytes = Array(key.utf8)
            let outcome = map.arithmetic(
                bytes.span, ArithmeticRequest(delta: 1, increments: true), now: 11)
            #expect(outcome == .value(223))
        }
        #expect(provenCount(map) == 1)
        // Still as old as when it was created.
        #expect(hit(map, "young", at: (11, 0)))
        #expect(provenCount(map) == 2)
    }

    @Test func afterADeleteAnItemStartsAnew() throws {
        let (map, _) = try makeMap()
        #expect(set(map, "a", at: (10, 0)) == .stored)
        #expect(hit(map, "a", at: (11, 0)))
        #expect(map.remove(Array("a".utf8), now: 11))
        #expect(set(map, "a", at: (12, 0)) == .stored)
        #expect(provenCount(map) == 0)
        #expect(hit(map, "a", at: (12, 1)))
        #expect(provenCount(map) == 0)
    }

    @Test func anItemThatReplacesADeadOneStartsAnew() throws {
        let (map, _) = try makeMap()
        #expect(map.set(Array("a".utf8), [1], deadline: .at(20)) == .stored)
        #expect(hit(map, "a", at: (12, 0)))
        #expect(provenCount(map) == 1)
        #expect(set(map, "a", at: (30, 0)) == .stored)
        #expect(provenCount(map) == 0)
        #expect(hit(map, "a", at: (32, 0)))
        map.flush()
        #expect(set(map, "a", at: (33, 0)) == .stored)
        map.maintainFully(now: 33)
        #expect(provenCount(map) == 0)
    }

    // MARK: Order

    private let value = [UInt8](repeating: 1, count: 1_000)

    /// Fills a map with users, proven, and then bots until `evictedCount` items had to go.
    private func flood(
        _ eviction: EvictionPolicy, userCount: Int, evictedCount: Int
    ) throws -> (map: SessionMap, evicted: Keys) {
        let (map, evicted) = try makeMap(eviction)
        for number in 0..<userCount {
            #expect(set(map, "user-\(number)", at: (10, 0), value) == .stored)
            #expect(hit(map, "user-\(number)", at: (12, 0)))
        }
        var number = 0
        while evicted.all.count < evictedCount {
            #expect(set(map, "bot-\(number)", at: (20, 0), value) == .stored)
            number += 1
        }
        map.checkInvariants(now: 20)
        return (map, evicted)
    }

    @Test func botsGoInTheirOrderWhileTheyHoldMoreThanTheirShare() throws {
        let (map, evicted) = try flood(.standard, userCount: 300, evictedCount: 2_000)
        #expect(evicted.all == (0..<evicted.all.count).map { "bot-\($0)" })
        let all = map.statistics(now: 20)
        #expect(all.provenItemCount == 300 && all.evictedProvenCount == 0)
        #expect(all.evictedUnfetchedCount == all.evictionCount)
    }

    @Test func probationKeepsItsShareAndThenTheOldestUserGoes() throws {
        // The users fill all; the share is then taken from them, oldest first, and not more.
        let (map, evicted) = try flood(
            .probation(sharePercent: 10, proofAgeSeconds: 1), userCount: 900, evictedCount: 1_500)
        let users = evicted.all.filter { $0.hasPrefix("user") }
        #expect(users == (0..<users.count).map { "user-\($0)" })
        let all = map.statistics(now: 20)
        #expect(all.evictedProvenCount == UInt64(users.count) && users.count > 10)
        let share = 100 * all.probationaryByteCount / (1 << 20)
        #expect(share >= 9 && share <= 10)
    }

    /// Flooding a map of small items, half of whose memory is probation's, shows what the share is of.
    @Test func theShareIsOfAllThereIsNotOfWhatItemsTake() throws {
        let (map, _) = try makeMap(.probation(sharePercent: 50, proofAgeSeconds: 1))
        for number in 0..<15_000 {
            #expect(set(map, "user-\(number)", at: (10, 0)) == .stored)
            _ = hit(map, "user-\(number)", at: (12, 0))
        }
        for number in 0..<12_000 { #expect(set(map, "bot-\(number)", at: (20, 0)) == .stored) }
        let all = map.statistics(now: 20)
        #expect(all.provenItemCount > 1_000 && all.indexByteCount > 100_000)
        #expect(abs(all.probationaryByteCount - (1 << 19)) <= 256)
    }

    @Test func theShareIsOfTheLimitThatAnOperatorSet() throws {
        let map = try SessionMap(
            MapConfiguration(
                byteCount: 8 << 20, itemByteCountMax: 1 << 16,
                eviction: .probation(sharePercent: 10, proofAgeSeconds: 1), shardCount: 1,
                hashSeed: 52), now: 10)
        for (limit, userCount) in [(2 << 20, 1_800), (4 << 20, 3_700), (1 << 20, 0)] {
            #expect(map.setLimit(byteCount: limit))
            map.maintainFully(now: 12)
            for number in 0..<userCount {
                #expect(set(map, "user-\(limit)-\(number)", at: (10, 0), value) == .stored)
                #expect(hit(map, "user-\(limit)-\(number)", at: (12, 0)))
            }
            for number in 0..<6_000 {
                #expect(set(map, "bot-\(number)", at: (20, 0), value) == .stored)
            }
            let all = map.statistics(now: 20)
            #expect(all.provenItemCount > 500)
            #expect(abs(all.probationaryByteCount - limit / 10) <= 1_100, "\(limit)")
            #expect(all.itemByteCount + all.indexByteCount <= limit)
        }
        map.checkInvariants(now: 20)
    }

    @Test func withShare0AUserGoesOnlyWhenThereIsNoBot() throws {
        let (map, evicted) = try flood(
            .probation(sharePercent: 0, proofAgeSeconds: 1), userCount: 300, evictedCount: 1_000)
        #expect(evicted.all.allSatisfy { $0.hasPrefix("bot") })
        #expect(map.statistics(now: 20).provenItemCount == 300)
    }

    @Test func withShare100UsersGoFirst() throws {
        let (map, evicted) = try flood(
            .probation(sharePercent: 100, proofAgeSeconds: 1), userCount: 300, evictedCount: 400)
        #expect(evicted.all.prefix(300).elementsEqual((0..<300).map { "user-\($0)" }))
        #expect(evicted.all.dropFirst(300).allSatisfy { $0.hasPrefix("bot") })
        #expect(map.statistics(now: 20).evictedProvenCount == 300)
    }

    @Test func withOneQueueTheLeastRecentlyUsedGoesWhoeverItIs() throws {
        let (map, evicted) = try flood(.lru, userCount: 300, evictedCount: 400)
        #expect(evicted.all.prefix(300).elementsEqual((0..<300).map { "user-\($0)" }))
        #expect(
            evicted.all.dropFirst(300).elementsEqual(
                (0..<evicted.all.count - 300).map { "bot-\($0)" }))
        #expect(map.statistics(now: 20).evictedProvenCount == 0)
        #expect(map.statistics(now: 20).provenItemCount == 0)
    }

    @Test func aFlushTakesBothQueues() throws {
        let (map, _) = try makeMap()
        for number in 0..<100 {
            #expect(set(map, "user-\(number)", at: (10, 0), value) == .stored)
            #expect(hit(map, "user-\(number)", at: (12, 0)))
            #expect(set(map, "bot-\(number)", at: (12, 0), value) == .stored)
        }
        #expect(provenCount(map) == 100)
        map.flush()
        // Flushed and living items share the queues for a while.
        #expect(set(map, "new user", at: (13, 0)) == .stored)
        #expect(hit(map, "new user", at: (14, 0)))
        #expect(set(map, "new bot", at: (14, 0)) == .stored)
        #expect(provenCount(map) == 1)
        #expect(!hit(map, "user-1", at: (14, 0)))
        #expect(!hit(map, "bot-1", at: (14, 0)))
        while map.maintain(shard: 0, now: 14, itemBudget: 7) { map.checkInvariants(now: 14) }
        #expect(provenCount(map) == 1)
        #expect(map.statistics(now: 14).itemCount == 2)
        #expect(map.statistics(now: 14).evictionCount == 0)
    }
}
