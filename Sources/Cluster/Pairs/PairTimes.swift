/// How long members wait for one another, in microseconds.
///
/// All follow from one: how long a peer may be silent. The shorter, the sooner somebody takes a dead member's
/// place; the longer, the fewer are taken for dead who were only slow.
package struct PairTimes: Equatable, Sendable {
    /// Between two statements of a member.
    package let statement: UInt64
    /// How long a member may believe that its peer goes on waiting for it, from when it sent what was echoed.
    package let lease: UInt64
    /// What is added before anybody acts on the end of a lease: clocks do not run equally fast.
    package let margin: UInt64
    /// From then on a silent peer is given up.
    package let silence: UInt64
    /// From then on a peer that does not acknowledge is.
    package let slowness: UInt64
    /// How long a member that knows of no state of affairs waits for its peer before it serves alone.
    package let solitude: UInt64

    /// - Parameter silence: `peer_timeout`.
    package init(silence: UInt64 = 300_000, solitude: UInt64 = 30_000_000) {
        precondition(silence >= 8)
        self.silence = silence
        self.solitude = solitude
        statement = silence / 8
        lease = silence / 2
        margin = silence / 8
        slowness = silence * 3 / 4
    }
}
