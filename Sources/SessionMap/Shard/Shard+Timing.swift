/// The rules on how long items live, where there are any.
extension Shard {
    /// The deadline that an item is stored with, in the place of another, if its client wishes for this one.
    @inline(__always)
    mutating func deadline(_ wish: Deadline, replacing old: Item, now: UInt32) -> Deadline {
        isTimed ? ruled(wish, replacing: old, now: now) : wish
    }

    @inline(never)
    private mutating func ruled(_ wish: Deadline, replacing old: Item, now: UInt32) -> Deadline {
        let ruling = lifetimes.rule(
            on: wish, birth: birth(replacing: old, now: now), now: now)
        count(ruling)
        return ruling.deadline
    }

    /// The birth of what is stored in the place of another; 0 where none is kept.
    func birth(replacing old: Item, now: UInt32) -> UInt32 {
        guard region.features.contains(.births) else { return 0 }
        return births.birth(replacing: old, in: region) {
            old.isNull ? lifetimes.birthOfNew(at: now) : lifetimes.birthOfUnknown(at: now)
        }
    }

    /// The same head, of an item that was accessed now.
    @inline(__always)
    mutating func renew(_ head: inout ItemHead, of item: Item, now: UInt32) {
        if isTimed, let deadline = renewedDeadline(of: item, now: now) { head.deadline = deadline }
    }

    /// What becomes of an item that was accessed, or whose client wishes for another deadline.
    @inline(never)
    mutating func applyTimed(_ use: HitUse, to item: Item, isAccess: Bool, isNew: Bool, now: UInt32)
    {
        var use = use
        if let wish = use.deadline {
            let ruling = lifetimes.rule(on: wish, birth: birthIfKept(item), now: now)
            // The wish for one that was made for this was counted.
            if !isNew { count(ruling) }
            use.deadline = ruling.deadline == region.deadline(item) ? nil : ruling.deadline
        } else if isAccess {
            use.deadline = renewedDeadline(of: item, now: now)
        }
        items.apply(use, to: item)
    }

    /// Whatever of an item was accessed within one second needs one store.
    private mutating func renewedDeadline(of item: Item, now: UInt32) -> Deadline? {
        guard
            let ruling = lifetimes.renewed(
                region.deadline(item), birth: birthIfKept(item), now: now)
        else { return nil }
        items.sums.countRenewal()
        count(ruling)
        return ruling.deadline
    }

    /// The deadline of an item that a process has left that may have had other rules.
    func adoptedDeadline(of item: Item, now: UInt32) -> Deadline {
        lifetimes.adopted(region.deadline(item), birth: birthIfKept(item), now: now)
    }

    func birthIfKept(_ item: Item) -> UInt32 {
        region.features.contains(.births) ? region.birth(item) : 0
    }

    private mutating func count(_ ruling: Lifetimes.Ruling) { items.sums.count(ruling) }
}
