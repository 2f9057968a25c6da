/// Which of two states of a key is the later one: the one that began later, of those that began together the
/// one that was changed later. The whole rule by which copies are merged.
///
/// A deletion begins a new state of affairs, and overwriting does not: so a deletion beats every overwrite that
/// did not know of it, whatever the clocks of the nodes say, and a login under the same key beats the deletion.
/// The order is total, so it does not matter in which order states arrive, or how often.
package struct Stamp: Hashable, Sendable {
    /// Seconds since 2025 when this incarnation of the key began: a value where there was none, or a deletion.
    package var birth: UInt32
    /// See `VersionClock`.
    package var version: UInt64

    package init(birth: UInt32, version: UInt64) {
        self.birth = birth
        self.version = version
    }

    /// Above all that was made up to this moment, in microseconds since 2025, whoever made it.
    package init(endOf microseconds: UInt64) {
        version = VersionClock.last(of: microseconds)
        birth = VersionClock.birth(of: version)
    }

    /// Before every other: of a key that nothing is known of.
    package static let none = Stamp(birth: 0, version: 0)
}

extension Stamp: Comparable {
    package static func < (first: Stamp, second: Stamp) -> Bool {
        (first.birth, first.version) < (second.birth, second.version)
    }
}
