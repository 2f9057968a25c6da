/// What a member keeps of keys that are not its own, while somebody is away who is to have a copy: as long as one of their owners
/// is there it only has it. It decides when none is.
///
/// Whoever decides tells it of each change as long as somebody is away, and not after that: what it has is good for nothing
/// once all were there again, and nobody drops it in the same moment. So each member says again and again with whom it has
/// everything in common, and what is older than the last such word of a key's owners does not count.
struct Guests: Sendable {
    /// On the clock of versions. An earlier process may have missed something.
    let startedAt: UInt64
    /// By who has said it and whom it has spoken of: when last it had everything in common with that one.
    private var met: [Int: [Int: UInt64]] = [:]
    /// By the hashes of keys that were only read or renewed: when their owner had nothing later, on its clock.
    private var confirmed: [UInt64: UInt64] = [:]

    private static let confirmedCountMax = 1 << 20

    init(startedAt: UInt64) { self.startedAt = startedAt }

    /// A member with which this one has everything in common says with whom it has.
    mutating func note(_ member: Int, isWith others: MemberSet, clock: UInt64) {
        for other in others.numbers {
            met[member, default: [:]][other] = max(met[member]?[other] ?? 0, clock)
        }
    }

    /// An owner has given what it has of a key, as somebody is away and it is in use.
    mutating func confirm(_ key: [UInt8], clock: UInt64) {
        guard confirmed.count < Self.confirmedCountMax else { return }
        confirmed[Operation.hash(of: key)] = clock
    }

    /// Nobody is away.
    mutating func forgetConfirmed() { if !confirmed.isEmpty { confirmed = [:] } }

    /// Whether what is here of a key may be the last that anybody has made of it.
    ///
    /// - Parameter holders: those that are to have it.
    func areValid(_ stamp: Stamp, _ key: [UInt8], _ holders: [Int]) -> Bool {
        var time = VersionClock.microseconds(of: stamp.version)
        if !confirmed.isEmpty { time = max(time, confirmed[Operation.hash(of: key)] ?? 0) }
        guard time > startedAt else { return false }
        return holders.allSatisfy { holder in
            holders.contains { $0 != holder && time > met[holder]?[$0] ?? 0 }
        }
    }
}
