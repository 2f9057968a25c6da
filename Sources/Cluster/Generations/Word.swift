/// What a member tells another one once it acts by a later generation, behind all that it has decided on by the earlier
/// one: it decides nothing by that any more.
package struct Word: Equatable, Sendable {
    /// The one that is acted by.
    package var generation: UInt64
    /// Whether what the sender had decided on was there to be given. Not where it was dropped: all who were there had it.
    package var isWhole: Bool
    /// Whether nothing waits at the sender any more: it has all that it owns by this generation.
    package var hasAll: Bool
    /// Whose word the sender has itself: what these had decided on is where the sender could give it on.
    package var has: MemberSet
    /// Whom the sender has given up: of keys that it owned together with one of these it has the last word.
    package var without: MemberSet
    /// See `ReplicaStore.forgotten`.
    package var forgotten: UInt64

    package init(
        generation: UInt64, isWhole: Bool = true, hasAll: Bool = false,
        has: MemberSet = [], without: MemberSet = [], forgotten: UInt64 = 0
    ) {
        self.generation = generation
        self.isWhole = isWhole
        self.hasAll = hasAll
        self.has = has
        self.without = without
        self.forgotten = forgotten
    }

    /// Whether the sender has what somebody had decided on of the keys that the sender owns by this generation.
    func covers(_ owner: Int) -> Bool { hasAll || has.contains(owner) }

    /// The same of the keys that it owned together with that one before.
    func coversAsBefore(_ owner: Int) -> Bool {
        isWhole && (has.contains(owner) || without.contains(owner))
    }

    /// What was said by one process is still so: both count.
    func merged(with earlier: Word?) -> Word {
        guard let earlier, earlier.generation == generation else { return self }
        return Word(
            generation: generation, isWhole: isWhole || earlier.isWhole,
            hasAll: hasAll || earlier.hasAll, has: has.union(earlier.has),
            without: without.union(earlier.without),
            forgotten: max(forgotten, earlier.forgotten))
    }
}
