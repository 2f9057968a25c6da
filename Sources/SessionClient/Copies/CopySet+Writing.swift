/// Carries out changes: see `CopyWrite` for what is done, and in which order.
extension CopySet {
    /// What an application stores.
    struct Draft: Sendable {
        var value: [UInt8]
        var clientFlags: UInt32
        var exptime: Int32
    }

    func store(
        _ goal: CopyWrite.Goal, _ draft: Draft, deadline: Instant
    ) async throws(CacheError) -> StoreOutcome {
        try await write(goal, deadline: deadline) { version in
            // What is over as soon as it is stored is a deletion: without its tombstone an older copy would
            // be the item again.
            guard !Expiry.isOver(draft.exptime) else { return tombstone(version: version) }
            return Content(
                value: draft.value, clientFlags: draft.clientFlags, exptime: draft.exptime,
                version: version)
        }
    }

    /// - Returns: whether there was an item.
    func delete(deadline: Instant) async throws(CacheError) -> Bool {
        let outcome = try await write(.delete, deadline: deadline) { tombstone(version: $0) }
        return outcome != .absent
    }

    /// Deletes the item if it is the expected one: a compare-and-set with a tombstone.
    func delete(
        expected: UInt64, deadline: Instant
    ) async throws(CacheError) -> StoreOutcome {
        try await write(.compareAndSet(expected: expected), deadline: deadline) {
            tombstone(version: $0)
        }
    }

    // MARK: Steps

    private func write(
        _ goal: CopyWrite.Goal, deadline: Instant, make: (UInt64) -> Content
    ) async throws(CacheError) -> StoreOutcome {
        var made: Content?
        // Once for each version: what time does to it must not make two contents of one version.
        func content(_ version: UInt64) -> Content {
            if let made, made.version == version { return made }
            let content = make(version)
            made = content
            return content
        }
        var write = CopyWrite(goal, settings: settings, nodeCount: pools.count, clock: clock)
        var step = write.begin()
        while true {
            switch step {
            case .look(let needed):
                let sights = await look(
                    wantsValue: false, needed: needed, deadline: Self.part(of: deadline, 2))
                step = write.looked(sights.map(\.copy), needed: needed)
            case .addEverywhere(let version, let needed):
                let additions = await addEverywhere(
                    content(version), needed: needed, deadline: deadline)
                step = write.added(additions)
            case .decide(let version, let place, let known, let partCount):
                let end = Self.part(of: deadline, partCount)
                step = write.decided(
                    await decide(content(version), at: place, over: known, deadline: end))
            case .spread(let version, let versions, let needed):
                let places = await spread(
                    content(version), over: versions, needed: needed, deadline: deadline)
                step = write.spread(to: places)
            case .remember(let version, let places):
                metrics.countShortWrite()
                await date(content(version), at: places, deadline: deadline)
                step = write.remembered()
            case .read:
                let item = try await get(exptime: nil, deadline: deadline)
                step = write.read(item?.casUnique.number)
            case .finish(let outcome): return outcome
            case .fail(let error): throw failure(error)
            }
        }
    }

    private func addEverywhere(
        _ content: Content, needed: Int, deadline: Instant
    ) async -> [CopyWrite.Addition] {
        let request = NodeRequest.store(store(content, over: 0))
        return await each(
            of: Array(pools.indices), until: { $0.count(where: \.isStored) >= needed },
            { place -> CopyWrite.Addition in
                do throws(CacheError) {
                    let reply = try await ask(request, of: place, deadline: deadline)
                    return reply.status == .done ? .stored : .present
                } catch {
                    return .unknown(error)
                }
            }
        ).map(\.answer)
    }

    private func decide(
        _ content: Content, at place: Int, over known: UInt64, deadline: Instant
    ) async -> CopyWrite.Decision {
        do throws(CacheError) {
            let request = NodeRequest.store(store(content, over: known))
            let reply = try await ask(request, of: place, deadline: deadline)
            return reply.status == .done ? .stored : .refused
        } catch {
            return .failed(error)
        }
    }

    /// - Returns: the places that have the version now, or a later one.
    private func spread(
        _ content: Content, over versions: [Int: UInt64], needed: Int, deadline: Instant
    ) async -> [Int] {
        await each(
            of: versions.keys.sorted(), until: { $0.count { $0 } >= needed },
            { place in
                await push(content, to: place, over: versions[place] ?? 0, deadline: deadline)
            }
        ).filter(\.answer).map(\.place)
    }

    /// Stores at one node, if what it has is older: see `CopyPush`.
    func push(
        _ content: Content, to place: Int, over known: UInt64, deadline: Instant
    ) async -> Bool {
        var push = CopyPush(to: content.version, over: known)
        var step = push.begin()
        while true {
            do throws(CacheError) {
                switch step {
                case .store(let known):
                    let requests = requests(for: content, over: known)
                    let replies = try await ask(requests, of: place, deadline: deadline)
                    step = push.stored(replies[0].status == .done)
                case .look:
                    let get = NodeRequest.Get(key: key, wantsValue: false)
                    let reply = try await ask(.get(get), of: place, deadline: deadline)
                    step = push.seen(reply.status == .done ? reply.casUnique ?? 0 : 0)
                case .finish(let hasIt): return hasIt
                }
            } catch {
                return false
            }
        }
    }

    /// Has the nodes that were reached outlive what the others may still have.
    private func date(_ content: Content, at places: Set<Int>, deadline: Instant) async {
        guard let dated = DatedItem.dating(content, lifetime: settings.tombstoneLifetime) else {
            return
        }
        let request = NodeRequest.store(store(dated, over: content.version))
        _ = await each(
            of: Array(places), until: { _ in true },
            { place in (try? await ask(request, of: place, deadline: deadline)) != nil })
    }

    /// A part of the time that is left: what it is not enough for leaves the rest to others.
    private static func part(of deadline: Instant, _ partCount: Int) -> Instant {
        let now = Instant.now
        return now + max(.zero, (deadline - now) / partCount)
    }
}
