import Synchronization

/// The memcached whose place the space takes: whether it is there, and whether anything still comes from it.
extension StatisticsReading {
    /// Shown where there is one, and after it was taken out.
    func addPredecessor(to list: inout StatisticsList) {
        guard let predecessor = space.predecessor else { return }
        let (books, counts) = predecessor.state.withLock { ($0.books, $0.counts) }
        let isOver = predecessor.isOver
        func count(_ standing: PredecessorBook.Standing) -> Int {
            isOver ? 0 : books.count { $0.standing == standing }
        }
        list.text(
            "predecessor_state", isOver ? "out" : state(of: books),
            "there, late, away, given_up, or out: what is not here is looked for there")
        list.gauge("predecessor_servers", books.count, "Servers that it has")
        list.gauge("predecessor_servers_there", count(.there), "Of these, those that answer")
        list.counter("predecessor_asked", counts.asked, "Keys that were looked for there")
        list.counter("predecessor_hits", counts.hits, "Items that were found there")
        list.counter("predecessor_misses", counts.misses, "Keys that were not there either")
        list.counter("predecessor_stored", counts.stored, "Of what was found: moved to here")
        list.counter(
            "predecessor_superseded", counts.superseded,
            "Of what was found: dropped, as there was something newer here")
        list.counter(
            "predecessor_not_stored", counts.notStored,
            "Of what was found: too large for here, or there was no memory")
        list.counter(
            "predecessor_deletes", counts.cleared,
            "Keys that were deleted there, as they have moved or changed")
        list.gauge(
            "predecessor_owed", books.reduce(0) { $0 + $1.owedCount },
            "Keys that it is to be told of when it is there again; nobody asks it for them")
        list.counter(
            "predecessor_late", counts.late, "Keys for which a client has waited in vain")
        list.counter(
            "predecessor_away", counts.away,
            "Keys that were not looked for there, as it was away or late")
        let nanoseconds = NodeClock.nanoseconds()
        list.gauge(
            "predecessor_last_hit",
            counts.lastHitNanoseconds.map { Int((max(nanoseconds, $0) - $0) / 1_000_000_000) }
                ?? -1,
            "Seconds since something was found there; -1: never yet")
    }

    private func state(of books: [PredecessorBook]) -> String {
        if books.contains(where: { $0.standing == .givenUp }) { return "given_up" }
        if books.contains(where: { $0.standing != .there }) { return "away" }
        return books.contains(where: \.isLate) ? "late" : "there"
    }

    func addPredecessorSettings(to list: inout StatisticsList) {
        guard let rules = configuration.predecessor else { return }
        list.text(
            "predecessor", rules.servers.map(\.description).joined(separator: " "),
            "Where what is not here is looked for")
        list.text("predecessor_ring", rules.placementName, "How clients chose among these")
        list.gauge(
            "predecessor_timeout", rules.timeoutMilliseconds,
            "Milliseconds that a client waits for it at most")
        list.gauge(
            "predecessor_exptime", rules.unknownSeconds,
            "Seconds for items of a server that cannot tell how long they have to live")
    }
}
