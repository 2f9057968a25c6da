import Cluster

/// How this node stands to the other members, as it was published last, and since when it is behind any.
struct PeerStandings {
    private var standings: [Int: Standing] = [:]
    private var isBehindSince: UInt64?
    /// How long it took to catch up, the last time.
    private(set) var catchUpMilliseconds: UInt64 = 0

    /// Lets workers know what they may read.
    ///
    /// - Parameter belongs: whether a member is one by the definition that is acted by.
    /// - Returns: how many members this node has taken over from.
    mutating func publish(
        _ member: Member, to gates: ReadGates, now: UInt64, belongs: (Int) -> Bool
    ) -> Int {
        var isBehind = false
        var takeoverCount = 0
        var openUntil = UInt64.max
        let peers = member.peers
        for gone in standings.keys where !peers.contains(gone) {
            standings[gone] = nil
            for isFirst in [false, true] { gates.set(peer: gone, isFirst: isFirst, until: 0) }
        }
        for peer in peers {
            let standing = member.standing(to: peer)
            if standing == .unknown || standing == .behind, belongs(peer) { isBehind = true }
            if standing == .alone, standings[peer] == .together { takeoverCount += 1 }
            standings[peer] = standing
            for isFirst in [false, true] {
                let time = member.readableUntil(with: peer, isFirst: isFirst)
                gates.set(peer: peer, isFirst: isFirst, until: time)
                openUntil = min(openUntil, time)
            }
        }
        gates.setAll(until: openUntil, isEverybodyHere: member.isEverybodyHere)
        note(isBehind: isBehind, now: now)
        return takeoverCount
    }

    private mutating func note(isBehind: Bool, now: UInt64) {
        if isBehind {
            isBehindSince = isBehindSince ?? now
        } else if let since = isBehindSince {
            catchUpMilliseconds = (now - since) / 1_000
            isBehindSince = nil
        }
    }
}
