/// How far a member has come from one generation to the next.
///
///     settled ──> transferring <──> transferred ──> moving ──> moved ──> settled
///                 └─ acts by the earlier one ──┘    └─ by the later one ─┘
package enum ChangePhase: UInt8, Sendable, CaseIterable {
    /// No change is under way.
    case settled = 0
    /// The later generation is known, and not everything is where it is to be.
    case transferring = 1
    /// All that this member owns by either generation was compared with all who are there.
    case transferred = 2
    /// What had other owners waits until these have said that they decide no more.
    case moving = 3
    /// Nothing waits any more; others may.
    case moved = 4

    /// Whether everything is where it is to be by the generation that is acted by.
    var isSettled: Bool { self != .moving && self != .moved }
}
