/// What was carried out on keys that this member has a copy of and does not own. It counts once it stands in for all who own
/// one; and an owner that gets such a state of it has to know what has made it, or would make it once more.
struct AppliedByOthers {
    private struct Latest {
        let number: OperationNumber
        let version: UInt64
    }

    private var applied: AppliedOperations
    /// By the hashes of keys.
    private var latest = NumberTable<Latest>()
    private let countMax: Int

    init(countMax: Int) {
        self.countMax = countMax
        applied = AppliedOperations(countMax: countMax)
    }

    subscript(_ number: OperationNumber) -> Outcome? { applied[number] }

    mutating func remember(_ number: OperationNumber, _ outcome: Outcome?, _ state: KeyState) {
        applied.remember(number, outcome)
        if latest.count >= countMax { latest = NumberTable() }
        latest[Operation.hash(of: state.key)] = Latest(
            number: number, version: state.stamp.version)
    }

    /// What has made a state of a key, as far as that is remembered.
    func number(ofWhatHasMade state: KeyState) -> OperationNumber? {
        guard !latest.isEmpty, let last = latest[Operation.hash(of: state.key)],
            last.version == state.stamp.version
        else { return nil }
        return last.number
    }
}
