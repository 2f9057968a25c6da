/// Items by deadline: a hierarchical timing wheel with links through the items.
///
/// Goals: constant time to schedule and unschedule; the cost of expiry is proportional to what
/// expires; no moment at which many items must be moved at once. Not a goal: telling whether an item
/// has expired, which its deadline field does; an item may be touched to a later deadline without
/// being moved, and comes up early once.
///
/// Source of the idea: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987). Each level
/// has slots for two windows instead of one:
///
///     level 0: 512 slots of 1 s       level 1: 512 slots of 256 s       ... 4 levels
///              window w | window w+1           window v | window v+1
///
/// While time passes through one window of a level, the coarser slot that covers the next window is
/// emptied into it a little at a time. With one window per level it would have to happen in the very
/// second of the change (23 ms for 1,000,000 items).
///
/// Invariants: an item's slot comes up no later than its deadline; a slot that is being emptied into
/// the level below receives no new item.
struct TimingWheel: ~Copyable {
    private static let levelCount = 4
    private static let windowBits: UInt32 = 8
    private static let slotCount = 512
    private static let headMark: UInt32 = 1 << 31
    /// In an item that hangs in no slot.
    static let unscheduled: UInt32 = 0

    let region: Region
    /// The last second whose slot has been emptied.
    private(set) var time: UInt32
    private(set) var count = 0
    private let heads: UnsafeMutablePointer<Item>
    /// A bit for each slot of level 0 that holds an item: windows without any are passed at once.
    private let occupied: UnsafeMutablePointer<UInt64>

    init(region: Region, time: UInt32) {
        self.region = region
        self.time = time
        let headCount = Self.levelCount * Self.slotCount
        heads = .allocate(capacity: headCount)
        heads.initialize(repeating: .null, count: headCount)
        occupied = .allocate(capacity: Self.slotCount / 64)
        occupied.initialize(repeating: 0, count: Self.slotCount / 64)
    }

    deinit {
        heads.deallocate()
        occupied.deallocate()
    }

    /// Whether the item hangs in a slot. A new item's `wheelPrevious` must be `unscheduled`.
    @inline(__always)
    func isScheduled(_ item: Item) -> Bool {
        region[item, .wheelPrevious] != Self.unscheduled
    }

    /// Hangs an item into the slot of its deadline, which is not "never".
    mutating func schedule(_ item: Item, deadline: UInt32) {
        // After the last second there is none.
        let moment = max(deadline, min(time, .max - 1) + 1)
        let slot = slot(for: moment)
        let next = heads[slot]
        region[item, .wheelNext] = next.unit
        region[item, .wheelPrevious] = Self.headMark | UInt32(slot)
        if !next.isNull {
            region[next, .wheelPrevious] = item.unit
        } else if slot < Self.slotCount {
            occupied[slot / 64] |= 1 << UInt64(slot % 64)
        }
        heads[slot] = item
        count += 1
    }

    /// Gives an item another deadline, or none, which leaves it where it hangs: its slot comes up
    /// early and moves it then. Only to an earlier deadline does it move at once.
    @inline(__always)
    mutating func setDeadline(_ item: Item, _ deadline: Deadline) {
        let old = region.deadline(item).seconds
        region.setDeadline(item, deadline)
        reschedule(item, from: old, to: deadline)
    }

    /// Takes note of another deadline that an item has been given.
    @inline(__always)
    mutating func reschedule(_ item: Item, from old: UInt32, to deadline: Deadline) {
        guard deadline != .never else { return }
        if isScheduled(item) {
            guard old == 0 || deadline.seconds < old else { return }
            unschedule(item)
        }
        schedule(item, deadline: deadline.seconds)
    }

    /// Takes note that a scheduled item, its links included, has been copied to another place.
    mutating func relocate(_ item: Item, to place: Item) {
        let next = Item(region[item, .wheelNext])
        let previous = region[item, .wheelPrevious]
        if !next.isNull { region[next, .wheelPrevious] = place.unit }
        if previous & Self.headMark != 0 {
            heads[Int(previous & ~Self.headMark)] = place
        } else {
            region[Item(previous), .wheelNext] = place.unit
        }
    }

    mutating func unschedule(_ item: Item) {
        let next = Item(region[item, .wheelNext])
        let previous = region[item, .wheelPrevious]
        if !next.isNull { region[next, .wheelPrevious] = previous }
        if previous & Self.headMark != 0 {
            let slot = Int(previous & ~Self.headMark)
            heads[slot] = next
            if next.isNull, slot < Self.slotCount {
                occupied[slot / 64] &= ~(1 << UInt64(slot % 64))
            }
        } else {
            region[Item(previous), .wheelNext] = next.unit
        }
        region[item, .wheelPrevious] = Self.unscheduled
        count -= 1
    }

