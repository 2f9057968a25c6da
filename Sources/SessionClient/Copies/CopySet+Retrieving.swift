import NIOCore

extension CopySet {
    /// Reads the newest copy, and brings the others up to date.
    ///
    /// - Parameter exptime: a new one for the item.
    func get(exptime: Int32?, deadline: NIODeadline) async throws(CacheError) -> CacheItem? {
        let required = settings.readCountMin
        let copies = await look(wantsValue: true, until: required, deadline: deadline)
        let newest = try newest(copies, of: required)
        switch newest.state {
        case .missing, .unknown: return nil
        case .tombstone(let version, let timeLeft):
            let tombstone = tombstone(version: version, for: timeLeft)
            _ = await update(copies, deadline: deadline) { copy in
                if copy.version != version { return .push(tombstone) }
                return copy.isLive ? .rewrite(tombstone) : .nothing
            }
            return nil
        case .live(var item):
            if let exptime, Expiry.isOver(exptime) {
                _ = try await delete(deadline: deadline)
                return item
            }
            let repair = Repair(item, of: newest, copies, exptime: exptime, settings)
            _ = await update(copies, deadline: deadline) { repair.step(for: $0) }
            if let exptime { item.timeLeft = Expiry.timeLeft(of: exptime) }
            return item
        }
    }

    /// Gives the item another exptime.
    ///
    /// - Returns: whether it is there.
    func touch(exptime: Int32, deadline: NIODeadline) async throws(CacheError) -> Bool {
        guard !Expiry.isOver(exptime) else { return try await delete(deadline: deadline) }
        let required = settings.readCountMin
        let copies = await look(wantsValue: false, until: required, deadline: deadline)
        let newest = try newest(copies, of: required)
        // To bring the others up to date the value is needed.
        guard newest.isLive, copies.allSatisfy({ $0.version == newest.version && !$0.isDated })
        else { return try await get(exptime: exptime, deadline: deadline) != nil }
        let count = await update(copies, deadline: deadline) { _ in .touch(exptime) }
        // None of them: it was deleted meanwhile, or it is unknown.
        guard count > 0 else { return try await get(exptime: exptime, deadline: deadline) != nil }
        return true
    }

    // MARK: Bringing up to date

    /// What is to be done to one copy.
    fileprivate enum Step: Sendable {
        case nothing
        /// To one that is older.
        case push(Content)
        /// To one that has this version in another form.
        case rewrite(Content)
        case touch(Int32)
    }

    /// What fails here is tried again by the next one who reads.
    ///
    /// - Returns: how many nodes did it.
    private func update(
        _ copies: [Copy], deadline: NIODeadline, _ step: (Copy) -> Step
    ) async -> Int {
        var steps: [Int: (step: Step, version: UInt64)] = [:]
        for copy in copies {
            guard let version = copy.version else { continue }
            let step = step(copy)
            if case .nothing = step { continue }
            steps[copy.place] = (step, version)
        }
        guard !steps.isEmpty else { return 0 }
        let planned = steps
        return await each(of: planned.keys.sorted(), until: { _ in true }) { place in
            guard let (step, version) = planned[place] else { return false }
            return await carryOut(step, at: place, over: version, deadline: deadline)
        }.count(where: \.outcome)
    }

    private func carryOut(
        _ step: Step, at place: Int, over version: UInt64, deadline: NIODeadline
    ) async -> Bool {
        switch step {
        case .nothing: true
        case .push(let content):
            await push(content, to: place, over: version, deadline: deadline)
        case .rewrite(let content):
            (try? await ask(requests(for: content, over: version), of: place, deadline: deadline))?
                .first?.status == .done
        case .touch(let exptime):
            await touch(at: place, exptime: exptime, deadline: deadline)
        }
    }

    private func touch(at place: Int, exptime: Int32, deadline: NIODeadline) async -> Bool {
        func reply(to exptime: Int32) async -> CacheItem? {
            let get = NodeRequest.Get(key: key, wantsValue: false, exptime: exptime)
            return (try? await ask(.get(get), of: place, deadline: deadline)).flatMap {
                CacheItem($0)
            }
        }
        guard let item = await reply(to: exptime) else { return false }
        guard Self.reservedClientFlags.contains(item.clientFlags) else { return true }
        // It was changed since it was seen. The time that was meant for an item is not that of what has
        // to be remembered.
        _ = await reply(to: Expiry.after(settings.tombstoneLifetime).exptime())
        return false
    }
}

/// How the copies of a live item get the newest state, and the new exptime, if there is one.
private struct Repair {
    private let version: UInt64
    private let plain: CopySet.Content
    private let lifetime: Duration
    private let exptime: Int32?
    /// What `exptime` means; nil for never.
    private let newTime: Duration?
    /// All copies have the newest state.
    private let isEven: Bool
    /// What cannot be reached may live longer than what is there.
    private let mustDate: Bool
    /// In its last second an item is not worth it, and 0 would mean for ever.
    private let isEnding: Bool

    init(
        _ item: CacheItem, of newest: CopySet.Copy, _ copies: [CopySet.Copy],
        exptime: Int32?, _ settings: Copies
    ) {
        version = item.casUnique.number
        let expiry = item.timeLeft.map { Expiry.after($0) } ?? .never
        plain = CopySet.Content(
            value: item.value, clientFlags: item.clientFlags,
            exptime: exptime ?? expiry.exptime(), version: item.casUnique.number)
        lifetime = settings.tombstoneLifetime
        let isComplete = copies.allSatisfy { $0.version != nil }
        isEven = copies.allSatisfy { $0.version == newest.version }
        // A plain copy beside a dated one has missed its time.
        let exptime = exptime ?? (newest.isDated && isEven ? plain.exptime : nil)
        self.exptime = exptime
        newTime = exptime.flatMap { Expiry.timeLeft(of: $0) }
        let oldTime = item.timeLeft ?? .seconds(Int64.max)
        let isShorter = newTime.map { $0 < oldTime } ?? false
        mustDate = !isComplete && (newest.isDated || isShorter)
        isEnding = exptime == nil && item.timeLeft == .zero
    }

    /// It is copied for that.
    private var dated: CopySet.Content {
        DatedItem.dating(plain, lifetime: lifetime) ?? plain
    }

    func step(for copy: CopySet.Copy) -> CopySet.Step {
        if isEnding { return .nothing }
        if copy.version != version { return .push(mustDate ? dated : plain) }
        if copy.isDated {
            if isEven { return .rewrite(plain) }
            return exptime == nil ? .nothing : .rewrite(dated)
        }
        guard let exptime else { return .nothing }
        if mustDate { return .rewrite(dated) }
        // Of the requests of one second the first has set it.
        if case .live(let item) = copy.state, item.timeLeft == newTime { return .nothing }
        return .touch(exptime)
    }
}
