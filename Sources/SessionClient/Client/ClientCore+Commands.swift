import HashRing

/// Each command, on one node or on all that hold copies.
extension ClientCore {
    private func copies(
        of key: CacheKey, _ deadline: Instant
    ) async throws(CacheError) -> CopySet? {
        guard configuration.copies.count > 1 else { return nil }
        let topology = try await topology(deadline: deadline)
        let pools = topology.pools(for: key, count: configuration.copies.count)
        return CopySet(
            key: key, pools: pools, settings: configuration.copies, clock: clock,
            metrics: metrics)
    }

    func get(
        _ key: CacheKey, exptime: Int32?, deadline: Instant
    ) async throws(CacheError) -> CacheItem? {
        if let copies = try await copies(of: key, deadline) {
            return try await copies.get(exptime: exptime, deadline: deadline)
        }
        let get = NodeRequest.Get(key: key, wantsTimeLeft: true, exptime: exptime)
        return CacheItem(try await ask(.get(get), for: key, deadline: deadline))
    }

    func touch(
        _ key: CacheKey, exptime: Int32, deadline: Instant
    ) async throws(CacheError) -> Bool {
        if let copies = try await copies(of: key, deadline) {
            return try await copies.touch(exptime: exptime, deadline: deadline)
        }
        let get = NodeRequest.Get(key: key, wantsValue: false, exptime: exptime)
        return try await ask(.get(get), for: key, deadline: deadline).status == .done
    }

    func store(
        _ command: StoreCommand, deadline: Instant
    ) async throws(CacheError) -> StoreOutcome {
        try check(command)
        guard let copies = try await copies(of: command.key, deadline) else {
            let reply = try await ask(command.request, for: command.key, deadline: deadline)
            return try StoreOutcome(reply, to: command.mode)
        }
        let draft = CopySet.Draft(
            value: command.value, clientFlags: command.clientFlags, exptime: command.exptime)
        let goal: CopyWrite.Goal =
            switch command.mode {
            case .set: .set
            case .add: .add
            case .addFresh: .addFresh
            case .replace: .replace
            case .compareAndSet(let expected): .compareAndSet(expected: expected)
            }
        return try await copies.store(goal, draft, deadline: deadline)
    }

    private func check(_ command: StoreCommand) throws(CacheError) {
        // Whatever is stored may have to be stored with its end in it.
        let room = configuration.copies.count > 1 ? DatedItem.headByteCount : 0
        let limit = configuration.valueByteCountMax - room
        guard command.value.count <= limit else {
            throw CacheError(.valueTooLarge, reason: "above \(limit) bytes")
        }
        guard
            configuration.copies.count == 1
                || !CopySet.reservedClientFlags.contains(command.clientFlags)
        else { throw CacheError(.reservedClientFlags) }
    }

    func delete(_ key: CacheKey, deadline: Instant) async throws(CacheError) -> Bool {
        if let copies = try await copies(of: key, deadline) {
            return try await copies.delete(deadline: deadline)
        }
        let request = NodeRequest.delete(.init(key: key))
        return try await ask(request, for: key, deadline: deadline).status == .done
    }

    func delete(
        _ key: CacheKey, expected: UInt64, deadline: Instant
    ) async throws(CacheError) -> CompareAndDeleteOutcome {
        if let copies = try await copies(of: key, deadline) {
            switch try await copies.delete(expected: expected, deadline: deadline) {
            case .stored: return .deleted
            case .changed, .present: return .conflict
            case .absent: return .notFound
            }
        }
        let request = NodeRequest.delete(.init(key: key, expected: expected))
        let status = try await ask(request, for: key, deadline: deadline).status
        switch status {
        case .done: return .deleted
        case .exists: return .conflict
        case .notFound: return .notFound
        default: throw CacheError(.protocolViolation, reason: "\(status) to a deletion")
        }
    }

    // MARK: Arithmetic

    func arithmetic(
        _ arithmetic: NodeRequest.Arithmetic, deadline: Instant
    ) async throws(CacheError) -> UInt64? {
        if configuration.copies.count > 1 {
            return try await arithmeticOnCopies(arithmetic, deadline: deadline)
        }
        let request = NodeRequest.arithmetic(arithmetic)
        let reply = try await ask(request, for: arithmetic.key, deadline: deadline)
        guard reply.status == .done else { return nil }
        guard let number = reply.value.flatMap({ Self.number($0) }) else {
            throw CacheError(.protocolViolation, reason: "no number")
        }
        return number
    }

    /// Nodes that add by themselves would give the same version to different numbers.
    private func arithmeticOnCopies(
        _ arithmetic: NodeRequest.Arithmetic, deadline: Instant
    ) async throws(CacheError) -> UInt64? {
        for _ in 0..<Copies.attemptCountMax {
            var command = StoreCommand(
                mode: .add, key: arithmetic.key, value: [UInt8](), clientFlags: 0, exptime: 0)
            let number: UInt64
            if let item = try await get(arithmetic.key, exptime: nil, deadline: deadline) {
                guard let old = Self.number(item.value) else { throw CacheError(.notANumber) }
                number =
                    arithmetic.decrements
                    ? old - min(old, arithmetic.delta) : old &+ arithmetic.delta
                command.mode = .compareAndSet(expected: item.casUnique.number)
                command.clientFlags = item.clientFlags
                command.exptime = (item.timeLeft.map { Expiry.after($0) } ?? .never).exptime()
            } else {
                guard let initial = arithmetic.initial else { return nil }
                number = initial.number
                command.exptime = initial.exptime
            }
            command.value = Array("\(number)".utf8)
            if case .stored = try await store(command, deadline: deadline) { return number }
        }
        throw CacheError(.contended)
    }

    /// memcached pads a number that has become shorter with spaces.
    private static func number(_ value: [UInt8]) -> UInt64? {
        UInt64(String(decoding: value.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self))
    }
}
