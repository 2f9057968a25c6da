/// What a member tells each peer of its standing towards it, again and again: a beat.
package struct Statement: Equatable, Sendable {
    /// The sender's process: another one than before means that the earlier one has died.
    package var process: UInt64
    /// The sender's clock, in microseconds; it means nothing to anybody else, but goes up.
    package var time: UInt64
    /// The receiver's clock, as the sender has heard it last from it; 0 for never. No echo is a promise: for a
    /// lease, counted from this time, the sender will not act as if the receiver were gone.
    package var echo: UInt64
    package var standing: Standing
    /// Whether everything that the sender's standing asks for has been compared with the receiver.
    package var isReady: Bool
    /// Since when, on its clock, the sender has acknowledged nothing that the receiver has not; 0 if it does not
    /// wait for the receiver.
    package var waitsSince: UInt64
    /// Whom the sender hears.
    package var hears: MemberSet
    /// The highest that the sender's versions have come to, in microseconds since 2025.
    package var clock: UInt64
    /// By how much that is above what the sender's machine believes. For operators: nothing depends on it.
    package var clockLeadMilliseconds: UInt32
    /// Everything before it is gone.
    package var flushed: Stamp
    /// Up to when, on the clock of versions, the receiver has every change that the sender has decided on.
    package var agreed: UInt64
    /// With whom the sender has everything in common.
    package var isWith: MemberSet = []
    /// Whether it has decided for owners that were away, and may not have given everything back.
    package var isStandingIn = false
    /// Whether it can keep what others own. Not where the link is of a version that has no words for it.
    package var canKeep = true
    /// The generation that the sender acts by, the one that comes next, or the same, and how far it has come.
    package var generation: UInt64 = 1
    package var next: UInt64 = 1
    package var phase = ChangePhase.settled

    package init(
        process: UInt64, time: UInt64, echo: UInt64 = 0, standing: Standing, isReady: Bool = false,
        waitsSince: UInt64 = 0, hears: MemberSet = [], clock: UInt64 = 0,
        clockLeadMilliseconds: UInt32 = 0, flushed: Stamp = .none, agreed: UInt64 = 0
    ) {
        self.process = process
        self.time = time
        self.echo = echo
        self.standing = standing
        self.isReady = isReady
        self.waitsSince = waitsSince
        self.hears = hears
        self.clock = clock
        self.clockLeadMilliseconds = clockLeadMilliseconds
        self.flushed = flushed
        self.agreed = agreed
    }
}
