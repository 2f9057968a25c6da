/// Which states both of a pair have had, as far as one of them knows: what the peer brings back of these, and is not known
/// here, was deleted here, and the deletion forgotten.
struct Agreement: Sendable {
    let me: Int
    let peer: Int
    /// Until when, on the clock of versions, both have had the same; 0 if this process has not seen it.
    private(set) var until: UInt64 = 0
    /// The latest version of the peer's own changes that this member has acknowledged. They come in their order.
    private var acknowledged: UInt64 = 0
    /// When this member went on without the peer; and the same once the peer's process has turned out to have died. What it had
    /// changed by then, and this member not acknowledged, nobody was told of: it was asked of this member again, or is over.
    private var parted: UInt64 = 0
    private var died: UInt64 = 0

    init(me: Int, peer: Int) {
        self.me = me
        self.peer = peer
    }

    mutating func note(until clock: UInt64) { until = max(until, clock) }
    mutating func noteAcknowledged(_ version: UInt64) {
        if VersionClock.member(of: version) == peer { acknowledged = max(acknowledged, version) }
    }

    /// - Parameter clock: above all that the peer can have made.
    mutating func noteParted(_ clock: UInt64) { parted = clock }
    mutating func noteDied() { died = max(died, parted) }

    /// Whether this member has had a state that its peer has, or has done what that one is of.
    ///
    /// - Parameter forgotten: the time of the latest deletion that was forgotten, on the clock of versions.
    func hasHad(_ version: UInt64, forgotten: UInt64) -> Bool {
        // What both have in common may be known as far as this only.
        let common = until == 0 ? forgotten : until
        let member = VersionClock.member(of: version)
        return VersionClock.microseconds(of: version) <= common || member == me
            || member == peer
                && (version <= acknowledged || VersionClock.microseconds(of: version) <= died)
    }
}
