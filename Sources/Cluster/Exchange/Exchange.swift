/// One side of a comparison with a peer of all that both own, until both have the later state of each key.
///
/// The member with the lower number drives. It asks for digests, one for each range of the keys' hashes, and lists
/// what it has in each range that differs, a few ranges at a time; the other sends what it has later, and asks for
/// what it has not, or earlier. Nothing is concluded from something's absence: who lacks a key gets it. Changes
/// that are made meanwhile are sent beside it, on the same link; so what was surveyed need not be up to date.
///
///     lower   compare ->                                higher   digests ->
///     lower   list, for each range that differs ->      higher   inform ... want, for each ->
///     lower   inform ... , and when every range was asked about: exchanged ->
///     higher  exchanged ->
struct Exchange: Sendable {
    enum Step {
        case send(PeerFrame)
        /// What is there is to be surveyed, from now on, and told with this number.
        case survey(number: UInt32)
        /// Everything is compared.
        case isOver
    }

    /// Ranges under way at a time: what waits in memory to be sent is bounded, and the link is never idle.
    private static let windowCount = 4

    /// So many states are sent as fast as the link takes them: what was missed in a short absence.
    private static let freeStateCount = 4_000
    /// The same in each millisecond from then on, to who has lost all of a large memory: beside what clients ask for.
    static let statesPerMillisecond = 30
    /// The same of all together, to or from who comes or goes: that has more time.
    static let statesPerMillisecondOfChange = 36
    /// A peer has no more frames under way than this.
    private static let waitingCountMax = 64

    /// Counts attempts; an answer to an earlier one means nothing.
    private(set) var round: UInt32 = 0
    /// Whether it goes on.
    private(set) var isOn = false
    private let drives: Bool
    private var surveyNumber: UInt32 = 0
    private var survey: Survey?
    /// The peer's, until the survey is there.
    private var theirs: [UInt64]?
    /// Ranges that differ and were not listed yet, the next one last.
    private var differing: [UInt16] = []
    private var unanswered: Set<UInt16> = []
    /// How many states may be sent now; what is below 0 is waited for.
    private var credit = Self.freeStateCount
    /// The peer's frames that ask for states when enough have been sent for now.
    private var waiting: [PeerFrame] = []

    /// - Parameter drives: whether this member has the lower number.
    init(drives: Bool) { self.drives = drives }

    mutating func begin() -> [Step] {
        reset()
        isOn = true
        guard drives else { return [.send(.compare(round: 0))] }
        round &+= 1
        return [.survey(number: surveyNumber), .send(.compare(round: round))]
    }

    mutating func stop() { reset() }

    private mutating func reset() {
        isOn = false
        surveyNumber &+= 1
        survey = nil
        theirs = nil
        differing = []
        unanswered = []
        credit = Self.freeStateCount
        waiting = []
    }

    /// Whether something is to be sent as soon as time has gone by.
    var isPaced: Bool { !waiting.isEmpty }

    /// Goes on with what waits, as time has gone by.
    ///
    /// - Parameter rate: of states in a millisecond.
    mutating func goOn(microseconds: UInt64, rate: Int, _ store: some ReplicaStore) -> [Step] {
        guard isPaced || credit < 0 else { return [] }
        let most = rate * Int(min(microseconds, 100_000)) / 1_000
        credit = min(Self.freeStateCount, credit + most)
        var steps: [Step] = []
        while credit > 0, !waiting.isEmpty { steps += respond(to: waiting.removeFirst(), store) }
        return steps
    }

    /// A survey is there, which began after it was asked for.
    mutating func take(_ survey: Survey, number: UInt32) -> [Step] {
        guard isOn, number == surveyNumber else { return [] }
        self.survey = survey
        guard drives else { return [.send(.digests(round: round, survey.digests))] }
        return theirs == nil ? [] : compare()
    }

    /// What follows from a frame of the peer's.
    mutating func take(_ frame: PeerFrame, _ store: some ReplicaStore) -> [Step] {
        if case .compare(let round) = frame {
            // The peer begins anew, whatever is known here.
            guard !drives else { return begin() }
            reset()
            isOn = true
            self.round = round
            return [.survey(number: surveyNumber)]
        }
        guard isOn else { return [] }
        switch frame {
        case .digests(let round, let digests) where drives && round == self.round:
            guard digests.count == Survey.rangeCount else { return [] }
            theirs = digests
            return survey == nil ? [] : compare()
        case .list(let round, _, _) where !drives && round == self.round,
            .want(let round, _, _) where drives && round == self.round:
            guard credit > 0 && waiting.isEmpty || waiting.count == Self.waitingCountMax else {
                waiting.append(frame)
                return []
            }
            return respond(to: frame, store)
        case .exchanged(let round) where round == self.round:
            reset()
            return drives ? [.isOver] : [.send(.exchanged(round: round)), .isOver]
        default: return []
        }
    }

    /// Sends the states that a frame asks for.
    private mutating func respond(to frame: PeerFrame, _ store: some ReplicaStore) -> [Step] {
        let informs: [Step]
        let others: [Step]
        switch frame {
        case .list(_, let range, let entries):
            (informs, others) = answer(entries, range: range, store)
        case .want(_, let range, let hashes):
            guard unanswered.remove(range) != nil else { return [] }
            (informs, others) = (inform(range, hashes, store), listNext())
        default: return []
        }
        credit -= informs.count
        return informs + others
    }

    private mutating func compare() -> [Step] {
        guard let theirs, let survey else { return [] }
        differing = theirs.indices.reversed().filter { survey.digests[$0] != theirs[$0] }
            .map { UInt16(truncatingIfNeeded: $0) }
        return listNext()
    }

    private mutating func listNext() -> [Step] {
        var steps: [Step] = []
        while unanswered.count < Self.windowCount, let range = differing.popLast() {
            unanswered.insert(range)
            let entries = survey?.states(in: Int(range)) ?? []
            steps.append(
                .send(
                    .list(
                        round: round, range: range,
                        entries.map { ListedState(hash: $0.hash, stamp: $0.stamp) })))
        }
        if unanswered.isEmpty { steps.append(.send(.exchanged(round: round))) }
        return steps
    }

    private func inform(
        _ range: UInt16, _ hashes: [UInt64], _ store: some ReplicaStore
    ) -> [Step] {
        let found = survey?.states(in: Int(range), hashes: hashes) ?? []
        return found.flatMap { store.states(of: $0) }.map { .send(.inform(nil, nil, $0)) }
    }

    private func answer(
        _ entries: [ListedState], range: UInt16, _ store: some ReplicaStore
    ) -> (informs: [Step], want: [Step]) {
        var theirs: [UInt64: Stamp] = [:]
        for entry in entries { theirs[entry.hash] = max(entry.stamp, theirs[entry.hash] ?? .none) }
        var wanted: [UInt64] = []
        var steps: [Step] = []
        for own in survey?.states(in: Int(range)) ?? [] {
            let other = theirs.removeValue(forKey: own.hash) ?? .none
            if own.stamp > other {
                steps += store.states(of: own).map { .send(.inform(nil, nil, $0)) }
            } else if own.stamp < other {
                wanted.append(own.hash)
            }
        }
        wanted += theirs.keys.sorted()
        return (steps, [.send(.want(round: round, range: range, hashes: wanted))])
    }
}