    private func slot(for moment: UInt32) -> Int {
        var level = 0
        var shift: UInt32 = 0
        while level < Self.levelCount - 1,
            (moment >> (shift + Self.windowBits)) - (time >> (shift + Self.windowBits)) >= 2
        {
            level += 1
            shift += Self.windowBits
        }
        return Self.slotIndex(level: level, position: moment >> shift)
    }

    @inline(__always)
    private static func slotIndex(level: Int, position: UInt32) -> Int {
        level * slotCount + Int(position & UInt32(slotCount - 1))
    }

    /// The next item that has expired by `now`, taken out of the wheel; nothing when time has reached
    /// `now`, or when `budget` is used up.
    mutating func nextExpired(now: UInt32, budget: inout WorkBudget) -> Item? {
        while let item = nextDue(now: now, budget: &budget) {
            let deadline = region.deadline(item).seconds
            // A touch took it away.
            if deadline == 0 { continue }
            if deadline <= now { return item }
            // It was touched since, or a clock that was moved back stands before its slot.
            schedule(item, deadline: deadline)
        }
        return nil
    }

    /// The next item whose slot has come up by `now`, taken out of the wheel; nothing when time has
    /// reached `now`, or when `budget` is used up. An item costs 1, a run of empty seconds a little.
    private mutating func nextDue(now: UInt32, budget: inout WorkBudget) -> Item? {
        while time < now {
            guard !budget.isSpent else { return nil }
            let moment = time + 1
            guard prepareWindows(of: moment, budget: &budget) else { return nil }
            let item = heads[Self.slotIndex(level: 0, position: moment)]
            if !item.isNull {
                budget.spendItem()
                unschedule(item)
                return item
            }
            time = min(now, lastEmptySecond(from: moment))
            budget.spendStep()
        }
        return nil
    }

    /// The second before the next one of the window that has an item, or the window's last second.
    private func lastEmptySecond(from moment: UInt32) -> UInt32 {
        let end = moment | ((1 << Self.windowBits) - 1)
        var second = moment
        while true {
            let slot = Self.slotIndex(level: 0, position: second)
            let bits = occupied[slot / 64] >> UInt64(slot % 64)
            if bits != 0 { return second + UInt32(bits.trailingZeroBitCount) - 1 }
            second |= 63
            guard second < end else { return end }
            second += 1
        }
    }

    /// Before time may enter `moment`'s windows, the coarser slots that cover them must be empty.
    private mutating func prepareWindows(of moment: UInt32, budget: inout WorkBudget) -> Bool {
        var level = Self.levelCount - 1
        while level > 0 {
            let shift = UInt32(level) * Self.windowBits
            if moment >> shift != time >> shift {
                guard drain(level: level, position: moment >> shift, budget: &budget) else {
                    return false
                }
            }
            level -= 1
        }
        return true
    }

    /// Moves items of the coarser slots that come up next down a level, as far as `budget` goes.
    /// Returns whether all of them are empty.
    mutating func prepareAhead(budget: inout WorkBudget) -> Bool {
        for level in 1..<Self.levelCount {
            let shift = UInt32(level) * Self.windowBits
            guard drain(level: level, position: (time >> shift) + 1, budget: &budget) else {
                return false
            }
        }
        return true
    }

    private mutating func drain(level: Int, position: UInt32, budget: inout WorkBudget) -> Bool {
        let slot = Self.slotIndex(level: level, position: position)
        while true {
            let item = heads[slot]
            if item.isNull { return true }
            guard !budget.isSpent else { return false }
            budget.spendItem()
            unschedule(item)
            let deadline = region.deadline(item).seconds
            // A touch may have taken the deadline away; the item then leaves the wheel here.
            if deadline != 0 { schedule(item, deadline: deadline) }
        }
    }

    /// Calls `body` with every scheduled item and the first and last second that its slot stands for.
    func forEachScheduled(_ body: (Item, _ latest: UInt32) -> Void) {
        for level in 0..<Self.levelCount {
            let shift = UInt32(level) * Self.windowBits
            for index in 0..<Self.slotCount {
                var item = heads[level * Self.slotCount + index]
                guard !item.isNull else { continue }
                let current = time >> shift
                var position = current & ~UInt32(Self.slotCount - 1) | UInt32(index)
                if position < current { position += UInt32(Self.slotCount) }
                while !item.isNull {
                    body(item, position << shift)
                    item = Item(region[item, .wheelNext])
                }
            }
        }
    }
}

/// How much work one turn of maintenance may do before others get the shard.
struct WorkBudget {
    private var left: Int
    private static let itemCost = 16

    init(items: Int) { left = items * Self.itemCost }

    var isSpent: Bool { left <= 0 }
    mutating func spendItem() { left -= Self.itemCost }
    mutating func spendStep() { left -= 1 }
}
