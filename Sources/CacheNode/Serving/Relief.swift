import SessionMap

/// Who has held a space's memory for long, by a value that does not arrive or by a reply that is not read,
/// while others need it: proven sessions that have become more, or who was refused because too much is held.
///
/// Nobody else is touched, and nobody at all while there is enough.
struct Relief {
    private let map: SessionMap

    /// A value takes no longer on its way from an application, nor a reply to it.
    static let patienceSeconds: UInt32 = 5
    /// In one turn of maintenance.
    private static let dropsPerTurn = 500

    init(of map: SessionMap) { self.map = map }

    private func shards(now: Moment) -> Set<Int> {
        Set((0..<map.shardCount).filter { map.wantsRelief(shard: $0, now: now.seconds) })
    }

    /// Asks those who have held memory for long, the longest first, until there is enough again.
    func drop(
        among sockets: some Sequence<ClientSocket>, now: Moment, _ drop: (ClientSocket) -> Void
    ) {
        var shards = shards(now: now)
        guard !shards.isEmpty else { return }
        var holders: [(since: UInt32, socket: ClientSocket)] = []
        for socket in sockets {
            guard let since = socket.heldSeconds(of: map, in: shards),
                now.seconds >= since + Self.patienceSeconds
            else { continue }
            holders.append((since, socket))
        }
        holders.sort { $0.since < $1.since }
        for holder in holders.prefix(Self.dropsPerTurn) {
            guard !shards.isEmpty else { return }
            guard holder.socket.heldSeconds(of: map, in: shards) != nil else { continue }
            drop(holder.socket)
            shards = self.shards(now: now)
        }
    }
}
