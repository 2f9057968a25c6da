import MemcacheProtocol
import SessionMap

/// What meta commands ask of the map, and what of an item they are answered. They are other words for
/// what the classic commands do, and go the same way.

/// The deadlines that a meta command's exptimes stand for; never, where there is none.
struct MetaTimes {
    let now: UInt32
    /// `T`
    private(set) var touch = Deadline.never
    /// `N`
    private(set) var vivify = Deadline.never
    /// `R`: an item that expires before this is to be made anew.
    private(set) var recache = Deadline.never

    @inline(__always)
    init(_ request: MetaRequest, rule: ExptimeRule, now: Moment) {
        self.now = now.seconds
        let flags = request.flags
        if flags.has(.exptime) { touch = rule.deadline(request.exptime, now: now) }
        if flags.has(.vivify) { vivify = rule.deadline(request.vivifyExptime, now: now) }
        if flags.has(.recache) { recache = rule.deadline(request.recacheExptime, now: now) }
    }
}

extension MetaRequest {
    // MARK: Requests to the map

    /// `ms`; nothing for a mode that is none.
    @inline(__always)
    func storeRequest(rule: ExptimeRule, now: Moment) -> StoreRequest? {
        guard let mode = storeMode else { return nil }
        let times = MetaTimes(self, rule: rule, now: now)
        var request = StoreRequest(
            mode: mode, clientFlags: clientFlags, deadline: times.touch,
            comparison: flags.has(.compare) ? comparison : nil)
        switch mode {
        case .append, .prepend:
            guard flags.has(.vivify) else { break }
            request.createsMissing = true
            request.deadline = times.vivify
        case .set, .add, .replace: break
        }
        request.storesStale = flags.has(.invalidate)
        // As memcached has it, `E0` of `ms` is no wish; the other commands set it.
        if flags.has(.newUnique), casUnique != 0 { request.casUnique = casUnique }
        request.hasEncodedKey = flags.has(.encodedKey)
        // The old value of a compare-and-set is not outdated by a new one that was never stored: who
        // sent it is told, and still has what was there.
        request.dropsOldWhenRefused = !flags.has(.compare)
        return request
    }

    /// `mg` with `N`
    @inline(__always)
    func vivification(_ times: MetaTimes) -> Vivification? {
        guard flags.has(.vivify) else { return nil }
        var new = Vivification(deadline: times.vivify)
        if flags.has(.newUnique) { new.casUnique = casUnique }
        new.hasEncodedKey = flags.has(.encodedKey)
        return new
    }

    /// `md` with `I` or `x`
    func invalidation(_ times: MetaTimes) -> Invalidation? {
        guard flags.has(.invalidate) || flags.has(.empty) else { return nil }
        var invalidation = Invalidation(
            emptyClientFlags: flags.has(.empty) ? clientFlags : nil,
            marksStale: flags.has(.invalidate),
            deadline: flags.has(.exptime) ? times.touch : nil)
        if flags.has(.newUnique) { invalidation.casUnique = casUnique }
        invalidation.hasEncodedKey = flags.has(.encodedKey)
        return invalidation
    }

    /// `ma`; nothing for a mode that is none.
    func arithmeticRequest(_ times: MetaTimes) -> ArithmeticRequest? {
        guard let increments else { return nil }
        var change = ArithmeticRequest(delta: delta, increments: increments)
        if flags.has(.compare) { change.comparison = comparison }
        if flags.has(.newUnique) { change.casUnique = casUnique }
        if flags.has(.vivify) {
            change.initial = ArithmeticRequest.Initial(number: initial, deadline: times.vivify)
        }
        change.hasEncodedKey = flags.has(.encodedKey)
        return change
    }

    /// What the mode of `ms` says.
    private var storeMode: StoreMode? {
        guard flags.has(.mode) else { return .set }
        switch mode {
        case UInt8(ascii: "S"): return .set
        case UInt8(ascii: "E"): return .add
        case UInt8(ascii: "R"): return .replace
        case UInt8(ascii: "A"): return .append
        case UInt8(ascii: "P"): return .prepend
        default: return nil
        }
    }

    /// Up or down, as the mode of `ma` says.
    private var increments: Bool? {
        guard flags.has(.mode) else { return true }
        switch mode {
        case UInt8(ascii: "I"), UInt8(ascii: "+"): return true
        case UInt8(ascii: "D"), UInt8(ascii: "-"): return false
        default: return nil
        }
    }

