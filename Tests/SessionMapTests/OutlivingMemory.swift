import Dispatch

@testable import SessionMap

/// Memory as a file gives it to a map: it is there before the map and after it.
final class OutlivingMemory {
    let bytes: UnsafeMutableRawBufferPointer
    private let configuration: MapConfiguration

    init(_ configuration: MapConfiguration) {
        self.configuration = configuration
        bytes = .allocate(
            byteCount: ArenaHeader.planned(for: configuration).arenaByteCount,
            alignment: ArenaHeader.byteCount)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// A copy, as if the machine had kept the memory of a process that died just now.
    init(copying other: OutlivingMemory) {
        configuration = other.configuration
        bytes = .allocate(byteCount: other.bytes.count, alignment: ArenaHeader.byteCount)
        bytes.copyMemory(from: UnsafeRawBufferPointer(other.bytes))
    }

    deinit { bytes.deallocate() }

    var page: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[..<ArenaHeader.byteCount])
    }

    func makeMap(now: UInt32 = 10) throws -> SessionMap {
        try SessionMap(configuration, in: bytes, now: now)
    }

    /// What the next process makes of the memory; its own seed and shards must not matter.
    func recover(now: UInt32 = 10) throws -> (map: SessionMap, report: RecoveryReport) {
        let header = try ArenaHeader.read(page).get()
        var report = RecoveryReport()
        let map = try SessionMap(
            configuration.with(
                shardCount: 1, hashSeed: ~configuration.hashSeed,
                features: configuration.features.symmetricDifference(.known)),
            recovering: bytes, header: header, now: now, report: &report
        ) { count, body in
            DispatchQueue.concurrentPerform(iterations: count, execute: body)
        }
        return (map, report)
    }

    /// The units of a region, whose first is the border's.
    func region(_ number: Int = 0) -> Region {
        let byteCount = ArenaHeader.planned(for: configuration).regionByteCount
        return Region(
            base: bytes.baseAddress! + ArenaHeader.byteCount + number * byteCount,
            unitCount: UInt32(byteCount / Region.unitByteCount), features: configuration.features)
    }
}
