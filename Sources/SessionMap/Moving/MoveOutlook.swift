/// What a look at all that is left in an old arena finds: how much falls to each region of the new one, and
/// what a move goes on from.
package struct MoveOutlook: Sendable {
    private(set) var sums: [MoveTargets.Sum]
    /// Above every CAS unique that any shard has given out.
    private(set) var casBase: UInt64 = 0
    private(set) var flushDeadline = Deadline.never
    /// In regions that died while an item was being replaced, that item, if its successor is there.
    private(set) var superseded: [(region: Int, item: Item)] = []

    private struct Look: Sendable {
        var sums: [MoveTargets.Sum]
        var superseded = Item.null
        var casCounter: UInt64 = 0
    }

    /// - Parameter places: from where on which regions are looked at.
    init(
        _ old: OldArena, places: [MoveJournal.Place], header: ArenaHeader, now: UInt32,
        _ each: EachNumber
    ) throws(DamagedRegion) {
        sums = Array(repeating: MoveTargets.Sum(), count: header.regionCount)
        let none = sums
        let looks = results(places.count, each) { number -> Result<Look, DamagedRegion> in
            do throws(DamagedRegion) {
                return .success(try Self.look(at: places[number], of: old, none, header, now))
            } catch {
                return .failure(error)
            }
        }
        let regionCount = UInt64(old.header.regionCount)
        for (place, look) in zip(places, looks) {
            let look = try look.get()
            for number in sums.indices { sums[number].add(look.sums[number]) }
            let region = old.region(place.region)
            if !Journal(region: region.region).superseded.isNull {
                superseded.append((place.region, look.superseded))
            }
            // The last unique of a shard is so.
            let (high, overflow) = look.casCounter.multipliedReportingOverflow(by: regionCount)
            if !overflow { casBase = max(casBase, high &+ UInt64(place.region)) }
            let deadline = region.flushDeadline
            if region.hasIntactFlushes, deadline != .never,
                flushDeadline == .never || deadline.seconds < flushDeadline.seconds
            {
                flushDeadline = deadline
            }
        }
    }

    private static func look(
        at place: MoveJournal.Place, of old: OldArena, _ none: [MoveTargets.Sum],
        _ header: ArenaHeader, _ now: UInt32
    ) throws(DamagedRegion) -> Look {
        var look = Look(sums: none)
        var report = RecoveryReport()
        let region = old.region(place.region)
        let survey = try old.survey(place.region, from: place.unit, now: now, &report) {
            item, hash, _ in
            look.sums[MoveTargets.shard(hash, header)].add(
                MoveTargets.unitCount(region.header(item), header.features))
        }
        look.superseded = survey?.superseded ?? .null
        look.casCounter = region.casCounter ?? survey?.casCounter ?? 0
        return look
    }
}
