extension CacheClient {
    /// Stores an item, whatever was there.
    @discardableResult
    public func set(
        _ key: CacheKey, to value: [UInt8], expiry: Expiry = .never, clientFlags: UInt32 = 0
    ) async throws(CacheError) -> CASUnique {
        guard case .stored(let number) = try await store(.set, key, value, expiry, clientFlags)
        else { throw CacheError(.protocolViolation, reason: "a set that was not stored") }
        return CASUnique(number)
    }

    /// Stores an item if there is none.
    ///
    /// - Returns: nil if there is one.
    public func add(
        _ key: CacheKey, _ value: [UInt8], expiry: Expiry = .never, clientFlags: UInt32 = 0
    ) async throws(CacheError) -> CASUnique? {
        guard case .stored(let number) = try await store(.add, key, value, expiry, clientFlags)
        else { return nil }
        return CASUnique(number)
    }

    /// Stores an item if there is one.
    ///
    /// - Returns: nil if there is none.
    public func replace(
        _ key: CacheKey, with value: [UInt8], expiry: Expiry = .never, clientFlags: UInt32 = 0
    ) async throws(CacheError) -> CASUnique? {
        guard case .stored(let number) = try await store(.replace, key, value, expiry, clientFlags)
        else { return nil }
        return CASUnique(number)
    }

    /// Stores an item if it is still as it was read.
    public func compareAndSet(
        _ key: CacheKey, to value: [UInt8], expected: CASUnique, expiry: Expiry = .never,
        clientFlags: UInt32 = 0
    ) async throws(CacheError) -> CompareAndSetOutcome {
        let mode = StoreCommand.Mode.compareAndSet(expected: expected.number)
        switch try await store(mode, key, value, expiry, clientFlags) {
        case .stored(let number): return .stored(CASUnique(number))
        case .changed, .present: return .conflict
        case .absent: return .notFound
        }
    }

    /// - Returns: whether there was an item.
    @discardableResult
    public func delete(_ key: CacheKey) async throws(CacheError) -> Bool {
        try await measured(.delete) { deadline throws(CacheError) in
            try await core.delete(key, deadline: deadline)
        }
    }

    /// Deletes an item if it is still as it was read.
    public func compareAndDelete(
        _ key: CacheKey, expected: CASUnique
    ) async throws(CacheError) -> CompareAndDeleteOutcome {
        try await measured(.delete) { deadline throws(CacheError) in
            try await core.delete(key, expected: expected.number, deadline: deadline)
        }
    }

    /// Adds to an item that is a decimal number. Beyond 64 bits it begins at 0 again.
    ///
    /// `initial` is what a missing item becomes, with its expiry.
    ///
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

    func store(
        _ mode: StoreCommand.Mode, _ key: CacheKey, _ value: [UInt8], _ expiry: Expiry,
        _ clientFlags: UInt32
    ) async throws(CacheError) -> StoreOutcome {
        let command = StoreCommand(
            mode: mode, key: key, value: value, clientFlags: clientFlags,
            exptime: expiry.exptime())
        return try await measured(command.metric) { deadline throws(CacheError) in
            try await core.store(command, deadline: deadline)
        }
    }

    private func arithmetic(
        _ key: CacheKey, _ delta: UInt64, decrements: Bool,
        _ initial: (number: UInt64, expiry: Expiry)?
    ) async throws(CacheError) -> UInt64? {
        let arithmetic = NodeRequest.Arithmetic(
            key: key, delta: delta, decrements: decrements,
            initial: initial.map { .init(number: $0.number, exptime: $0.expiry.exptime()) })
        return try await measured(.arithmetic) { deadline throws(CacheError) in
            try await core.arithmetic(arithmetic, deadline: deadline)
        }
    }
}
