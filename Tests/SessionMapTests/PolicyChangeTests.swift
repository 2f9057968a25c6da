import Testing

@testable import SessionMap

/// A map that another eviction policy takes over evicts as that policy says.
@Suite(.timeLimit(.minutes(10))) struct PolicyChangeTests {
    private static let value = [UInt8](repeating: 1, count: 1_000)

    private func configuration(_ eviction: EvictionPolicy) -> MapConfiguration {
        MapConfiguration(
            byteCount: 2 << 20, itemByteCountMax: 1 << 16, eviction: eviction, shardCount: 1,
            hashSeed: 81)
    }

    /// What a map leaves behind: users, whose last hit was at 40; visitors, stored at 60 and never
    /// read; both under a policy.
    private func makeMemory(_ eviction: EvictionPolicy) throws -> OutlivingMemory {
        let memory = OutlivingMemory(configuration(eviction))
        let map = try memory.makeMap()
        for number in 0..<300 {
            #expect(map.set("user-\(number)", Self.value, now: 10) == .stored)
            #expect(map.value("user-\(number)", now: 20) != nil)
        }
        for number in 0..<300 { #expect(map.value("user-\(number)", now: 40) != nil) }
        for number in 0..<300 {
            #expect(map.set("visitor-\(number)", Self.value, now: 60) == .stored)
        }
        return memory
    }

    private final class Evicted {
        var keys: [String] = []
    }

    private func takeOver(
        _ memory: OutlivingMemory, _ eviction: EvictionPolicy
    ) throws -> (map: SessionMap, evicted: Evicted) {
        var report = RecoveryReport()
        let map = try SessionMap(
            configuration(eviction), recovering: memory.bytes,
            header: ArenaHeader.read(memory.page).get(), now: 100, report: &report)
        #expect(report.itemCount == 600)
        map.checkInvariants(now: 100)
        let evicted = Evicted()
        map.observeEvictions { evicted.keys.append($0.keyText) }
        return (map, evicted)
    }

    private func age(_ map: SessionMap, _ key: String) -> UInt32? {
        var age: UInt32?
        let key = Array(key.utf8)
        _ = map.peek(key.span, now: 100) { age = $0.secondsSinceAccess }
        return age
    }

    private func flood(_ map: SessionMap, _ evicted: Evicted, evictedCount: Int) {
        var number = 0
        while evicted.keys.count < evictedCount {
            #expect(map.set("bot-\(number)", Self.value, now: 100) == .stored)
            number += 1
        }
        map.checkInvariants(now: 100)
    }

    private func areOf(_ kind: String, _ keys: some Collection<String>) -> Bool {
        keys.allSatisfy { $0.hasPrefix(kind) }
    }

    @Test func fromProbationToOneQueueNobodyIsSparedAndTheOldestGo() throws {
        let memory = try makeMemory(.standard)
        let (map, evicted) = try takeOver(memory, .lru)
        #expect(map.statistics(now: 100).provenItemCount == 0)
        #expect(age(map, "user-7") == 60 && age(map, "visitor-7") == 40)
        // Who is in use stays.
        for number in 0..<100 { #expect(map.value("user-\(number)", now: 100) != nil) }
        flood(map, evicted, evictedCount: 600)
        #expect(areOf("user", evicted.keys[..<200]))
        #expect(areOf("visitor", evicted.keys[200..<500]))
        #expect(areOf("user", evicted.keys[500..<600]))
    }

    @Test func fromOneQueueToProbationWhoeverWasReadBackIsProven() throws {
        let memory = try makeMemory(.lru)
        let (map, evicted) = try takeOver(memory, .standard)
        #expect(map.statistics(now: 100).provenItemCount == 300)
        #expect(age(map, "user-7") == 60 && age(map, "visitor-7") == 40)
        flood(map, evicted, evictedCount: 2_000)
        #expect(areOf("visitor", evicted.keys[..<300]))
        #expect(areOf("bot", evicted.keys[300...]))
        #expect(map.statistics(now: 100).provenItemCount == 300)
        // A visitor who comes back is proven as any other.
        let other = try makeMemory(.lru)
        let (again, _) = try takeOver(other, .standard)
        #expect(again.value("visitor-1", now: 100) != nil)
        #expect(again.statistics(now: 100).provenItemCount == 301)
    }

    @Test func aLongTimeSinceAnItemWasStoredIsKeptAsFarAsAStampTells() throws {
        let memory = OutlivingMemory(configuration(.lru))
        let map = try memory.makeMap()
        let month: UInt32 = 30 * 86_400
        #expect(map.set("old", [1], now: 10) == .stored)
        var report = RecoveryReport()
        let next = try SessionMap(
            configuration(.standard), recovering: memory.bytes,
            header: ArenaHeader.read(memory.page).get(), now: 10 + month, report: &report)
        let all = next.statistics(now: 10 + month)
        #expect(all.oldestAge > 11 * 86_400)
        #expect(next.value("old", now: 10 + month) != nil)
        #expect(next.statistics(now: 10 + month).provenItemCount == 1)
    }

    @Test func aMemoryThatDoesNotSayItsPolicyEndsInThePresentOne() throws {
        let memory = try makeMemory(.standard)
        memory.region()[.shardStampRule] = 0
        let (map, evicted) = try takeOver(memory, .lru)
        #expect(map.statistics(now: 100).provenItemCount == 0)
        flood(map, evicted, evictedCount: 700)
        #expect(evicted.keys[..<600].count { $0.hasPrefix("user") } == 300)
        // And the next one reads it as what it has become.
        let again = try makeMemory(.standard)
        let (same, _) = try takeOver(again, .standard)
        #expect(same.statistics(now: 100).provenItemCount == 300)
    }
}
