/// Carries out retrievals: see `CopyRead` for what is done, and in which order.
extension CopySet {
    /// Reads the newest copy, and brings the others up to date.
    ///
    /// - Parameter exptime: a new one for the item.
    func get(exptime: Int32?, deadline: Instant) async throws(CacheError) -> CacheItem? {
        var item = try await read(.get, exptime: exptime, deadline: deadline)?.item
        if let exptime, !Expiry.isOver(exptime) { item?.timeLeft = Expiry.timeLeft(of: exptime) }
        return item
    }

    /// Gives the item another exptime.
    ///
    /// - Returns: whether it is there.
    func touch(exptime: Int32, deadline: Instant) async throws(CacheError) -> Bool {
        guard !Expiry.isOver(exptime) else { return try await delete(deadline: deadline) }
        return try await read(.touch, exptime: exptime, deadline: deadline) != nil
    }

    // MARK: Steps

    /// - Returns: the item's newest copy.
    private func read(
        _ goal: CopyRead.Goal, exptime: Int32?, deadline: Instant
    ) async throws(CacheError) -> Sight? {
        var read = CopyRead(goal, exptime: exptime, settings: settings, nodeCount: pools.count)
        var sights: [Sight] = []
        var step = read.begin()
        while true {
            switch step {
            case .look(let wantsValue, let needed):
                sights = await look(wantsValue: wantsValue, needed: needed, deadline: deadline)
                step = read.looked(sights.map(\.copy), unixSeconds: Expiry.unixSeconds())
            case .repair(let repair):
                let item = sights.first { $0.copy.place == repair.place }?.item
                step = read.repaired(count: await carryOut(repair, of: item, deadline: deadline))
            case .delete(let place):
                _ = try await delete(deadline: deadline)
                step = read.deleted(place: place)
            case .finish(let place): return sights.first { $0.copy.place == place }
            case .fail(let error): throw failure(error)
            }
        }
    }

    /// - Parameter item: the newest copy's.
    /// - Returns: how many nodes did what they were to do.
    private func carryOut(
        _ repair: CopyRepair, of item: CacheItem?, deadline: Instant
    ) async -> Int {
        let orders = repair.orders
        guard !orders.isEmpty else { return 0 }
        return await each(of: orders.keys.sorted(), until: { _ in true }) { place in
            guard let order = orders[place] else { return false }
            switch order.action {
            case .push(let form):
                let content = content(form, of: item, in: repair)
                return await push(content, to: place, over: order.over, deadline: deadline)
            case .rewrite(let form):
                let requests = requests(for: content(form, of: item, in: repair), over: order.over)
                let replies = try? await ask(requests, of: place, deadline: deadline)
                return replies?.first?.status == .done
            case .touch(let exptime):
                return await touch(at: place, exptime: exptime, deadline: deadline)
            }
        }.count(where: \.answer)
    }

    private func content(
        _ form: CopyRepair.Form, of item: CacheItem?, in repair: CopyRepair
    ) -> Content {
        if case .tombstone(let timeLeft) = form {
            return tombstone(version: repair.version, for: timeLeft)
        }
        let plain = Content(
            value: item?.value ?? [], clientFlags: item?.clientFlags ?? 0,
            exptime: repair.exptime, version: repair.version)
        guard form == .dated else { return plain }
        // It is copied for that.
        return DatedItem.dating(plain, lifetime: settings.tombstoneLifetime) ?? plain
    }

    private func touch(at place: Int, exptime: Int32, deadline: Instant) async -> Bool {
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
