import HashRing
import MemcacheProtocol

/// The nodes that hold the copies of one item, and their connections: it carries out what `CopyWrite` and
/// `CopyRead` decide.
///
/// See `Copies` for what this promises.
struct CopySet: Sendable {
    let key: CacheKey
    /// The key's own node first.
    let pools: [NodePool]
    let settings: Copies
    let clock: VersionClock
    let metrics: ClientMetrics

    /// Marks a tombstone, which is empty.
    static let tombstoneClientFlags: UInt32 = 0x746F_6D62
    /// What no item of an application may have.
    static let reservedClientFlags = [tombstoneClientFlags, DatedItem.clientFlags]

    /// What a node is to hold.
    struct Content: Sendable {
        var value: [UInt8] = []
        var clientFlags: UInt32
        var exptime: Int32
        var version: UInt64

        var isTombstone: Bool { clientFlags == CopySet.tombstoneClientFlags }
    }

    func tombstone(version: UInt64, for lifetime: Duration? = nil) -> Content {
        Content(
            clientFlags: Self.tombstoneClientFlags,
            exptime: Expiry.after(lifetime ?? settings.tombstoneLifetime).exptime(),
            version: version)
    }

    // MARK: All at once

    /// Does something with several of the nodes at the same time; those that a hung node holds up are
    /// cancelled when they have had their time.
    ///
    /// - Parameter isEnough: see `CopyRound`.
    /// - Returns: an answer of each, in the order of the nodes.
    func each<Answer: Sendable>(
        of places: [Int], until isEnough: @escaping ([Answer]) -> Bool,
        _ body: @escaping @Sendable (Int) async -> Answer
    ) async -> [(place: Int, answer: Answer)] {
        let timeout = settings.stragglerTimeout
        return await withTaskGroup(of: (Int, Answer)?.self) { tasks in
            for place in places { tasks.addTask { (place, await body(place)) } }
            var round = CopyRound<Answer>(placeCount: places.count, isEnough: isEnough)
            var step = round.begin()
            while step != .end {
                if step == .timeStragglers {
                    tasks.addTask {
                        try? await Task.sleep(for: timeout)
                        return nil
                    }
                }
                step = .wait
                if let (place, answer) = await tasks.next() ?? nil {
                    step = round.receive(answer, from: place)
                } else {
                    tasks.cancelAll()
                }
            }
            tasks.cancelAll()
            return round.result
        }
    }

    func ask(
        _ requests: [NodeRequest], of place: Int, deadline: Instant
    ) async throws(CacheError) -> [NodeReply] {
        let pool = pools[place]
        let replies = try await pool.ask(requests, deadline: deadline)
        for reply in replies {
            if let error = reply.refusal(of: pool.node.name) { throw error }
        }
        return replies
    }

    func ask(
        _ request: NodeRequest, of place: Int, deadline: Instant
    ) async throws(CacheError) -> NodeReply {
        try await ask([request], of: place, deadline: deadline)[0]
    }

    /// A store that succeeds only where the node has exactly the known version.
    func store(_ content: Content, over known: UInt64) -> NodeRequest.Store {
        NodeRequest.Store(
            key: key, value: content.value, clientFlags: content.clientFlags,
            exptime: content.exptime, mode: known == 0 ? .add : nil,
            expected: known == 0 ? nil : known, casUnique: content.version)
    }

    /// The store, and for a tombstone a retrieval that proves it: what was never read is the first that a
    /// node evicts, and then an older copy would be the item again. (Sojourn counts it where the item is
    /// older than a second; a younger tombstone is proven by the next one who asks for the item.)
    func requests(for content: Content, over known: UInt64) -> [NodeRequest] {
        let store = NodeRequest.store(store(content, over: known))
        guard content.isTombstone else { return [store] }
        return [store, .get(.init(key: key, wantsValue: false))]
    }

    /// What too few copies mean in a task that was cancelled.
    func failure(_ error: CacheError) -> CacheError {
        error.code == .tooFewCopies && Task.isCancelled ? CacheError(.cancelled) : error
    }

    // MARK: Looking

    /// A copy, and the live item that it is, as an application knows it.
    struct Sight: Sendable {
        let copy: Copy
        var item: CacheItem?
    }

    /// Asks all nodes. It changes nothing: who sees the newest copy knows what may be touched.
    ///
    /// - Parameter needed: known copies that are waited for.
    /// - Returns: every copy, in the order of the nodes.
    func look(wantsValue: Bool, needed: Int, deadline: Instant) async -> [Sight] {
        let get = NodeRequest.Get(key: key, wantsValue: wantsValue, wantsTimeLeft: true)
        return await each(
            of: Array(pools.indices), until: { $0.count { $0.copy.version != nil } >= needed },
            { place in await look(get, at: place, deadline: deadline) }
        ).map(\.answer)
    }

    private func look(
        _ get: NodeRequest.Get, at place: Int, deadline: Instant
    ) async -> Sight {
        do throws(CacheError) {
            let reply = try await ask(.get(get), of: place, deadline: deadline)
            guard let item = CacheItem(reply) else {
                return Sight(copy: Copy(place: place, state: .missing))
            }
            if item.clientFlags == DatedItem.clientFlags, !get.wantsValue {
                var whole = get
                whole.wantsValue = true
                return await look(whole, at: place, deadline: deadline)
            }
            return Self.sight(of: item, at: place)
        } catch {
            return Sight(copy: Copy(place: place, state: .unknown(error)))
        }
    }

    /// - Parameter item: as the node holds it.
    private static func sight(of item: CacheItem, at place: Int) -> Sight {
        let version = item.casUnique.number
        let tombstone = Copy(
            place: place, state: .tombstone(version: version, timeLeft: item.timeLeft))
        if item.clientFlags == tombstoneClientFlags { return Sight(copy: tombstone) }
        let dated = DatedItem(item)
        guard let inner = dated == nil ? item : dated?.item(casUnique: item.casUnique) else {
            return Sight(copy: tombstone)
        }
        let state = Copy.State.live(
            version: version, timeLeft: inner.timeLeft, isDated: dated != nil)
        return Sight(copy: Copy(place: place, state: state), item: inner)
    }
}
