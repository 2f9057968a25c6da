import NIOCore

extension ReplicaSet {
    /// Reads the newest copy, and brings the others up to date.
    ///
    /// - Parameter exptime: a new one for the item.
    func get(exptime: Int32?, deadline: NIODeadline) async throws(CacheError) -> CacheItem? {
        let copies = await look(wantsValue: true, exptime: exptime, deadline: deadline)
        let newest = try newest(copies, of: settings.readCountMin)
        await repair(copies, to: newest, exptime: exptime, deadline: deadline)
        if case .live(let item) = newest.state { return item }
        return nil
    }

    /// Gives the item another exptime.
    ///
    /// - Returns: whether it is there.
    func touch(exptime: Int32, deadline: NIODeadline) async throws(CacheError) -> Bool {
        let copies = await look(wantsValue: false, exptime: exptime, deadline: deadline)
        let newest = try newest(copies, of: settings.readCountMin)
        guard case .live = newest.state else {
            await repair(copies, to: newest, exptime: exptime, deadline: deadline)
            return false
        }
        // To bring the others up to date the value is needed.
        let isEven = copies.allSatisfy { ($0.version ?? newest.version) == newest.version }
        if !isEven { _ = try await get(exptime: exptime, deadline: deadline) }
        return true
    }

    /// What fails here is tried again by the next one who reads.
    private func repair(
        _ copies: [Copy], to newest: Copy, exptime: Int32?, deadline: NIODeadline
    ) async {
        let content: Content
        var isTouched = false
        switch newest.state {
        case .missing, .unknown: return
        case .live(let item):
            // In its last second it is not worth it, and 0 would mean for ever.
            guard exptime != nil || item.timeLeft != .zero else { return }
            let expiry = item.timeLeft.map { Expiry.after($0) } ?? .never
            content = Content(
                value: item.value, clientFlags: item.clientFlags,
                exptime: exptime ?? expiry.exptime(), version: item.casUnique.number)
        case .tombstone(let version, let timeLeft):
            // The time that was meant for an item is not a tombstone's.
            isTouched = exptime != nil
            content = tombstone(version: version, for: isTouched ? nil : timeLeft)
        }
        let touch = NodeRequest.Get(key: key, wantsValue: false, exptime: content.exptime)
        let versions = Dictionary(uniqueKeysWithValues: copies.map { ($0.place, $0.version) })
        let places = copies.map(\.place).filter { place in
            guard let version = versions[place].flatMap({ $0 }) else { return false }
            return version < content.version || isTouched
        }
        guard !places.isEmpty else { return }
        _ = await each(of: places) { place in
            let version = versions[place].flatMap { $0 } ?? 0
            if version < content.version {
                return await push(content, to: place, over: version, deadline: deadline)
            }
            return (try? await ask(.get(touch), of: place, deadline: deadline)) != nil
        }
    }
}
