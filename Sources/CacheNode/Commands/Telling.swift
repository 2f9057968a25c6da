import MemcacheProtocol
import SessionMap

/// Telling watchers what is done to items. Where nobody watches it costs one comparison.
///
/// Source of lines and of what is logged: memcached's logger.c and its callers. A command that changes
/// an item is told after its look-up of that item.
extension Executor {
    // MARK: Fetchers

    /// A retrieval has been answered.
    @inline(__always)
    func noteRetrieved(_ key: Span<UInt8>, _ outcome: RetrievalOutcome, now: Moment) {
        guard wants(.fetchers) else { return }
        // Of an item that is there the size is shown; nothing else is to be seen by now.
        let size = outcome == .hit ? peek(key, now: now)?.valueByteCount ?? 0 : 0
        tellLookUp(key, outcome, valueByteCount: size)
    }

    /// What a command that changes an item finds, before it does.
    struct LookUp {
        /// Nothing where there is no item.
        var valueByteCount: Int?
    }

    /// Looks an item up for watchers; nothing where nobody wants to know.
    @inline(__always)
    func noteLookUp(_ key: Span<UInt8>, now: Moment) -> LookUp? {
        guard wants(.fetchers) || wants(.deletions) else {
            return nil
        }
        return lookUp(key, now: now)
    }

    private func lookUp(_ key: Span<UInt8>, now: Moment) -> LookUp {
        var found = LookUp()
        let outcome = map.peek(key, now: now.seconds) { found.valueByteCount = $0.valueByteCount }
        if wants(.fetchers) {
            tellLookUp(key, outcome, valueByteCount: found.valueByteCount ?? 0)
        }
        return found
    }

    private func tellLookUp(
        _ key: Span<UInt8>, _ outcome: RetrievalOutcome, valueByteCount: Int
    ) {
        space.tell(.fetchers) { line in
            line.write(" type=item_get key=", key: key)
            switch outcome {
            case .hit: line.write(" status=found clsid=1")
            case .miss: line.write(" status=not_found clsid=0")
            case .flushed: line.write(" status=flushed clsid=0")
            case .expired: line.write(" status=expired clsid=0")
            case .outOfMemory: line.write(" status=found clsid=1")
            }
            line.write(" cfd=", descriptor)
            line.write(" size=", valueByteCount)
        }
    }

    // MARK: Mutations

    /// A storage command is over.
    @inline(__always)
    func noteStored(
        _ key: Span<UInt8>, _ outcome: StoreOutcome, _ request: StoreRequest,
        valueByteCount: Int, now: Moment
    ) {
        guard wants(.mutations) else { return }
        tellStored(key, outcome, request, valueByteCount: valueByteCount, now: now)
    }

    private func tellStored(
        _ key: Span<UInt8>, _ outcome: StoreOutcome, _ request: StoreRequest,
        valueByteCount: Int, now: Moment
    ) {
        // What has been stored is longer than what was sent by `append`, and lives as long as before.
        let stored = outcome == .stored ? peek(key, now: now) : nil
        let secondsLeft =
            stored.map { $0.secondsLeft }
            ?? (outcome.hasValue ? request.deadline.secondsLeft(at: now.seconds) : nil)
        space.tell(.mutations) { line in
            line.write(" type=item_store key=", key: key)
            line.write(" status=")
            line.write(outcome.logName)
            line.write(" cmd=")
            line.write(request.isCompareAndSwap ? "cas" : request.mode.logName)
            line.write(" ttl=", secondsLeft ?? 0)
            line.write(" clsid=", outcome.hasValue ? 1 : 0)
            line.write(" cfd=", descriptor)
            line.write(
                " size=", outcome.hasValue ? stored?.valueByteCount ?? valueByteCount : 0)
        }
    }

    private struct Peek {
        var valueByteCount: Int
        var secondsLeft: UInt32?
    }

    /// The item of a key, without an access to it.
    private func peek(_ key: Span<UInt8>, now: Moment) -> Peek? {
        var found: Peek?
        _ = map.peek(key, now: now.seconds) {
            found = Peek(valueByteCount: $0.valueByteCount, secondsLeft: $0.secondsLeft)
        }
        return found
    }

    // MARK: Deletions

    /// An item has been deleted. `lookUp` is what `noteLookUp` gave before.
    @inline(__always)
    func noteDeleted(_ key: Span<UInt8>, _ lookUp: LookUp?, command: StaticString) {
        guard let lookUp, wants(.deletions) else { return }
        space.tell(.deletions) { line in
            line.write(" type=deleted key=", key: key)
            line.write(" cmd=")
            line.write(command)
            line.write(" clsid=1 size=", lookUp.valueByteCount ?? 0)
        }
    }
}

extension StoreOutcome {
    /// Whether there was memory for the value, stored or not.
    fileprivate var hasValue: Bool { self != .tooLarge && self != .outOfMemory }

    fileprivate var logName: StaticString {
        switch self {
        case .stored: "stored"
        case .notStored: "not_stored"
        case .exists: "exists"
        case .notFound: "not_found"
        case .tooLarge: "too_large"
        case .outOfMemory: "no_memory"
        }
    }
}

extension StoreMode {
    fileprivate var logName: StaticString {
        switch self {
        case .set: "set"
        case .add: "add"
        case .replace: "replace"
        case .append: "append"
        case .prepend: "prepend"
        }
    }
}
