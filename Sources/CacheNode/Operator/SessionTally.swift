import SessionValues

/// What a walk over sessions has come across.
struct SessionTally {
    /// Users of their own count beyond this many are counted together.
    static let userCountMax = 100_000
    /// So many values are looked at for what they are like.
    static let kindSampleCount = 4_096

    var itemCount = 0
    var valueByteCount = 0
    var foundCount = 0
    var foundByteCount = 0
    /// Values that are whole and name nobody.
    var withoutUser = 0
    var withUser = 0
    var unreadable = [Int](repeating: 0, count: ValueTrouble.allCases.count)
    /// Of the first values in which nobody was found.
    var kinds = [Int](repeating: 0, count: ValueKind.allCases.count)
    /// What would have been found, and is newer than the question.
    var createdSince = 0
    /// Nobody knows how old it is.
    var ageUnknown = 0

    var endedCount = 0
    /// Ended by somebody else meanwhile, or by itself.
    var goneCount = 0
    /// Another node has a later one, and finds it there.
    var changedElsewhere = 0
    /// Nobody knows, or the cluster takes no changes.
    var failedCount = 0

    /// Of the copies of a session one counts.
    var countedCount = 0
    var users: [[UInt8]: Int] = [:]
    /// Of users that are too many to be counted each.
    var sessionsOfFurtherUsers = 0

    mutating func note(_ trouble: ValueTrouble) { unreadable[trouble.rawValue] += 1 }

    var wantsKind: Bool { kinds.reduce(0, +) < Self.kindSampleCount }
    mutating func note(_ kind: ValueKind) { kinds[kind.rawValue] += 1 }

    mutating func count(_ user: [UInt8]) {
        if users[user] != nil || users.count < Self.userCountMax {
            users[user, default: 0] += 1
        } else {
            sessionsOfFurtherUsers += 1
        }
    }

    var unreadableCount: Int { unreadable.reduce(0, +) }

    func add(to line: inout ResultLine) {
        line.add("looked_at", itemCount)
        line.add("value_bytes", valueByteCount)
        line.add("found", foundCount)
        line.add("found_bytes", foundByteCount)
        line.add("with_user", withUser)
        line.add("without_user", withoutUser)
        line.add(
            "unreadable",
            ValueTrouble.allCases.map { ($0.name, unreadable[$0.rawValue]) }.filter { $0.1 > 0 })
        line.add(
            "kinds", ValueKind.allCases.map { ($0.name, kinds[$0.rawValue]) }.filter { $0.1 > 0 })
        line.add("created_since", createdSince)
        line.add("age_unknown", ageUnknown)
    }

    func addCounts(to line: inout ResultLine) {
        line.add("counted", countedCount)
        line.add("users", users.count)
        line.add("sessions_of_further_users", sessionsOfFurtherUsers)
    }

    func addEnds(to line: inout ResultLine) {
        line.add("ended", endedCount)
        line.add("gone", goneCount)
        line.add("changed_elsewhere", changedElsewhere)
        line.add("failed", failedCount)
    }
}
