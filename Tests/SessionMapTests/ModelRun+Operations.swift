@testable import SessionMap

/// Operations that are over at once, and what they must come to.
extension ModelRun {
    /// Whether memory may be short: something is held, or the limit is below the beginning's.
    var mayBeShort: Bool {
        shape.hasPressure
            && (!pins.isEmpty || !pendings.isEmpty || limit < shape.configuration.byteCount
                || !shape.configuration.evicts)
    }

    func store() throws {
        let key = someKey()
        let value = someValue()
        let request = someRequest(key)
        let expected = judgeAndNoteAccess(key, request, value)
        var shown: HitCopy?
        let outcome = map.store(key.span, request, value: value.span, now: now) {
            shown = HitCopy($0)
        }
        try settle(key, request, expected, outcome, shown)
    }

    func judgeAndNoteAccess(
        _ key: [UInt8], _ request: StoreRequest, _ value: [UInt8]
    ) -> (judgement: MapModel.Judgement, old: MapModel.Item?) {
        let old = model.items[key]
        let mode = request.mode
        let limit = map.configuration.valueByteCountMax(keyByteCount: key.count)
        let expected = model.judge(key, request, value, valueByteCountMax: limit)
        if mode == .add, expected.outcome == .notStored { model.noteAccess(key) }
        // An item that is appended to must be the last to go.
        if mode == .append || mode == .prepend, expected.outcome == .stored {
            model.noteAccess(key)
        }
        return (expected, old)
    }

    func settle(
        _ key: [UInt8], _ request: StoreRequest,
        _ expected: (judgement: MapModel.Judgement, old: MapModel.Item?), _ outcome: StoreOutcome,
        _ shown: HitCopy?
    ) throws {
        count("\(outcome)")
        let judgement = expected.judgement
        let joins = request.mode == .append || request.mode == .prepend
        if outcome == .outOfMemory, judgement.outcome == .stored {
            // An addition needs room for the old value, the new one and the sum at a time.
            try require(mayBeShort || joins && shape.hasPressure, "out of memory for no reason")
            let joinsOld = joins && expected.old != nil
            if request.dropsOldWhenRefused, !joinsOld { model.forget(key) }
            return
        }
        try require(
            outcome == judgement.outcome,
            "a store in mode \(request.mode) came to \(outcome), not \(judgement.outcome)")
        if outcome == .tooLarge, request.dropsOldWhenRefused { model.forget(key) }
        try require((shown != nil) == (outcome == .stored), "a stored item that is not shown")
        guard let shown else { return }
        put(key, request, judgement, joins ? expected.old : nil, stale: expected.old, shown)
        guard let item = model.items[key] else { return }
        try check(shown, key, item)
    }

    func put(
        _ key: [UInt8], _ request: StoreRequest, _ judgement: MapModel.Judgement,
        _ joined: MapModel.Item?, stale: MapModel.Item?, _ shown: HitCopy
    ) {
        var marks = ItemMarks()
        marks.hasEncodedKey = joined?.marks.hasEncodedKey ?? request.hasEncodedKey
        var deadline = joined?.deadline ?? request.deadline
        if judgement.isStale, let stale {
            marks.isStale = true
            marks.isClaimed = stale.marks.isClaimed
            deadline = stale.deadline
            count("stale")
        }
        model.put(
            key, judgement.value, clientFlags: joined?.clientFlags ?? request.clientFlags,
            deadline: deadline, casUnique: request.casUnique ?? shown.casUnique, marks: marks)
    }

    func check(_ hit: HitCopy, _ key: [UInt8], _ item: MapModel.Item) throws {
        try require(hit.key == key, "a hit with another key")
        try require(
            hasEqualBytes(hit.value, item.value), "a value that is not the one that was stored")
        try require(hit.clientFlags == item.clientFlags, "wrong client flags")
        try require(hit.secondsLeft == item.deadline.secondsLeft(at: now), "a wrong deadline")
        try require(
            hit.marks == item.marks, "marks \(hit.marks) instead of \(item.marks)")
        if let known = item.casUnique {
            try require(hit.casUnique == known, "another CAS unique for the same item")
        } else {
            try require(hit.casUnique != 0, "an item without a CAS unique")
        }
    }

    func retrieve() throws {
        let key = someKey()
        let isAccess = !generator.isHit(oneIn: 5)
        var use = HitUse.touched(generator.isHit(oneIn: 3) ? someDeadline() : nil)
        use.claims = generator.isHit(oneIn: 8)
        let new = generator.isHit(oneIn: 8) ? someVivification() : nil
        let expected = model.items[key]
        var shown: HitCopy?
        let outcome = map.retrieve(key.span, now: now, isAccess: isAccess, creating: new) { hit in
            shown = HitCopy(hit)
            return use
        }.outcome
        count("\(outcome)")
        guard let shown else {
            try require(outcome != .hit, "a hit that is not shown")
            return try require(
                expected == nil && (new == nil || mayBeShort),
                "a miss of what is there, or should have been made")
        }
        if expected == nil {
            guard let new else { return try require(false, "a hit of what is not there") }
            model.put(
                key, [], clientFlags: 0, deadline: new.deadline,
                casUnique: new.casUnique ?? shown.casUnique,
                marks: ItemMarks(hasEncodedKey: new.hasEncodedKey))
            count("vivified")
        }
        guard let item = model.items[key] else { return }
        try require(shown.isNew == (expected == nil), "an item that is wrong about being new")
        try check(shown, key, item)
        if isAccess { model.noteAccess(key) }
        model.noteCASUnique(key, shown.casUnique)
        model.mark(key) { marks in
            if isAccess { marks.wasFetched = true }
            if use.claims { marks.isClaimed = true }
        }
        if let touch = use.deadline { model.setDeadline(key, touch) }
    }

