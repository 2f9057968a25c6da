import Foundation
import Testing

@testable import SessionMap

/// A map whose memory outlives it is taken over by the next.
@Suite(.timeLimit(.minutes(10))) struct TakingOverTests {
    private func configuration(
        byteCount: Int = 2 << 20, shardCount: Int = 2, eviction: EvictionPolicy = .standard,
        itemByteCountMax: Int = 100_000
    ) -> MapConfiguration {
        MapConfiguration(
            byteCount: byteCount, itemByteCountMax: itemByteCountMax, eviction: eviction,
            shardCount: shardCount, hashSeed: 31)
    }

    @Test func everythingAboutTheItemsOfAllShardsIsTakenOver() throws {
        let memory = OutlivingMemory(configuration())
        var generator = SeededGenerator(seed: 32)
        var wanted: [[UInt8]: HitCopy] = [:]
        var deleted: [[UInt8]] = []
        var uniques: Set<UInt64> = []
        do {
            let map = try memory.makeMap()
            for number in 0..<1_000 {
                let key = sessionKey(UInt64(number))
                let value = (0..<generator.number(below: 900)).map { UInt8(truncatingIfNeeded: $0) }
                let outcome = map.set(
                    key, value, clientFlags: UInt32(truncatingIfNeeded: generator.next()),
                    deadline: number % 3 == 0 ? .never : .at(1_000 + UInt64(number)))
                #expect(outcome == .stored)
                try uniques.insert(#require(map.get(key).hit).casUnique)
                if number % 5 == 0 {
                    #expect(map.remove(key))
                    deleted.append(key)
                } else {
                    wanted[key] = map.get(key).hit
                }
            }
        }
        let (map, report) = try memory.recover()
        map.checkInvariants(now: 10)
        #expect(map.shardCount == 2)
        #expect(report.itemCount == 800 && report.evictedCount == 0)
        let statistics = map.statistics(now: 10)
        #expect(statistics.itemCount == 800 && statistics.itemByteCount == report.byteCount)
        #expect(statistics.totalItemCount == 0)
        for (key, copy) in wanted { #expect(map.get(key).hit == copy) }
        for key in deleted { #expect(map.get(key).outcome == .miss) }
        // Also those of items that are gone do not come again.
        for number in 0..<1_000 {
            let key = Array("new-\(number)".utf8)
            #expect(map.set(key, []) == .stored)
            let unique = try #require(map.get(key).hit).casUnique
            #expect(uniques.insert(unique).inserted)
        }
    }

    @Test func standingOutlivesTheProcess() throws {
        let memory = OutlivingMemory(configuration(shardCount: 1))
        do {
            let map = try memory.makeMap()
            for key in ["proven", "young"] { #expect(map.set(key, [1]) == .stored) }
            #expect(map.value("proven", now: 12) != nil)
            #expect(map.statistics(now: 12).provenItemCount == 1)
        }
        let (map, _) = try memory.recover(now: 12)
        #expect(map.statistics(now: 12).provenItemCount == 1)
        #expect(map.statistics(now: 12).probationaryItemCount == 1)
        // It is as old as before, too.
        #expect(map.value("young", now: 12) != nil)
        #expect(map.statistics(now: 12).provenItemCount == 2)
    }

    @Test func timeGoesOnWhileNobodyIsThere() throws {
        let memory = OutlivingMemory(configuration())
        do {
            let map = try memory.makeMap()
            for seconds in 1...100 {
                let key = Array("\(seconds)".utf8)
                #expect(map.set(key, [1], deadline: .at(10 + UInt64(seconds))) == .stored)
            }
        }
        let (map, report) = try memory.recover(now: 60)
        #expect(report.itemCount == 50 && report.expiredCount == 50)
        #expect(map.value("50", now: 60) == nil)
        #expect(map.get(Array("51".utf8), now: 60).hit?.secondsLeft == 1)
        #expect(map.value("51", now: 61) == nil)
        map.maintainFully(now: 200)
        #expect(map.statistics(now: 200).itemCount == 0)
        map.checkInvariants(now: 200)
    }

    @Test func aFlushThatWasAskedForInAdvanceIsNotForgotten() throws {
        let memory = OutlivingMemory(configuration())
        do {
            let map = try memory.makeMap()
            for number in 0..<10 { #expect(map.set("\(number)", [1]) == .stored) }
            map.flush(at: .at(20), now: 10)
        }
        let (map, report) = try memory.recover(now: 19)
        #expect(report.itemCount == 10)
        #expect(map.value("1", now: 19) != nil)
        for number in 0..<10 { #expect(map.value("\(number)", now: 20) == nil) }
        #expect(map.set("1", [2], now: 20) == .stored)
        #expect(map.value("1", now: 21) == [2])
    }

    @Test func aFlushThatCameDueWhileNobodyWasThereIsCarriedOut() throws {
        let memory = OutlivingMemory(configuration())
        do {
            let map = try memory.makeMap()
            #expect(map.set("old", [1]) == .stored)
            map.flush(at: .at(20), now: 10)
        }
        let (map, _) = try memory.recover(now: 30)
        #expect(map.value("old", now: 30) == nil)
        #expect(map.set("new", [2], now: 30) == .stored)
        #expect(map.value("new", now: 31) == [2])
    }

    @Test func whatWasFlushedStaysFlushedOverRestarts() throws {
        let memory = OutlivingMemory(configuration())
        var map = try memory.makeMap()
        for round in 0..<100 {
            #expect(map.set("flushed-\(round)", [1]) == .stored)
            map.flush()
            #expect(map.set("kept-\(round)", [2]) == .stored)
            if round % 7 == 0 {
                let (next, report) = try memory.recover()
                map = next
                #expect(report.itemCount == 1)
            }
            #expect(map.value("flushed-\(round)") == nil)
            #expect(map.value("kept-\(round)") == [2])
        }
    }

    @Test func whoWasThereInTheLastMomentIsNotTheFirstToGo() throws {
        let memory = OutlivingMemory(configuration(shardCount: 1))
        let value = [UInt8](repeating: 1, count: 2_000)
        func store(_ map: SessionMap, _ key: String, fraction: UInt32) -> StoreOutcome {
            map.store(
                Array(key.utf8).span,
                StoreRequest(mode: .set, clientFlags: 0, deadline: .never), value: value.span,
                now: 10, fraction: fraction)
        }
        do {
            let map = try memory.makeMap()
            for number in 0..<50 { #expect(store(map, "old-\(number)", fraction: 0) == .stored) }
            for number in 0..<50 { #expect(store(map, "new-\(number)", fraction: 15) == .stored) }
            // A user who is here right now, on a clock that stands a second later.
            #expect(store(map, "user", fraction: 0) == .stored)
            #expect(map.value("user", now: 12) != nil)
        }
        let (map, _) = try memory.recover(now: 11)
        var evicted: [String] = []
        map.observeEvictions { evicted.append($0.keyText) }
        var number = 0
        while evicted.count < 50 {
            #expect(map.set("filler-\(number)", value, now: 11) == .stored)
            number += 1
        }
        #expect(evicted.allSatisfy { $0.hasPrefix("old-") })
        #expect(map.value("user", now: 11) != nil)
    }

    // MARK: A full arena

    /// Fills a map several times over, takes it over, and compares.
    private func takeOverFull(
        _ byteCount: Int, itemByteCountMax: Int, rounds: Int, valueByteCount: () -> Int
    ) throws {
        let configuration = configuration(
            byteCount: byteCount, shardCount: 1, itemByteCountMax: itemByteCountMax)
        let memory = OutlivingMemory(configuration)
        let value = [UInt8](repeating: 7, count: itemByteCountMax)
        var before = MapStatistics()
        do {
            let map = try memory.makeMap()
            var number: UInt64 = 0
            // Until everything that was there at first has been pushed out.
            var evictedAtFirstFill: UInt64 = 0
            var countAtFirstFill = 0
            while evictedAtFirstFill == 0
                || map.statistics(now: 10).evictionCount
                    < evictedAtFirstFill + UInt64(countAtFirstFill * rounds)
            {
                for _ in 0..<100 {
                    let count = valueByteCount()
                    #expect(map.set(sessionKey(number), Array(value[..<count])) == .stored)
                    number += 1
                }
                if evictedAtFirstFill == 0, map.statistics(now: 10).evictionCount > 0 {
                    evictedAtFirstFill = map.statistics(now: 10).evictionCount
                    countAtFirstFill = map.statistics(now: 10).itemCount
                }
            }
            before = map.statistics(now: 10)
        }
        let (map, report) = try memory.recover()
        let after = map.statistics(now: 10)
        map.checkInvariants(now: 10)
        print(
            "\(before.itemCount) items, \(before.freeByteCount) bytes free, index of "
                + "\(before.indexByteCount) bytes; recovered: \(report.itemCount), evicted "
                + "\(report.evictedCount), index of \(after.indexByteCount) bytes")
        #expect(report.evictedCount == 0)
        #expect(report.itemCount == before.itemCount)
        #expect(after.itemByteCount == before.itemByteCount)
        #expect(after.indexByteCount * 10 <= before.indexByteCount * 12 + 200_000)
        #expect(after.indexByteCount * 12 + 200_000 >= before.indexByteCount * 10)
    }

    @Test func aMapFullOfSmallItemsLosesNone() throws {
        try takeOverFull(4 << 20, itemByteCountMax: 2_000, rounds: 1) { 100 }
    }

    @Test func aMapFullOfSessionsLosesNone() throws {
        var generator = SeededGenerator(seed: 33)
        try takeOverFull(8 << 20, itemByteCountMax: 200_000, rounds: 2) {
            // Log-normal around 1.7 KB: the sum of twelve uniform numbers is nearly normal.
            let normal =
                (0..<12).reduce(-6.0) { sum, _ in
                    sum + Double(generator.number(below: 1_000_000)) / 1_000_000
                }
            return min(100_000, Int(1_700 * exp(normal)))
        }
    }

    @Test func aMapFullOfLargeItemsLosesNone() throws {
        try takeOverFull(16 << 20, itemByteCountMax: 200_000, rounds: 2) { 60_000 }
    }
}
