package import Synchronization

/// What the rules of a map make of the times that clients ask for.
///
/// Births are seconds since 2025, so that several nodes mean the same by them; deadlines are seconds of the node's
/// clock. How far the one is ahead of the other is kept here.
///
/// A deadline *slides* if each access puts it off by the idle timeout. Whether it does is decided when the item is
/// stored or touched, and kept in the deadline's highest bit.
package final class Lifetimes: Sendable {
    // Of the rules, each of which may be read while another one is set: what was stored in between has one or the other.
    private let idle = Atomic<UInt32>(0)
    private let absolute = Atomic<UInt32>(0)
    private let fallback = Atomic<UInt32>(0)
    private let most = Atomic<UInt32>(0)
    private let birthClockLead = Atomic<Int64>(0)

    package init(_ rules: TimeoutRules = TimeoutRules(), birthClockLead: Int64 = 0) {
        set(rules)
        self.birthClockLead.store(birthClockLead, ordering: .relaxed)
    }

    package var rules: TimeoutRules {
        var rules = TimeoutRules()
        rules.idleSeconds = idle.load(ordering: .relaxed)
        rules.absoluteSeconds = absolute.load(ordering: .relaxed)
        rules.defaultSeconds = fallback.load(ordering: .relaxed)
        rules.maxSeconds = most.load(ordering: .relaxed)
        return rules
    }

    func set(_ rules: TimeoutRules) {
        precondition(rules.contradiction == nil, "rules that contradict each other")
        idle.store(rules.idleSeconds, ordering: .relaxed)
        absolute.store(rules.absoluteSeconds, ordering: .relaxed)
        fallback.store(rules.defaultSeconds, ordering: .relaxed)
        most.store(rules.maxSeconds, ordering: .relaxed)
    }

    @inline(__always)
    package var hasIdleTimeout: Bool { idle.load(ordering: .relaxed) != 0 }

    /// By how many seconds the clock of births is ahead of the node's.
    package var lead: Int64 { birthClockLead.load(ordering: .relaxed) }

    /// Several nodes agree on their clock as they go.
    package func setLead(_ seconds: Int64) { birthClockLead.store(seconds, ordering: .relaxed) }

    /// The birth of what begins now; never 0, which is none.
    private func birth(at now: UInt32) -> UInt32 { UInt32(clamping: max(1, Int64(now) + lead)) }

    /// The birth of what was not there; 0 where nobody has said what time it is.
    func birthOfNew(at now: UInt32) -> UInt32 {
        lead == 0 ? birthOfUnknown(at: now) : birth(at: now)
    }

    /// The birth of what is there, and does not say when it was born: now, if it matters.
    package func birthOfUnknown(at now: UInt32) -> UInt32 {
        absolute.load(ordering: .relaxed) == 0 ? 0 : birth(at: now)
    }

    /// The second at which the absolute timeout ends what was born then; nothing where there is no such timeout, or
    /// nobody knows when it was born.
    private func end(birth: UInt32) -> Int64? {
        let seconds = absolute.load(ordering: .relaxed)
        guard seconds != 0, birth != 0 else { return nil }
        return max(1, Int64(birth) + Int64(seconds) - lead)
    }

    /// What becomes of a client's wish.
    struct Ruling: Equatable {
        var deadline: Deadline
        var wasDefaulted = false
        var wasCapped = false
        var wasCutByAbsolute = false
    }

    /// The deadline of an item whose client wishes for this one. What it has made of a wish it leaves as it is.
    func rule(on wish: Deadline, birth: UInt32, now: UInt32) -> Ruling {
        let rules = rules
        var ruling = Ruling(deadline: wish)
        if wish.isPassed(at: now) { return ruling }
        if ruling.deadline == .never, rules.defaultSeconds != 0 {
            ruling.deadline = later(rules.defaultSeconds, now)
            ruling.wasDefaulted = true
        }
        if rules.maxSeconds != 0, !ruling.deadline.slides {
            let latest = later(rules.maxSeconds, now)
            if ruling.deadline == .never || ruling.deadline.seconds > latest.seconds {
                ruling.deadline = latest
                ruling.wasCapped = true
            }
        }
        if rules.idleSeconds != 0 {
            let idle = later(rules.idleSeconds, now)
            if ruling.deadline == .never || ruling.deadline.slides
                || ruling.deadline.seconds >= idle.seconds
            {
                ruling.deadline = idle.sliding
            }
        }
        cut(&ruling, birth: birth)
        return ruling
    }

    private func later(_ seconds: UInt32, _ now: UInt32) -> Deadline {
        .at(UInt64(now) + UInt64(seconds))
    }

    private func cut(_ ruling: inout Ruling, birth: UInt32) {
        guard let end = end(birth: birth),
            ruling.deadline == .never || Int64(ruling.deadline.seconds) > end
        else { return }
        let slides = ruling.deadline.slides
        ruling.deadline = .at(UInt64(end))
        if slides { ruling.deadline = ruling.deadline.sliding }
        ruling.wasCutByAbsolute = true
    }

    /// The deadline of an item that was accessed now; nothing where it stays.
    func renewed(_ old: Deadline, birth: UInt32, now: UInt32) -> Ruling? {
        let seconds = idle.load(ordering: .relaxed)
        guard old.slides, seconds != 0 else { return nil }
        var ruling = Ruling(deadline: later(seconds, now).sliding)
        cut(&ruling, birth: birth)
        return ruling.deadline == old ? nil : ruling
    }

    /// The same deadline, if it is not beyond the absolute timeout.
    func cut(_ deadline: Deadline, birth: UInt32) -> Deadline {
        var ruling = Ruling(deadline: deadline)
        cut(&ruling, birth: birth)
        return ruling.deadline
    }

    /// What becomes of the deadline of an item that was stored by a process that may have had other rules.
    func adopted(_ deadline: Deadline, birth: UInt32, now: UInt32) -> Deadline {
        guard deadline.slides, deadline.seconds != 0 else {
            return rule(on: deadline, birth: birth, now: now).deadline
        }
        // It was as long as the idle timeout of then from its last access on, which is not known.
        let seconds = idle.load(ordering: .relaxed)
        guard seconds != 0 else { return cut(deadline, birth: birth) }
        let latest = later(seconds, now).sliding
        return cut(deadline.seconds > latest.seconds ? latest : deadline, birth: birth)
    }

    /// By which timeout an item ends whose deadline this was; nothing where it was its client's time.
    enum End { case idle, absolute }

    func end(of deadline: Deadline, birth: UInt32) -> End? {
        if let end = end(birth: birth), Int64(deadline.seconds) >= end { return .absolute }
        return deadline.slides && hasIdleTimeout ? .idle : nil
    }
}

