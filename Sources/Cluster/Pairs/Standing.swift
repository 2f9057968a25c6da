/// What a member is to one of its peers, in what concerns the keys that these two own.
///
///                       ┌────────── the peer has gone ──────────┐
///                       v                                       │
///     unknown ──> behind ──> together <──────────────────── alone, divided
///        │                      │   everything was compared       ^
///        │                      └── the peer was given up ────────┘
///        └── nobody there for long ──> alone
///
/// Everything is between two: there is no view of the whole cluster that members would have to agree on.
package enum Standing: UInt8, Sendable, CaseIterable {
    /// Just started: who has the newest copies is not known. Nothing is served.
    case unknown = 0
    /// The peer has newer copies, and is in charge of all.
    case behind = 1
    /// Both have the same. The first owner of a key decides, and its changes are at both before they are
    /// acknowledged.
    case together = 2
    /// The peer was given up. This member is in charge of all, also while the peer catches up.
    case alone = 3
    /// The two do not hear each other, but others hear both: each is in charge of the keys that it is the first
    /// owner of, and asks the other for the rest by way of others.
    case divided = 4
}
