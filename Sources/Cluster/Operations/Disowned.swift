/// What a member has made of keys, and could not bring to their other owners: these are asked to make it. It stays here, and may
/// become what all have when the members compare: then it was made, and must not be made once more.
struct Disowned {
    struct Entry {
        let number: OperationNumber
        let made: Operation.Result
        /// Who did not have it.
        let peer: Int
    }

    private var byKey: [[UInt8]: Entry] = [:]
    /// What is older has been answered long ago.
    private static let countMax = 256

    var isEmpty: Bool { byKey.isEmpty }

    subscript(key: [UInt8]) -> Entry? { byKey.isEmpty ? nil : byKey[key] }

    mutating func insert(_ entry: Entry) {
        if byKey.count >= Self.countMax { byKey = [:] }
        byKey[entry.made.state.key] = entry
    }

    mutating func remove(_ key: [UInt8]) { byKey[key] = nil }

    /// Those that somebody says yes to.
    mutating func take(where isTaken: (Entry) -> Bool) -> [Entry] {
        guard !byKey.isEmpty else { return [] }
        let taken = byKey.values.filter(isTaken)
        for entry in taken { byKey[entry.made.state.key] = nil }
        return taken.sorted { $0.number.bits < $1.number.bits }
    }
}
