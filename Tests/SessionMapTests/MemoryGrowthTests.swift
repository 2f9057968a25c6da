import Glibc
import Testing

@testable import SessionMap

@Suite(.timeLimit(.minutes(10)))
struct MemoryGrowthTests {
    private final class Tally {
        var count = 0
    }

    private func presentPages(of memory: UnsafeMutableRawBufferPointer) throws -> (Int, of: Int) {
        let pageByteCount = sysconf(Int32(_SC_PAGESIZE))
        var marks = [UInt8](
            repeating: 0, count: (memory.count + pageByteCount - 1) / pageByteCount)
        let result = mincore(memory.baseAddress, memory.count, &marks)
        try #require(result == 0, "mincore: \(errno)")
        return (marks.count { $0 & 1 != 0 }, marks.count)
    }

    @Test("A page is wanted before much, or anything, is stored in it, and can be made present")
    func pageAhead() throws {
        let map = try SessionMap(
            MapConfiguration(byteCount: 32 << 20, itemByteCountMax: 1 << 20, shardCount: 1),
            now: 10)
        let told = Tally()
        map.observeGrowth { _ in told.count += 1 }
        let values = (0..<480).map { [UInt8](repeating: UInt8($0 % 251), count: 64 << 10) }
        var seen = 0
        for (number, value) in values.enumerated() {
            #expect(map.set("key \(number)", value) == .stored)
            guard told.count > seen else { continue }
            #expect(told.count == seen + 1)
            seen = told.count
            let page = map.withShard(0) { $0.memory.wantedPage }
            #expect(page.count == 2 << 20)
            #expect(Int(bitPattern: page.baseAddress) % (2 << 20) == 0)
            // The first has the index and an item, the last one the region's border from the start.
            let before = try presentPages(of: page).0
            #expect(seen == 1 ? (1...40).contains(before) : before == (seen < 16 ? 0 : 1))
            map.prepareMemory(shard: 0)
            let present = try presentPages(of: page)
            #expect(present.0 == present.of)
        }
        #expect(seen == 16)
        for (number, value) in values.enumerated() { #expect(map.value("key \(number)") == value) }
        map.checkInvariants(now: 10)
    }

    @Test("An empty map has a few small pages of each region, at its ends")
    func empty() throws {
        let shardCount = 4
        let map = try SessionMap(
            MapConfiguration(
                byteCount: shardCount * (9 << 20), itemByteCountMax: 1 << 20,
                shardCount: shardCount), now: 10)
        for shard in 0..<shardCount {
            let region = map.withShard(shard) { $0.region.base }
            #expect(Int(bitPattern: region) % (2 << 20) == 0)
            let memory = UnsafeMutableRawBufferPointer(start: region, count: 9 << 20)
            let firstPages = UnsafeMutableRawBufferPointer(rebasing: memory[..<(16 << 10)])
            let present = try presentPages(of: memory)
            #expect(present.0 - (try presentPages(of: firstPages).0) == 1)
        }
        map.checkInvariants(now: 10)
    }

    @Test("A page at the region's end is made present up to there")
    func lastPage() throws {
        let map = try SessionMap(
            MapConfiguration(byteCount: 3 << 20, itemByteCountMax: 1 << 20, shardCount: 1), now: 10)
        map.observeGrowth { _ in }
        for number in 0..<200 {
            _ = map.set("key \(number)", [UInt8](repeating: 1, count: 32 << 10))
            let page = map.withShard(0) { $0.memory.wantedPage }
            let end = map.withShard(0) { $0.region.base + (3 << 20) }
            #expect(Int(bitPattern: page.baseAddress) + page.count <= Int(bitPattern: end))
            map.prepareMemory(shard: 0)
        }
    }

    @Test("Nobody is told of memory that is all there")
    func nothingToPrepare() throws {
        let memory = OutlivingMemory(
            MapConfiguration(byteCount: 8 << 20, itemByteCountMax: 1 << 20, shardCount: 1))
        let map = try memory.makeMap()
        let told = Tally()
        map.observeGrowth { _ in told.count += 1 }
        for number in 0..<200 {
            _ = map.set("key \(number)", [UInt8](repeating: 1, count: 32 << 10))
            map.prepareMemory(shard: 0)
        }
        #expect(told.count == 0)
    }
}
