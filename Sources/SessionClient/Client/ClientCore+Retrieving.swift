import HashRing

/// Keys of one node that are asked for together, and what came of it.
private struct Share: Sendable {
    let pool: NodePool
    let keys: [CacheKey]

    /// Requests of one exchange.
    static let keyCountMax = 256

    func get(deadline: Instant) async -> CacheItems {
        var items = CacheItems()
        do throws(CacheError) {
            let requests = keys.map { NodeRequest.get(.init(key: $0, wantsTimeLeft: true)) }
            let replies = try await pool.ask(requests, deadline: deadline)
            items.hits.reserveCapacity(keys.count)
            for (key, reply) in zip(keys, replies) {
                if let item = CacheItem(reply) {
                    items.hits[key] = item
                } else if let refusal = reply.refusal(of: pool.node.name) {
                    items.failures[key] = refusal
                }
            }
        } catch {
            for key in keys { items.failures[key] = error }
        }
        return items
    }
}

extension ClientCore {
    func get(_ keys: Set<CacheKey>, deadline: Instant) async -> CacheItems {
        var items = CacheItems()
        do throws(CacheError) {
            let topology = try await topology(deadline: deadline)
            guard configuration.copies.count == 1 else {
                await getEach(keys, deadline: deadline, into: &items)
                return items
            }
            await get(keys, of: topology, deadline: deadline, into: &items)
            if configuration.deadNodes == .nextNode {
                await getElsewhere(of: topology, deadline: deadline, into: &items)
            }
        } catch {
            for key in keys { items.failures[key] = error }
        }
        return items
    }

    private func get(
        _ keys: Set<CacheKey>, of topology: Topology, deadline: Instant,
        into items: inout CacheItems
    ) async {
        var keysByNode: [Int: [CacheKey]] = [:]
        for key in keys { keysByNode[topology.ring.index(for: key.bytes), default: []].append(key) }
        var shares: [Share] = []
        for (node, keys) in keysByNode {
            for start in stride(from: 0, to: keys.count, by: Share.keyCountMax) {
                let end = min(start + Share.keyCountMax, keys.count)
                shares.append(Share(pool: topology.pools[node], keys: Array(keys[start..<end])))
            }
        }
        if shares.count == 1 {
            items = await shares[0].get(deadline: deadline)
            return
        }
        await withTaskGroup(of: CacheItems.self) { tasks in
            for share in shares { tasks.addTask { await share.get(deadline: deadline) } }
            for await part in tasks {
                items.hits.merge(part.hits) { first, _ in first }
                items.failures.merge(part.failures) { first, _ in first }
            }
        }
    }

    /// Keys whose node is not there have other nodes, each its own.
    private func getElsewhere(
        of topology: Topology, deadline: Instant, into items: inout CacheItems
    ) async {
        let keys = items.failures.filter { $0.value.code == .nodeUnavailable }.keys
        await getEach(keys, deadline: deadline, into: &items)
    }

    /// Asks for keys one by one, several at the same time.
    private func getEach(
        _ keys: some Sequence<CacheKey>, deadline: Instant, into items: inout CacheItems
    ) async {
        await withTaskGroup(of: (CacheKey, Result<CacheItem?, CacheError>).self) { tasks in
            var rest = keys.makeIterator()
            func addNext() {
                guard let key = rest.next() else { return }
                tasks.addTask { (key, await self.result(of: key, deadline: deadline)) }
            }
            for _ in 0..<Share.keyCountMax { addNext() }
            for await (key, result) in tasks {
                switch result {
                case .success(let item):
                    items.hits[key] = item
                    items.failures[key] = nil
                case .failure(let error): items.failures[key] = error
                }
                addNext()
            }
        }
    }

    /// A function of its own: where a task's closure caught the typed error itself, `sojourn delete` of a
    /// release build crashed (Swift 6.3).
    private func result(
        of key: CacheKey, deadline: Instant
    ) async -> Result<CacheItem?, CacheError> {
        do throws(CacheError) {
            return .success(try await get(key, exptime: nil, deadline: deadline))
        } catch {
            return .failure(error)
        }
    }
}
