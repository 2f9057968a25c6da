/// What a member gives a peer, and gets of it, in a change of generations: one comparison that counts, then a word.
struct Transfer: Sendable {
    /// Compared, and whatever was decided on since has gone by the same link.
    var isDone = false
    /// Since when it is not, at the latest.
    var neededSince: UInt64 = 0
    var startedAt: UInt64 = 0
    /// What the comparison under way is of.
    private var startedSpan: GenerationSpan?
    /// What the peer's is of, as it has said by the same link.
    var theirSpan = GenerationSpan.first
    private var toldSpan = GenerationSpan.first
    /// Whether this member knew everything when the comparison began, and what it could say then.
    var mayCount = false
    private var startWord: Word?
    /// The generation that was acted by when it began, if nothing was waited for any more.
    private(set) var settledAtStart: UInt64?
    /// The two did not know the same generations: what they compared says nothing.
    var isVoid = false
    /// What may be told, from when the comparison that is done began.
    private(set) var ownWord: Word?
    var isTold = false
    /// The peer's.
    var word: Word?
    /// By which generation the peer decides on what comes by this link; 0 if that is not certain.
    var agreed: UInt64 = 0

    /// What was on its way may not have come.
    ///
    /// - Parameter statement: the first by the new link.
    mutating func noteLink(_ statement: Statement, now: UInt64) {
        let isMoving = statement.phase == .moving || statement.phase == .moved
        agreed = isMoving ? 0 : statement.generation
        (theirSpan, toldSpan) = (.first, .first)
        startedSpan = nil
        isVoid = false
        need(now: now)
    }

    /// It is to be compared again, from the start.
    mutating func need(now: UInt64) {
        if isDone || neededSince == 0 { neededSince = now }
        isDone = false
        mayCount = false
    }

    /// True if the peer is to be told what it is of.
    mutating func start(
        _ span: GenerationSpan, mayCount: Bool, word: Word, isSettled: Bool, now: UInt64
    ) -> Bool {
        startedAt = now
        startedSpan = span
        self.mayCount = mayCount
        startWord = word
        settledAtStart = isSettled ? span.acted : nil
        isVoid = false
        defer { toldSpan = span }
        return toldSpan != span
    }

    /// What the comparison under way is of is dropped.
    mutating func noteDropped() { mayCount = false }

    /// The comparison is over. True if it was of all that the two own by the later of the generations that they act by; it counts
    /// for a change if it was of all by the one that comes next here.
    mutating func end(_ span: GenerationSpan) -> Bool {
        let acted = max(span.acted, theirSpan.acted)
        let agrees = startedSpan?.contains(acted) == true && theirSpan.contains(acted)
        isVoid = !agrees
        if agrees, mayCount, startedSpan?.contains(span.next) == true,
            theirSpan.contains(span.next)
        {
            isDone = true
            ownWord = startWord
            isTold = false
        }
        return agrees
    }
}
