import Testing

@testable import SessionMap

@Suite(.timeLimit(.minutes(10))) struct MapConfigurationTests {
    private static func shardCount(_ byteCount: Int, _ itemByteCountMax: Int = 1 << 20) -> Int {
        MapConfiguration(byteCount: byteCount, itemByteCountMax: itemByteCountMax).shardCount
    }

    @Test func aShardHasAtLeast64MiB() {
        #expect(Self.shardCount(1 << 20) == 1)
        #expect(Self.shardCount(64 << 20) == 1)
        #expect(Self.shardCount((128 << 20) - 1) == 1)
        #expect(Self.shardCount(128 << 20) == 2)
        #expect(Self.shardCount((256 << 20) - 1) == 2)
        #expect(Self.shardCount(256 << 20) == 4)
        #expect(Self.shardCount((4 << 30) - 1) == 32)
        #expect(Self.shardCount(4 << 30) == 64)
    }

    @Test func aShardHoldsEightOfTheLargestItems() {
        #expect(Self.shardCount(1 << 30, 8 << 20) == 16)
        #expect(Self.shardCount((256 << 20) - 1, 16 << 20) == 1)
        #expect(Self.shardCount(256 << 20, 16 << 20) == 2)
        // A region cannot be larger than 1 GiB, which then counts for more.
        #expect(Self.shardCount(16 << 30, 1 << 30) == 32)
    }

    @Test func thereAre64ShardsUnlessARegionWouldBeTooLarge() {
        #expect(Self.shardCount(8 << 30) == 64)
        // 1 GiB less one unit is the largest region.
        let most = 64 * Int(Region.unitCountMax) * Region.unitByteCount
        #expect(Self.shardCount(most) == 64)
        #expect(Self.shardCount(most + 64) == 128)
        #expect(Self.shardCount(64 << 30) == 128)
        #expect(Self.shardCount(1 << 40) == 2048)
    }

    @Test func aCountOfShardsThatIsGivenIsTaken() {
        #expect(MapConfiguration(byteCount: 1 << 20, shardCount: 4).shardCount == 4)
    }

    @Test func theLargestValueIsWhatMemcachedLeavesForIt() {
        let configuration = MapConfiguration(byteCount: 64 << 20)
        #expect(configuration.valueByteCountMax(keyByteCount: 1) == 1_048_516)
        #expect(configuration.valueByteCountMax(keyByteCount: 250) == 1_048_267)
        let small = MapConfiguration(byteCount: 64 << 20, itemByteCountMax: 1024)
        #expect(small.valueByteCountMax(keyByteCount: 1) == 964)
    }

    /// 128 MiB, which is more than `-I 128m` leaves.
    @Test func theLargestSessionAnyoneSpeaksOfHasRoom() throws {
        let byteCount = 134_217_728
        let map = try SessionMap(
            MapConfiguration(byteCount: 300 << 20, itemByteCountMax: 129 << 20, shardCount: 1),
            now: 10)
        let limit = map.configuration.valueByteCountMax(keyByteCount: 250)
        #expect(limit > byteCount && limit < Region.valueByteCountMax)
        let key = Array("cart".utf8)
        var value = [UInt8](repeating: 7, count: byteCount)
        value[byteCount - 1] = 8
        #expect(map.set(key, value) == .stored)
        #expect(map.set("neighbour", [1]) == .stored)
        let pinned = try #require(map.pin(key))
        #expect(pinned.byteCount == byteCount)
        #expect(pinned.pieces.last?.last == 8 && pinned.pieces.first?.first == 7)
        map.unpin(pinned)
        map.checkInvariants(now: 10)
    }

    @Test(arguments: [1, 2, 40, 250])
    func theValueLimitHoldsExactly(keyByteCount: Int) throws {
        let map = try SessionMap(MapConfiguration(byteCount: 8 << 20), now: 10)
        let key = [UInt8](repeating: 0x6B, count: keyByteCount)
        let limit = map.configuration.valueByteCountMax(keyByteCount: keyByteCount)
        for byteCount in [limit - 1, limit] {
            let value = [UInt8](repeating: 7, count: byteCount)
            #expect(map.set(key, value) == .stored)
            #expect(map.get(key).hit?.value == value)
        }
        let tooLarge = [UInt8](repeating: 7, count: limit + 1)
        #expect(map.set(key, tooLarge, mode: .replace) == .tooLarge)
        #expect(map.get(key).outcome == .hit)
        // What `set` could not replace is out of date.
        #expect(map.set(key, tooLarge) == .tooLarge)
        #expect(map.get(key).outcome == .miss)
        #expect(map.set(key, [1]) == .stored)
        #expect(map.get(key).outcome == .hit)
        let request = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)
        switch map.begin(key.span, request, valueByteCount: limit + 1, now: 10) {
        case .pending(let store):
            map.abandon(store)
            Issue.record("a value beyond the limit was begun")
        case .refused(let outcome): #expect(outcome == .tooLarge)
        }
        #expect(map.get(key).outcome == .miss)
        map.checkInvariants(now: 10)
    }
}
