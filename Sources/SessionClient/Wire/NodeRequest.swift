import MemcacheProtocol

/// One meta command as the client sends it.
///
/// All but the no-op carry an opaque token, which the node sends back with the reply: a reply to
/// another request is recognised, whoever mixed them up.
enum NodeRequest: Equatable, Sendable {
    case get(Get)
    case store(Store)
    case delete(Delete)
    case arithmetic(Arithmetic)
    case noop

    /// `mg`: with client flags and CAS unique in the reply.
    struct Get: Equatable, Sendable {
        var key: CacheKey
        var wantsValue = true
        /// Seconds left, in the reply: after `exptime` was set.
        var wantsTimeLeft = false
        /// A new exptime for an item that is there.
        var exptime: Int32?
    }

    /// `ms`: with the new CAS unique in the reply.
    struct Store: Equatable, Sendable {
        var key: CacheKey
        var value: [UInt8]
        var clientFlags: UInt32 = 0
        var exptime: Int32 = 0
        /// Nil stores whatever is there.
        var mode: MetaLine.Mode?
        /// Store only what has this CAS unique.
        var expected: UInt64?
        /// The CAS unique that the item gets; the node chooses one if there is none.
        var casUnique: UInt64?
    }

    /// `md`.
    struct Delete: Equatable, Sendable {
        var key: CacheKey
        var expected: UInt64?
    }

    /// `ma`: with value and CAS unique in the reply.
    struct Arithmetic: Equatable, Sendable {
        /// What a missing item becomes.
        struct Initial: Equatable, Sendable {
            var number: UInt64
            var exptime: Int32
        }

        var key: CacheKey
        var delta: UInt64
        var decrements = false
        var initial: Initial?
    }

    /// Whether it may be sent again when nobody knows if it was carried out.
    var isRepeatable: Bool {
        switch self {
        case .get, .noop: true
        case .store, .delete, .arithmetic: false
        }
    }

    /// Whether a CLIENT_ERROR in reply speaks of the item and not of the line that was sent.
    var mayBeRefusedForItsItem: Bool {
        if case .arithmetic = self { true } else { false }
    }
}

extension NodeRequest {
    /// The data block.
    var value: [UInt8]? {
        if case .store(let store) = self { store.value } else { nil }
    }

    /// Writes the command line.
    ///
    /// - Parameter writer: with room for `MetaLine.byteCountMax` bytes.
    func encodeLine(to writer: inout ReplyWriter, opaque: UInt64) {
        guard let (key, line) = line(opaque: opaque) else { return writer.write("mn\r\n") }
        line.encode(to: &writer) { $0.write(key.bytes.span) }
    }

    /// Nothing for the no-op, which has no key.
    private func line(opaque: UInt64) -> (key: CacheKey, line: MetaLine)? {
        var line: MetaLine
        let key: CacheKey
        switch self {
        case .get(let get): (key, line) = (get.key, get.line)
        case .store(let store): (key, line) = (store.key, store.line)
        case .delete(let delete):
            (key, line) = (delete.key, MetaLine(.delete))
            line.comparison = delete.expected
        case .arithmetic(let arithmetic): (key, line) = (arithmetic.key, arithmetic.line)
        case .noop: return nil
        }
        line.opaque = opaque
        return (key, line)
    }
}

extension NodeRequest.Get {
    fileprivate var line: MetaLine {
        var line = MetaLine(.get)
        line.flags = [.showsClientFlags, .showsUnique]
        if wantsValue { line.flags.insert(.value) }
        if wantsTimeLeft { line.flags.insert(.showsTime) }
        line.exptime = exptime
        return line
    }
}

extension NodeRequest.Store {
    fileprivate var line: MetaLine {
        var line = MetaLine(.set)
        line.valueByteCount = value.count
        line.mode = mode
        if clientFlags != 0 { line.clientFlags = clientFlags }
        if exptime != 0 { line.exptime = exptime }
        line.comparison = expected
        line.casUnique = casUnique
        line.flags = .showsUnique
        return line
    }
}

extension NodeRequest.Arithmetic {
    fileprivate var line: MetaLine {
        var line = MetaLine(.arithmetic)
        line.delta = delta
        line.mode = decrements ? .decrement : nil
        line.vivifyExptime = initial?.exptime
        line.initial = initial?.number
        line.flags = [.value, .showsUnique]
        return line
    }
}