    func someVivification() -> Vivification {
        var new = Vivification(
            deadline: .at(UInt64(now) + 1 + UInt64(generator.number(below: 900))))
        new.casUnique = someWish()
        new.hasEncodedKey = generator.isHit(oneIn: 2)
        return new
    }

    func delete() throws {
        let key = someKey()
        let comparison = someComparison(key, oneIn: 3)
        let expected = judgeDelete(key, comparison)
        let outcome = map.delete(key.span, comparison: comparison, now: now)
        try require(outcome == expected, "a delete came to \(outcome), not \(expected)")
        if outcome == .deleted { model.forget(key) }
    }

    func judgeDelete(_ key: [UInt8], _ comparison: UInt64?) -> DeleteOutcome {
        guard let item = model.items[key] else { return .notFound }
        return comparison == nil || comparison == item.casUnique ? .deleted : .exists
    }

    func invalidate() throws {
        let key = someKey()
        let comparison = someComparison(key, oneIn: 3)
        let empties = generator.isHit(oneIn: 2)
        var invalidation = Invalidation(
            emptyClientFlags: empties ? UInt32(generator.number(below: 100)) : nil,
            marksStale: !empties || generator.isHit(oneIn: 2),
            deadline: generator.isHit(oneIn: 2) ? someDeadline() : nil)
        invalidation.casUnique = someWish()
        invalidation.hasEncodedKey = generator.isHit(oneIn: 2)
        let old = model.items[key]
        let expected = judgeDelete(key, comparison)
        let outcome = map.invalidate(key.span, invalidation, comparison: comparison, now: now)
        count("invalidated: \(outcome)")
        if outcome == .outOfMemory {
            return try require(empties && mayBeShort, "no memory to invalidate")
        }
        try require(outcome == expected, "an invalidation came to \(outcome), not \(expected)")
        guard outcome == .deleted, let old else { return }
        if let clientFlags = invalidation.emptyClientFlags {
            model.put(
                key, [], clientFlags: clientFlags, deadline: invalidation.deadline ?? .never,
                casUnique: invalidation.casUnique,
                marks: ItemMarks(
                    isStale: invalidation.marksStale,
                    hasEncodedKey: invalidation.hasEncodedKey))
        } else {
            model.mark(key) { marks in
                marks.isStale = true
                marks.isClaimed = false
            }
            if let deadline = invalidation.deadline { model.setDeadline(key, deadline) }
            model.noteCASUnique(key, invalidation.casUnique)
        }
        // Nobody who has read the item before may take it for the same.
        _ = map.retrieve(key.span, now: now, isAccess: false) { hit in
            model.noteCASUnique(key, invalidation.casUnique ?? hit.casUnique)
            return .copied
        }
        try require(
            invalidation.casUnique != nil || old.casUnique == nil
                || model.items[key]?.casUnique != old.casUnique,
            "an invalidated item that looks the same")
    }

    func contains() throws {
        let key = someKey()
        let isThere = model.items[key] != nil
        try require(map.contains(key.span, now: now) == isThere, "a wrong answer to contains")
        if isThere { model.noteAccess(key) }
    }

    func countUpOrDown() throws {
        let key = someKey()
        let delta = generator.next() >> UInt64(generator.number(below: 64))
        var request = ArithmeticRequest(delta: delta, increments: generator.isHit(oneIn: 2))
        request.comparison = someComparison(key, oneIn: 5) ?? 0
        request.casUnique = someWish()
        request.hasEncodedKey = generator.isHit(oneIn: 4)
        if generator.isHit(oneIn: 4) {
            request.initial = ArithmeticRequest.Initial(
                number: generator.next(), deadline: someDeadline())
        }
        let touch = generator.isHit(oneIn: 6) ? someDeadline() : nil
        let old = model.items[key]
        let fits = request.comparison == 0 || request.comparison == old?.casUnique
        let new = old.flatMap {
            MapModel.count($0.value, by: delta, increments: request.increments)
        }
        if new != nil, fits { model.noteAccess(key) }
        var shown: HitCopy?
        let outcome = map.arithmetic(key.span, request, now: now) { hit, _ in
            shown = HitCopy(hit)
            return .touched(touch)
        }
        switch outcome {
        case .notFound:
            try require(old == nil && request.initial == nil, "a number that was not found")
        case .exists: try require(old != nil && !fits, "a number of another unique")
        case .created:
            guard old == nil, let initial = request.initial else {
                return try require(false, "a number that was made though it was there")
            }
            model.put(
                key, Array("\(initial.number)".utf8), clientFlags: 0, deadline: initial.deadline,
                casUnique: request.casUnique ?? shown?.casUnique,
                marks: ItemMarks(hasEncodedKey: request.hasEncodedKey))
        case .notANumber: try require(old != nil && new == nil, "a number that is none")
        case .outOfMemory:
            try require(
                (new != nil || old == nil && request.initial != nil) && mayBeShort,
                "no memory for a number")
        case .value(let number):
            try require(
                number == new && fits, "\(number) instead of \(String(describing: new))")
            model.put(
                key, Array("\(number)".utf8), clientFlags: old?.clientFlags ?? 0,
                deadline: old?.deadline ?? .never,
                casUnique: request.casUnique ?? shown?.casUnique,
                marks: old?.marks ?? ItemMarks())
        }
        guard let shown else { return }
        if let item = model.items[key] { try check(shown, key, item) }
        if let touch { model.setDeadline(key, touch) }
    }
}
