import Cluster

/// One request of a client, and what it was told.
struct HistoryEntry {
    var key: [UInt8]
    var verb: ModelCommand.Verb
    var value: [UInt8]
    var member: Int
    var begin: UInt64
    /// Nil: it was never answered.
    var end: UInt64?
    /// Nil: nobody knows whether it was carried out.
    var outcome: ModelOutcome?
}

/// Whether what clients were told of one key could have come of carrying their requests out one after the other,
/// each at some moment between its beginning and its end: linearizability, by Wing's and Gong's search with
/// Lowe's memory. What was not answered may have been carried out at any time, or never.
struct HistoryCheck {
    private let entries: [HistoryEntry]
    private var seen: Set<Configuration> = []
    /// Too many changes were not answered for all that may have come of them to be looked at.
    private(set) var isUndecided = false
    private static let configurationCountMax = 100_000

    private struct Configuration: Hashable {
        /// A bit for each entry.
        private var done: [UInt64]
        var value: [UInt8]?

        init(entryCount: Int) { done = .init(repeating: 0, count: (entryCount + 63) / 64) }

        func isDone(_ place: Int) -> Bool { done[place / 64] >> UInt64(place % 64) & 1 == 1 }
        mutating func finish(_ place: Int) { done[place / 64] |= 1 << UInt64(place % 64) }
    }

    /// Of one key, in a cluster where everything was let go now and then.
    ///
    /// Members let go one after the other: what was told meanwhile says nothing, and a key that was changed meanwhile may
    /// stay. Who asked for it and was not answered knows that it is over, or does not come to be, a second later.
    init(_ entries: [HistoryEntry], flushes: [HistoryEntry]) {
        let windows = flushes.map { $0.begin...($0.end ?? $0.begin + 1_000_000) }
        let changes = entries.filter { !$0.verb.isRead }.map { $0.begin...($0.end ?? .max) }
        let flushes = zip(flushes, windows).map { flush, window in
            var flush = flush
            if changes.contains(where: { $0.overlaps(window) }) { flush.outcome = nil }
            return flush
        }
        self.init(
            entries.map { entry in
                let time = entry.begin...(entry.end ?? .max)
                guard windows.contains(where: { $0.overlaps(time) }) else { return entry }
                var entry = entry
                entry.outcome = nil
                return entry
            } + flushes)
    }

    init(_ entries: [HistoryEntry]) {
        // A read that was not answered says nothing.
        self.entries = entries.filter { $0.outcome != nil || !$0.verb.isRead }
            .sorted { $0.begin < $1.begin }
    }

    mutating func holds() -> Bool {
        search(Configuration(entryCount: entries.count))
    }

    private mutating func search(_ start: Configuration) -> Bool {
        var stack = [start]
        while let present = stack.popLast() {
            guard seen.insert(present).inserted else { continue }
            guard seen.count <= Self.configurationCountMax else {
                isUndecided = true
                return true
            }
            var earliestEnd = UInt64.max
            for (place, entry) in entries.enumerated() where !present.isDone(place) {
                guard entry.outcome != nil, let end = entry.end else { continue }
                earliestEnd = min(earliestEnd, end)
            }
            if earliestEnd == .max { return true }
            for (place, entry) in entries.enumerated()
            where !present.isDone(place) && entry.begin <= earliestEnd {
                guard let value = Self.carryOut(entry, on: present.value) else { continue }
                var next = present
                next.finish(place)
                next.value = value.isEmpty ? nil : value
                stack.append(next)
            }
        }
        return false
    }

    /// The value afterwards, empty for none; nil if what was told does not go with it.
    private static func carryOut(_ entry: HistoryEntry, on value: [UInt8]?) -> [UInt8]? {
        let told = entry.outcome?.result
        func expect(_ result: ModelOutcome.Result, _ value: [UInt8]?) -> [UInt8]? {
            told == nil || told == result ? value ?? [] : nil
        }
        switch entry.verb {
        case .get, .renew:
            guard let value else { return told == .miss ? [] : nil }
            return told == .hit && entry.outcome?.value == value ? value : nil
        case .set: return expect(.stored, entry.value)
        case .add: return value == nil ? expect(.stored, entry.value) : expect(.notStored, value)
        case .append:
            guard let value else { return expect(.notStored, nil) }
            return expect(.stored, value + entry.value)
        case .flush: return []
        case .delete: return value == nil ? expect(.notFound, nil) : expect(.deleted, nil)
        }
    }
}
