import Dispatch
import Synchronization
import Testing

@testable import SessionMap

/// Two arenas, and whoever owns their memory: what is given back is gone.
final class Movers {
    let old: UnsafeMutableRawBufferPointer
    let new: UnsafeMutableRawBufferPointer
    let found: FoundArena
    let header: ArenaHeader
    /// Pages of both that are there, and the most there ever were.
    private var pages: Set<Int> = []
    private(set) var pageCountMax = 0
    /// Held by whoever changes what all lanes change.
    private let lock = Mutex(())
    var willStore: (() -> Void)?
    var stepsLeft = Int.max
    /// Whether lanes move at the same time.
    var isParallel = false
    /// Whether the last lane is over before the first begins.
    var isBackwards = false

    init(_ memory: OutlivingMemory, to configuration: MapConfiguration) throws {
        let found = try FoundArena.read(memory.page).get()
        let header = ArenaMove.header(for: configuration, after: found)
        self.found = found
        self.header = header
        old = memory.bytes
        new = .allocate(byteCount: header.arenaByteCount, alignment: 4_096)
        new.initializeMemory(as: UInt8.self, repeating: 0)
        pages = Set((0..<old.count / 4_096).map { -1 - $0 })
    }

    /// Both as they are now.
    init(copying other: Movers) {
        (found, header, pages) = (other.found, other.header, other.pages)
        old = .allocate(byteCount: other.old.count, alignment: 4_096)
        old.copyMemory(from: UnsafeRawBufferPointer(other.old))
        new = .allocate(byteCount: other.new.count, alignment: 4_096)
        new.copyMemory(from: UnsafeRawBufferPointer(other.new))
        ownsOld = true
    }

    private var ownsOld = false

    deinit {
        new.deallocate()
        if ownsOld { old.deallocate() }
    }

    var newPage: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: new[..<ArenaHeader.byteCount])
    }
    var oldPage: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: old[..<ArenaHeader.byteCount])
    }

    func begin(now: UInt32) throws {
        _ = try ArenaMove.begin(
            old, found, to: newPage, header: header, number: 77, now: now,
            each: { count, body in for number in 0..<count { body(number) } },
            willStore: willStore)
    }

    private func host() -> ArenaMove.Host {
        var host = ArenaMove.Host(
            take: { [unowned self] bytes in
                lock.withLock { _ in
                    pages.formUnion(bytes.lowerBound / 4_096...(bytes.upperBound - 1) / 4_096)
                    pageCountMax = max(pageCountMax, pages.count)
                    return true
                }
            },
            release: { [unowned self] bytes in
                guard bytes.lowerBound % 4_096 == 0, bytes.upperBound % 4_096 == 0,
                    bytes.lowerBound >= 4_096, bytes.upperBound <= old.count
                else {
                    Issue.record("bytes \(bytes) are no pages, or the old header is among them")
                    return
                }
                UnsafeMutableRawBufferPointer(rebasing: old[bytes]).initializeMemory(
                    as: UInt8.self, repeating: 0)
                lock.withLock { _ in
                    pages.subtract(
                        (bytes.lowerBound / 4_096..<bytes.upperBound / 4_096).map { -1 - $0 })
                }
            },
            goesOn: { [unowned self] _ in
                lock.withLock { _ in
                    stepsLeft -= 1
                    return stepsLeft > 0
                }
            })
        host.willStore = willStore
        host.stepsPerTurn = 1
        if isParallel {
            host.each = { DispatchQueue.concurrentPerform(iterations: $0, execute: $1) }
        }
        if isBackwards {
            host.each = { count, body in for number in (0..<count).reversed() { body(number) } }
        }
        return host
    }

    /// Goes on as the next process would, whatever was done; nothing when it was interrupted.
    func goOn(eviction: EvictionPolicy = .standard, now: UInt32) throws -> MoveReport? {
        if ArenaMove.number(ofOld: oldPage) == nil {
            new.initializeMemory(as: UInt8.self, repeating: 0)
            try begin(now: now)
        }
        try #require(ArenaMove.unfinished(newPage)?.number == ArenaMove.number(ofOld: oldPage))
        var move = try ArenaMove(
            old, found, to: new, eviction: eviction, now: now, host: host())
        guard try move.run() == .moved else { return nil }
        move.finish(
            SavedClock(
                nodeSeconds: now, bootSeconds: 1, wallSeconds: 2,
                bootID: [UInt8](repeating: 3, count: 16)))
        return move.report
    }

    func recover(
        _ configuration: MapConfiguration, now: UInt32
    ) throws -> (map: SessionMap, report: RecoveryReport) {
        let header = try ArenaHeader.read(UnsafeRawBufferPointer(newPage)).get()
        var expected = self.header
        // Made when the arena is finished.
        expected.arenaID = header.arenaID
        #expect(header == expected)
        var report = RecoveryReport()
        let map = try SessionMap(
            configuration, recovering: new, header: header, now: now, report: &report)
        return (map, report)
    }
}
