public import NIOCore

extension CacheClient {
    /// Stores an item, whatever was there.
    @discardableResult
    public func set(
        _ key: CacheKey, to value: ByteBuffer, expiry: Expiry = .never, clientFlags: UInt32 = 0
    ) async throws(CacheError) -> CASUnique {
        let reply = try await store(.set, key, value, expiry, clientFlags)
        guard reply.status == .done else { throw unexpected(reply) }
        return CASUnique(reply.casUnique ?? 0)
    }

    /// Stores an item if there is none.
    ///
    /// - Returns: nil if there is one.
    public func add(
        _ key: CacheKey, _ value: ByteBuffer, expiry: Expiry = .never, clientFlags: UInt32 = 0
    ) async throws(CacheError) -> CASUnique? {
        let reply = try await store(.add, key, value, expiry, clientFlags)
        switch reply.status {
        case .done: return CASUnique(reply.casUnique ?? 0)
        case .notStored: return nil
        default: throw unexpected(reply)
        }
    }

    /// Stores an item if there is one.
    ///
    /// - Returns: nil if there is none.
    public func replace(
        _ key: CacheKey, with value: ByteBuffer, expiry: Expiry = .never, clientFlags: UInt32 = 0
    ) async throws(CacheError) -> CASUnique? {
        let reply = try await store(.replace, key, value, expiry, clientFlags)
        switch reply.status {
        case .done: return CASUnique(reply.casUnique ?? 0)
        case .notStored, .notFound: return nil
        default: throw unexpected(reply)
        }
    }

    /// Stores an item if it is still as it was read.
    public func compareAndSet(
        _ key: CacheKey, to value: ByteBuffer, expected: CASUnique, expiry: Expiry = .never,
        clientFlags: UInt32 = 0
    ) async throws(CacheError) -> CompareAndSetOutcome {
        let reply = try await store(.compareAndSet, key, value, expiry, clientFlags, expected)
        switch reply.status {
        case .done: return .stored(CASUnique(reply.casUnique ?? 0))
        case .exists: return .conflict
        case .notFound: return .notFound
        default: throw unexpected(reply)
        }
    }

    /// - Returns: whether there was an item.
    @discardableResult
    public func delete(_ key: CacheKey) async throws(CacheError) -> Bool {
        try await measured(.delete) { deadline throws(CacheError) in
            let reply = try await core.ask(.delete(.init(key: key)), for: key, deadline: deadline)
            return reply.status == .done
        }
    }

    /// Adds to an item that is a decimal number. Beyond 64 bits it begins at 0 again.
    ///
    /// - Parameter initial: what a missing item becomes, with its expiry.
    /// - Returns: the new number; nil if there is no item and no `initial`.
    public func increment(
        _ key: CacheKey, by delta: UInt64 = 1, initial: (number: UInt64, expiry: Expiry)? = nil
    ) async throws(CacheError) -> UInt64? {
        try await arithmetic(key, delta, decrements: false, initial)
    }

    /// Subtracts from an item that is a decimal number. It stops at 0.
    public func decrement(
        _ key: CacheKey, by delta: UInt64 = 1, initial: (number: UInt64, expiry: Expiry)? = nil
    ) async throws(CacheError) -> UInt64? {
        try await arithmetic(key, delta, decrements: true, initial)
    }

    // MARK: One path

    private func store(
        _ command: ClientMetrics.Command, _ key: CacheKey, _ value: ByteBuffer, _ expiry: Expiry,
        _ clientFlags: UInt32, _ expected: CASUnique? = nil
    ) async throws(CacheError) -> NodeReply {
        let limit = core.configuration.valueByteCountMax
        guard value.readableBytes <= limit else {
            throw CacheError(.valueTooLarge, reason: "above \(limit) bytes")
        }
        var store = NodeRequest.Store(
            key: key, value: value, clientFlags: clientFlags, exptime: expiry.exptime(),
            expected: expected?.number)
        switch command {
        case .add: store.mode = .add
        case .replace: store.mode = .replace
        default: store.mode = .set
        }
        let request = NodeRequest.store(store)
        return try await measured(command) { deadline throws(CacheError) in
            try await core.ask(request, for: key, deadline: deadline)
        }
    }

    private func arithmetic(
        _ key: CacheKey, _ delta: UInt64, decrements: Bool,
        _ initial: (number: UInt64, expiry: Expiry)?
    ) async throws(CacheError) -> UInt64? {
        let arithmetic = NodeRequest.Arithmetic(
            key: key, delta: delta, decrements: decrements,
            initial: initial.map { .init(number: $0.number, exptime: $0.expiry.exptime()) })
        let reply = try await measured(.arithmetic) { deadline throws(CacheError) in
            try await core.ask(.arithmetic(arithmetic), for: key, deadline: deadline)
        }
        guard reply.status == .done else { return nil }
        let text = reply.value.map { String(buffer: $0) } ?? ""
        guard let number = UInt64(text.prefix { $0 != " " }) else { throw unexpected(reply) }
        return number
    }

    /// A reply that the protocol does not have for the command.
    private func unexpected(_ reply: NodeReply) -> CacheError {
        CacheError(.protocolViolation, reason: "\(reply.status)")
    }
}