/// What a reply tells of an item, whose access or touch has not come about yet.
extension Lifetimes {
    /// The deadline that an item gets whose client wishes for this one.
    package func deadline(_ wish: Deadline, of hit: Hit) -> Deadline {
        guard rules.areOn else { return wish }
        return rule(on: wish, birth: hit.birth ?? 0, now: hit.time.seconds).deadline
    }

    /// The deadline that an access leaves.
    package func deadline(afterAccessTo hit: Hit) -> Deadline {
        let deadline = hit.deadline
        return renewed(deadline, birth: hit.birth ?? 0, now: hit.time.seconds)?.deadline ?? deadline
    }

    /// Seconds since the key was first stored; nothing where nobody knows.
    package func age(of hit: Hit) -> UInt32? {
        hit.birth.map { UInt32(clamping: Int64(hit.time.seconds) + lead - Int64($0)) }
    }

    /// Seconds since the last access before this one. An item on probation keeps its creation instead; where its deadline
    /// slides, that tells.
    package func secondsSinceAccess(of hit: Hit) -> UInt32 {
        let seconds = hit.secondsSinceAccess
        let deadline = hit.deadline
        guard hit.keepsCreation, end(of: deadline, birth: hit.birth ?? 0) == .idle else {
            return seconds
        }
        let left = deadline.seconds - min(deadline.seconds, hit.time.seconds)
        let whole = idle.load(ordering: .relaxed)
        return min(seconds, whole - min(whole, left))
    }
}
