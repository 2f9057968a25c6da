package import Histogram

/// What went wrong, by kind. None of it is part of a latency.
package enum Fault: Int, CaseIterable, Sendable {
    /// A value of another length or with another byte.
    case wrongValue
    /// A value of a key that was not asked for.
    case wrongKey
    /// A reply that the command cannot have; the connection is of no use any more.
    case wrongReply
    /// A stored item was not there.
    case missing
    /// A deleted item was there.
    case returned
    /// An error of the server's, or a store that it did not make.
    case refused
    /// The connection ended within a reply.
    case cut
    /// The server closed the connection.
    case closed
    /// The connection failed.
    case failed
    /// No reply within the time that was given.
    case late
    /// Requests whose connection ended before their reply.
    case unanswered
    /// Requests of an open loop that were due and could not be sent until the end.
    case unsent

    package var name: String {
        switch self {
        case .wrongValue: "wrong value"
        case .wrongKey: "wrong key"
        case .wrongReply: "wrong reply"
        case .missing: "missing item"
        case .returned: "deleted item returned"
        case .refused: "refused"
        case .cut: "closed within a reply"
        case .closed: "closed"
        case .failed: "connection failed"
        case .late: "no reply in time"
        case .unanswered: "unanswered"
        case .unsent: "due but not sent"
        }
    }
}

/// What one thread has counted, or all of them together.
package final class Tally {
    package final class OfOperation {
        /// Requests with the right reply.
        package fileprivate(set) var count = 0
        package var hits = 0
        package var misses = 0
        /// Nanoseconds of right replies.
        package fileprivate(set) var latencies = Histogram<UInt64>(
            highestTrackableValue: Tally.latencyMax, numberOfSignificantValueDigits: .three)
    }

    /// Five minutes, in nanoseconds; what took longer counts as this.
    static let latencyMax: UInt64 = 300_000_000_000
    /// A tenth of a second.
    package static let slotNanoseconds: UInt64 = 100_000_000

    package private(set) var operations: [OfOperation]
    package private(set) var faultCounts = [Int](repeating: 0, count: Fault.allCases.count)
    /// Of each kind of fault the first one, in a sentence.
    package private(set) var examples: [Fault: String] = [:]
    /// Of an open loop: how long after they were due the load came to its requests, whether or not a
    /// connection was free for them. This lateness is the load's own.
    package private(set) var delays = Histogram<UInt64>(
        highestTrackableValue: Tally.latencyMax, numberOfSignificantValueDigits: .three)
    /// Right replies by the tenth of a second in which they came.
    package private(set) var slots: [UInt32] = []
    package var lostSessionCount = 0
    package var sentByteCount = 0
    package var receivedByteCount = 0
    /// Right replies since the very beginning.
    private(set) var rightCount = 0
    /// Since when requests and replies are counted; not at all before it is set. Faults always are.
    var start: UInt64?

    package init() { operations = Operation.allCases.map { _ in OfOperation() } }

    package subscript(operation: Operation) -> OfOperation { operations[operation.rawValue] }

    package var requestCount: Int { operations.reduce(0) { $0 + $1.count } }

    @inline(__always)
    func noteRight(_ operation: Operation, since: UInt64, at now: UInt64) {
        rightCount += 1
        guard let start else { return }
        let one = operations[operation.rawValue]
        one.count += 1
        one.latencies.record(min(now > since ? now - since : 0, Self.latencyMax))
        let slot = Int((now - start) / Self.slotNanoseconds)
        while slots.count <= slot { slots.append(0) }
        slots[slot] += 1
    }

    func noteDealt(due: UInt64, at now: UInt64) {
        guard start != nil else { return }
        delays.record(min(now > due ? now - due : 0, Self.latencyMax))
    }

    @inline(__always)
    func noteFound(_ operation: Operation, hits: Int, misses: Int) {
        guard start != nil else { return }
        operations[operation.rawValue].hits += hits
        operations[operation.rawValue].misses += misses
    }

    /// - Parameter example: is only made for the first one of a kind.
    func note(_ fault: Fault, count: Int = 1, _ example: @autoclosure () -> String) {
        guard count > 0 else { return }
        faultCounts[fault.rawValue] += count
        if examples[fault] == nil { examples[fault] = example() }
    }

    var hasFaults: Bool { !examples.isEmpty }

    package func count(of fault: Fault) -> Int { faultCounts[fault.rawValue] }

    func add(_ other: Tally) {
        for (mine, its) in zip(operations, other.operations) {
            mine.count += its.count
            mine.hits += its.hits
            mine.misses += its.misses
            mine.latencies.add(its.latencies)
        }
        for fault in Fault.allCases { faultCounts[fault.rawValue] += other.count(of: fault) }
        delays.add(other.delays)
        examples.merge(other.examples) { first, _ in first }
        while slots.count < other.slots.count { slots.append(0) }
        for (slot, count) in other.slots.enumerated() { slots[slot] += count }
        lostSessionCount += other.lostSessionCount
        sentByteCount += other.sentByteCount
        receivedByteCount += other.receivedByteCount
    }
}
