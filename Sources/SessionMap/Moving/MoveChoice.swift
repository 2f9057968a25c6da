/// Which items a smaller arena has no room for: what the eviction policy says goes first.
struct MoveChoice {
    /// Places of the items that stay behind, in order.
    private var places: [UInt64] = []

    private(set) var counts = Counts<MapCounter>()

    var count: Int { places.count }

    func leavesOut(_ place: MoveJournal.Place) -> Bool {
        guard !places.isEmpty else { return false }
        let bits = place.bits
        var low = 0
        var high = places.count
        while low < high {
            let middle = (low + high) / 2
            if places[middle] < bits { low = middle + 1 } else { high = middle }
        }
        return low < places.count && places[low] == bits
    }

    /// The items of the regions that cannot hold all, one after the other.
    struct Choosing {
        private struct Candidate {
            let place: UInt64
            let age: UInt32
            let unitCount: UInt32
            let shard: UInt32
            let isProven: Bool
            let wasProven: Bool
            let wasFetched: Bool
            let hasDeadline: Bool
        }

        private let eviction: EvictionPolicy
        private let stampRule: StampRule
        private let time: MapTime
        private var candidates: [Candidate] = []

        init(eviction: EvictionPolicy, stampRule: StampRule, now: UInt32) {
            self.eviction = eviction
            self.stampRule = stampRule
            time = MapTime(seconds: now, fraction: 15)
        }

        mutating func add(
            _ place: MoveJournal.Place, _ item: OldRegion.StoredItem, unitCount: UInt32, shard: Int
        ) {
            // As `EvictionQueues.adopt` has it: to one queue all are alike, from one those are proven that
            // were read.
            let wasProven = item.marks & ItemMark.proven != 0
            let wasFetched = item.marks & ItemMark.fetched != 0
            let own: StampRule = eviction == .lru ? .lru : .probation
            let rule = stampRule == .unknown ? (wasProven ? .probation : own) : stampRule
            let isProven =
                eviction == .lru || (rule == .probation ? wasProven : wasFetched)
            candidates.append(
                Candidate(
                    place: place.bits,
                    age: time.secondsSince(
                        stamp: item.accessed, isCreation: rule == .probation && !wasProven),
                    unitCount: unitCount, shard: UInt32(shard),
                    isProven: isProven, wasProven: wasProven, wasFetched: wasFetched,
                    hasDeadline: item.deadline != .never))
        }

        /// Lets items go, shard by shard, until the rest finds room.
        consuming func choice(_ sums: [MoveTargets.Sum], _ targets: MoveTargets) -> MoveChoice {
            // Each queue's oldest at its end.
            candidates.sort { ($0.shard, $0.age) < ($1.shard, $1.age) }
            var choice = MoveChoice()
            var start = 0
            while start < candidates.count {
                let shard = candidates[start].shard
                let end = candidates[start...].firstIndex { $0.shard != shard } ?? candidates.count
                letGo(candidates[start..<end], sums[Int(shard)], targets, &choice)
                start = end
            }
            choice.places.sort()
            return choice
        }

        private func letGo(
            _ candidates: ArraySlice<Candidate>, _ sum: MoveTargets.Sum, _ targets: MoveTargets,
            _ choice: inout MoveChoice
        ) {
            guard let shard = candidates.first.map({ Int($0.shard) }) else { return }
            var sum = sum
            var proven = candidates.filter(\.isProven)
            var probationary = candidates.filter { !$0.isProven }
            var probationaryUnitCount = probationary.reduce(0) { $0 + Int($1.unitCount) }
            var share = 0
            if case .probation(let percent, _) = eviction {
                share = targets.capacity * percent / 100
            }
            while !targets.hold(sum, in: shard) {
                let next =
                    probationaryUnitCount > share || proven.isEmpty
                    ? probationary.popLast() : proven.popLast()
                guard let next else { return }
                if !next.isProven { probationaryUnitCount -= Int(next.unitCount) }
                sum.remove(Int(next.unitCount))
                choice.places.append(next.place)
                choice.counts.countEviction(
                    isProven: next.wasProven, wasFetched: next.wasFetched,
                    hasDeadline: next.hasDeadline)
            }
        }
    }
}
