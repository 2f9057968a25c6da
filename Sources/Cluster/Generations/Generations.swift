/// By which generation a member acts, and which one comes next.
///
/// One change is under way at a time. Until somebody acts by the later generation a still later one takes its place;
/// from then on it has to wait.
struct Generations: Sendable {
    let me: Int
    private(set) var acted: Generation
    /// Until all that it made of others' keys theirs is done: the one that was acted by before.
    private(set) var previous: Generation?
    /// The one that this process has acted by before the present one.
    private(set) var former: Generation?
    /// Those that are known and higher, in ascending order.
    private(set) var candidates: [Generation] = []
    /// A peer acts by a higher one that is not known here: whatever this member believes to own may be somebody else's.
    private(set) var isOutdated = false
    var isTransferred = false
    /// Nothing of this member's own waits any more.
    var isCovered = false

    private static let candidateCountMax = 4

    init(me: Int, acted: Generation, previous: Generation? = nil) {
        self.me = me
        self.acted = acted
        self.previous = previous
    }

    var phase: ChangePhase {
        if previous != nil { return isCovered ? .moved : .moving }
        if candidates.isEmpty { return .settled }
        return isTransferred ? .transferred : .transferring
    }

    var isChanging: Bool { previous != nil || !candidates.isEmpty }

    /// What is being changed to, before it is acted by.
    var next: Generation? { previous == nil ? candidates.last : nil }

    /// The highest that this member is about to act by, or does.
    var target: UInt64 { next?.number ?? acted.number }

    var span: GenerationSpan { GenerationSpan(acted: acted.number, next: target) }

    /// Those that what is shared depends on.
    var present: [Generation] { [previous, acted, next].compactMap(\.self) }

    /// Whose members have, or had, the last word on every key before the change.
    var earlier: Generation { previous ?? acted }

    /// Who is to have the keys after the change; nil if there is none.
    var later: Generation? { previous == nil ? next : acted }

    var members: MemberSet { present.reduce([]) { $0.union($1.members) } }

    /// Those of generations that may never be acted by, too.
    var knownMembers: MemberSet {
        candidates.reduce(members) { $0.union($1.members) }
    }

    func sharing(_ guests: Guests) -> Sharing {
        Sharing(me: me, generations: present, guests: guests)
    }

    /// False if it is not to be: it is not higher, or has to wait.
    ///
    /// - Parameter isActedBy: whether a peer acts by it: whatever else was under way here is over.
    mutating func add(_ new: Generation, isActedBy: Bool) -> Bool {
        guard new.number > acted.number, previous == nil || isActedBy,
            !candidates.contains(where: { $0.number == new.number })
        else { return false }
        // Those that others act by are told again.
        candidates = Array(
            (candidates + [new]).sorted { $0.number < $1.number }.suffix(Self.candidateCountMax))
        isTransferred = false
        return true
    }

    func candidate(_ number: UInt64) -> Generation? {
        candidates.first { $0.number == number }
    }

    /// A peer acts by a generation that is not known.
    mutating func noteOutdated() { isOutdated = true }

    /// From now on it is acted by.
    mutating func act(by number: UInt64) {
        guard let new = candidate(number) else { return }
        (previous, former) = (acted, acted)
        acted = new
        candidates.removeAll { $0.number <= number }
        (isTransferred, isCovered, isOutdated) = (false, false, false)
    }

    /// All is where it is to be.
    mutating func settle() {
        previous = nil
        isCovered = false
    }
}
