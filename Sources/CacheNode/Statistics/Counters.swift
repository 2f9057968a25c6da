import Synchronization

/// What a worker counts of a space; the pages say by which names that is shown.
enum Counter: Int, CaseIterable, Sendable {
    case totalConnections, idleKicks
    /// Connections whose peers took nothing of what they were owed.
    case outputTimeouts
    /// Values on their way that were given up, and connections closed, because others needed their memory.
    case holdersDropped
    case bytesRead, bytesWritten
    case getCommands, setCommands, flushCommands, touchCommands, metaCommands
    case getHits, getMisses, getExpired, getFlushed
    case deleteHits, deleteMisses
    case incrHits, incrMisses, decrHits, decrMisses
    case casHits, casMisses, casBadValue
    case touchHits, touchMisses
    case storeTooLarge, storeNoMemory
    case connectionYields
    // Of `-Y`, and how many connections did not log in in time.
    case logins, failedLogins, loginTimeouts
    /// Large values that were not sent, because too much memory was pinned already.
    case repliesWithoutMemory
    // Of TLS. A client that only looks whether the port is open is no error.
    case tlsNewSessions, tlsResumedSessions
    case tlsHandshakeErrors, tlsHandshakeTimeouts, tlsClearTextClients
    case tlsProtocolErrors, tlsCutOffs
    // Of the operator's socket.
    case operatorCommands, sessionsLookedAt, sessionsRevoked
    // Of `-o lock_keys`: those that an add has taken, and those that were deleted.
    case locksBorn, locksDeleted
}

/// One worker's counters of a space: written by that worker alone, read by any thread.
///
/// A count is a relaxed load and a relaxed store, which costs what an ordinary addition costs;
/// `stats reset` therefore does not write here, it takes the present values for the new zero.
///
/// `@unchecked Sendable`: the memory is reached through atomic operations only, and is immutable in
/// place and size.
final class Counters: @unchecked Sendable {
    private let values: UnsafeMutablePointer<Atomic<UInt64>>

    init() {
        values = .allocate(capacity: Counter.allCases.count)
        for counter in Counter.allCases { (values + counter.rawValue).initialize(to: Atomic(0)) }
    }

    deinit {
        values.deinitialize(count: Counter.allCases.count)
        values.deallocate()
    }

    /// Called by the owning worker only.
    @inline(__always)
    func add(_ counter: Counter, _ amount: Int = 1) {
        let value = values[counter.rawValue].load(ordering: .relaxed)
        values[counter.rawValue].store(
            value &+ UInt64(truncatingIfNeeded: amount), ordering: .relaxed)
    }

    func value(_ counter: Counter) -> UInt64 {
        values[counter.rawValue].load(ordering: .relaxed)
    }
}