    // MARK: What becomes of an item

    /// The deadline that `T` and `N` give an item; the later of the two in the line counts.
    @inline(__always)
    func newDeadline(isNew: Bool, _ times: MetaTimes) -> Deadline? {
        if isNew, flags.has(.vivify), vivifiesAfterTouch || !flags.has(.exptime) {
            return times.vivify
        }
        return flags.has(.exptime) ? times.touch : nil
    }

    /// What `mg` makes of an item that it shows.
    @inline(__always)
    func use(of hit: Hit, _ times: MetaTimes, _ lifetimes: Lifetimes) -> HitUse {
        var use = HitUse()
        use.deadline = newDeadline(isNew: hit.isNew, times)
        use.claims = hit.isNew
        if hit.isNew || hit.isClaimed { return use }
        if flags.has(.recache) {
            let deadline =
                touchesBeforeRecache ? lifetimes.deadline(times.touch, of: hit) : hit.deadline
            if deadline != .never, deadline.seconds < times.recache.seconds { use.claims = true }
        }
        if hit.isStale { use.claims = true }
        return use
    }

    // MARK: Replies

    /// What `mg` shows of an item: no more is looked up than was asked for.
    @inline(__always)
    func reply(
        showing hit: Hit, _ use: HitUse, _ times: MetaTimes, _ lifetimes: Lifetimes
    ) -> MetaReply {
        var reply = MetaReply(.done, shown: MetaReply.ofRetrieval)
        reply.valueByteCount = hit.valueByteCount
        reply.clientFlags = hit.clientFlags
        if flags.has(.showsUnique) { reply.casUnique = hit.casUnique }
        if flags.has(.showsAccess) {
            reply.secondsSinceAccess = lifetimes.secondsSinceAccess(of: hit)
        }
        if flags.has(.showsFetched) { reply.wasFetched = hit.wasFetched }
        if flags.has(.showsKey) { reply.keyForm = .asStored(isEncoded: hit.hasEncodedKey) }
        if flags.has(.showsTime) { show(deadlinesOf: hit, times, lifetimes, in: &reply) }
        reply.isClaimed = hit.isClaimed
        reply.isStale = hit.isStale
        reply.claims = use.claims
        return reply
    }

    /// What `ms` shows of the item that it has stored; nothing where it has not.
    @inline(__always)
    func reply(stored hit: Hit?, _ code: MetaReply.Code) -> MetaReply {
        var reply = MetaReply(code, shown: MetaReply.ofStorage)
        reply.valueByteCount = hit?.valueByteCount ?? valueByteCount
        if flags.has(.showsUnique), let hit { reply.casUnique = hit.casUnique }
        return reply
    }

    /// What `ma` shows of the number that it has written.
    func reply(counted hit: Hit, _ times: MetaTimes, _ lifetimes: Lifetimes) -> MetaReply {
        var reply = MetaReply(
            flags.has(.value) ? .value : .done, shown: MetaReply.ofArithmetic)
        reply.valueByteCount = hit.valueByteCount
        if flags.has(.showsUnique) { reply.casUnique = hit.casUnique }
        if flags.has(.showsTime) { show(deadlinesOf: hit, times, lifetimes, in: &reply) }
        return reply
    }

    private func show(
        deadlinesOf hit: Hit, _ times: MetaTimes, _ lifetimes: Lifetimes,
        in reply: inout MetaReply
    ) {
        func left(_ wish: Deadline) -> UInt32? {
            lifetimes.deadline(wish, of: hit).secondsLeft(at: times.now)
        }
        reply.isNew = hit.isNew
        // A client's own wish takes the place of what the access would do.
        let isAccess = !flags.has(.noAccess) && !flags.has(.exptime)
        let kept = isAccess ? lifetimes.deadline(afterAccessTo: hit) : hit.deadline
        // As memcached has it: of an item that was made just now it is as if it had no end.
        reply.secondsLeft =
            hit.isNew && !lifetimes.rules.areOn ? nil : kept.secondsLeft(at: times.now)
        reply.secondsLeftTouched = left(times.touch)
        reply.secondsLeftVivified = left(times.vivify)
    }
}
