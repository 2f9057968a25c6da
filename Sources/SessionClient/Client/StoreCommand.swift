import MemcacheProtocol

/// A store, whatever becomes of it.
struct StoreCommand: Sendable {
    enum Mode: Sendable {
        case set, add, replace
        /// An `add` under a key that nobody has used before.
        case addFresh
        case compareAndSet(expected: UInt64)
    }

    var mode: Mode
    var key: CacheKey
    var value: [UInt8]
    var clientFlags: UInt32
    var exptime: Int32

    var request: NodeRequest {
        var store = NodeRequest.Store(
            key: key, value: value, clientFlags: clientFlags, exptime: exptime)
        switch mode {
        case .set: break
        case .add, .addFresh: store.mode = .add
        case .replace: store.mode = .replace
        case .compareAndSet(let expected): store.expected = expected
        }
        return .store(store)
    }

    var metric: ClientMetrics.Command {
        switch mode {
        case .set: .set
        case .add, .addFresh: .add
        case .replace: .replace
        case .compareAndSet: .compareAndSet
        }
    }
}

enum StoreOutcome: Equatable, Sendable {
    /// With the item's CAS unique.
    case stored(UInt64)
    /// There is an item, and there should be none.
    case present
    /// There is no item.
    case absent
    /// The item is another than was expected.
    case changed

    init(_ reply: NodeReply, to mode: StoreCommand.Mode) throws(CacheError) {
        switch (reply.status, mode) {
        case (.done, _): self = .stored(reply.casUnique ?? 0)
        case (.notStored, .add), (.notStored, .addFresh): self = .present
        case (.notStored, .replace), (.notFound, _): self = .absent
        case (.exists, _): self = .changed
        default: throw CacheError(.protocolViolation, reason: "\(reply.status) to a store")
        }
    }
}
