/// Making all shards of what another process has left.
extension SessionMap {
    static func recover(
        _ arena: borrowing Arena, header: ArenaHeader, configuration: MapConfiguration,
        hash: KeyHash, now: UInt32, report: inout RecoveryReport,
        eachShard: (_ count: Int, _ body: @escaping @Sendable (Int) -> Void) -> Void
    ) throws(MapError) -> UnsafeMutablePointer<Shard> {
        let count = header.regionCount
        // Each call has a place of its own in all of them.
        nonisolated(unsafe) let regions = (0..<count).map { arena.region($0) }
        nonisolated(unsafe) let shards = UnsafeMutablePointer<Shard>.allocate(capacity: count)
        nonisolated(unsafe) let outcomes =
            UnsafeMutablePointer<Result<RecoveryReport, DamagedRegion>?>.allocate(capacity: count)
        outcomes.initialize(repeating: nil, count: count)
        defer {
            outcomes.deinitialize(count: count)
            outcomes.deallocate()
        }
        eachShard(count) { number in
            var report = RecoveryReport()
            do throws(DamagedRegion) {
                let shard = try Shard(
                    recovering: regions[number], byteCount: header.regionByteCount,
                    number: number, configuration: configuration, hash: hash, now: now,
                    report: &report)
                (shards + number).initialize(to: shard)
                outcomes[number] = .success(report)
            } catch  where header.features.contains(.checksums) {
                // Nothing of it can be believed; the others are none the worse for it.
                let counter = regions[number].shardCASCounter
                let shard = Shard(
                    region: regions[number], byteCount: header.regionByteCount,
                    number: number, configuration: configuration, hash: hash, now: now,
                    casCounter: counter ?? 0)
                (shards + number).initialize(to: shard)
                var report = RecoveryReport()
                report.note(error)
                report.counts[.emptiedShards] = 1
                outcomes[number] = .success(report)
            } catch {
                outcomes[number] = .failure(error)
            }
        }
        var damage: DamagedRegion?
        for number in 0..<count {
            switch outcomes[number] {
            case .success(let found): report.add(found)
            case .failure(let error): damage = damage ?? error
            case nil: preconditionFailure("a shard that was left out")
            }
        }
        if let damage {
            for number in 0..<count {
                if case .success = outcomes[number] { (shards + number).deinitialize(count: 1) }
            }
            shards.deallocate()
            throw .damaged(damage)
        }
        return shards
    }
}
