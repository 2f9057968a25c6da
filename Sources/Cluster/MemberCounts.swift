/// What a member has been through, for an operator.
package struct MemberCounts: Sendable {
    /// Changes that were acknowledged while the other owner was away.
    package var singleCopies: UInt64 = 0
    /// Requests that were carried out for owners none of whom was there.
    package var standIns: UInt64 = 0
    /// Changes that were refused, as others might not hear of them.
    package var refusals: UInt64 = 0
    /// Changes of this side of a partition that gave way to later ones of the other side.
    package var lostChanges: UInt64 = 0
    /// Requests that had to wait until it was known who decides.
    package var parked: UInt64 = 0
    /// Reads that went a second way, as nothing came by the first one.
    package var reroutes: UInt64 = 0
    /// Requests for which the other owner was asked, as the item may have been evicted here, and how often it was there.
    package var fetches: UInt64 = 0
    package var faultedIn: UInt64 = 0
    /// Notes on items that were read, or are to live longer.
    package var notesSent: UInt64 = 0
    package var notesApplied: UInt64 = 0
    /// Of those, items that had been evicted here and were fetched.
    package var notesRepaired: UInt64 = 0
    /// How often a peer did not acknowledge in time, though it talked.
    package var slowPeers: UInt64 = 0
    /// How often a peer was not waited for any longer after the start.
    package var servedAlone: UInt64 = 0
    /// How long peers took to acknowledge changes.
    package var acknowledgements = Durations()

    package init() {}
}
