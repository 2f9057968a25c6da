import NIOCore

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
        enum Mode: Equatable, Sendable { case set, add, replace }

        var key: CacheKey
        var value: ByteBuffer
        var clientFlags: UInt32 = 0
        var exptime: Int32 = 0
        var mode: Mode = .set
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
    var value: ByteBuffer? {
        if case .store(let store) = self { store.value } else { nil }
    }

    /// Appends the command line, and the data block if it has one.
    func encode(into buffer: inout ByteBuffer, opaque: UInt64) {
        encodeLine(into: &buffer, opaque: opaque)
        guard let value else { return }
        buffer.writeImmutableBuffer(value)
        buffer.writeStaticString("\r\n")
    }

    /// Appends the command line alone.
    func encodeLine(into buffer: inout ByteBuffer, opaque: UInt64) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: RequestLine.byteCountMax) { room in
            var line = RequestLine(room)
            write(to: &line)
            if case .noop = self {} else { line.writeOpaque(opaque) }
            line.write("\r\n")
            return line.count
        }
    }

    private func write(to line: inout RequestLine) {
        switch self {
        case .get(let get): get.write(to: &line)
        case .store(let store): store.write(to: &line)
        case .delete(let delete):
            line.write("md ")
            line.write(key: delete.key)
            if let expected = delete.expected { line.write(" C", expected) }
        case .arithmetic(let arithmetic): arithmetic.write(to: &line)
        case .noop: line.write("mn")
        }
    }
}

extension NodeRequest.Get {
    fileprivate func write(to line: inout RequestLine) {
        line.write("mg ")
        line.write(key: key)
        if wantsValue { line.write(" v") }
        line.write(" f c")
        if let exptime { line.write(" T", signed: exptime) }
        // After T, so that it tells the time that T has set.
        if wantsTimeLeft { line.write(" t") }
    }
}

extension NodeRequest.Store {
    fileprivate func write(to line: inout RequestLine) {
        line.write("ms ")
        line.write(key: key)
        line.write(" ", UInt64(value.readableBytes))
        switch mode {
        case .set: break
        case .add: line.write(" ME")
        case .replace: line.write(" MR")
        }
        if clientFlags != 0 { line.write(" F", UInt64(clientFlags)) }
        if exptime != 0 { line.write(" T", signed: exptime) }
        if let expected { line.write(" C", expected) }
        if let casUnique { line.write(" E", casUnique) }
        line.write(" c")
    }
}

extension NodeRequest.Arithmetic {
    fileprivate func write(to line: inout RequestLine) {
        line.write("ma ")
        line.write(key: key)
        line.write(" D", delta)
        if decrements { line.write(" MD") }
        if let initial {
            line.write(" N", signed: initial.exptime)
            line.write(" J", initial.number)
        }
        line.write(" v c")
    }
}
