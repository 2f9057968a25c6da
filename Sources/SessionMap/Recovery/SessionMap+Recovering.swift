/// Making all shards of what another process has left.
extension SessionMap {
    static func recover(
        _ arena: borrowing Arena, header: ArenaHeader, configuration: MapConfiguration,
        hash: KeyHash, now: UInt32, report: inout RecoveryReport,
        eachShard: EachNumber
    ) throws(MapError) -> UnsafeMutablePointer<Shard> {
        let count = header.regionCount
        // Each call has a place of its own in both.
        let regions = (0..<count).map { arena.region($0) }
        let shards = UnsafeMutablePointer<Shard>.allocate(capacity: count)
        let outcomes = results(count, eachShard) {
            number -> Result<RecoveryReport, DamagedRegion> in
            var report = RecoveryReport()
            do throws(DamagedRegion) {
                let shard = try Shard(
                    recovering: regions[number], byteCount: header.regionByteCount,
                    limitByteCount: header.limitByteCount, isSettled: header.isSettled,
                    number: number,
                    configuration: configuration, hash: hash, now: now,
                    report: &report)
                (shards + number).initialize(to: shard)
                return .success(report)
            } catch  where header.features.contains(.checksums) {
                // Nothing of it can be believed; the others are none the worse for it.
                let counter = regions[number].shardCASCounter
                var shard = Shard(
                    region: regions[number], byteCount: header.regionByteCount,
                    number: number, configuration: configuration, hash: hash, now: now,
                    casCounter: counter ?? 0)
                shard.setLimit(
                    byteCount: header.limitByteCount, isSettled: header.isSettled)
                (shards + number).initialize(to: shard)
                var report = RecoveryReport()
                report.noteEmptied(error)
                return .success(report)
            } catch {
                return .failure(error)
            }
        }
        var damage: DamagedRegion?
        for outcome in outcomes {
            switch outcome {
            case .success(let found): report.add(found)
            case .failure(let error): damage = damage ?? error
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
