/// One side of a comparison with a peer of all that both own, until both have the later state of each key.
///
/// The member with the lower number drives. It asks for digests, one for each range of the keys' hashes, and lists
/// what it has in each range that differs; the other sends what it has later, and asks for what it has not, or
/// earlier. Nothing is concluded from something's absence: who lacks a key gets it. Changes that are made
/// meanwhile are sent beside it, on the same link.
///
///     lower   compare ->                                higher   digests ->
///     lower   list, for each range that differs ->      higher   inform ... want, for each ->
///     lower   inform ... , and when every range was asked about: exchanged ->
///     higher  exchanged ->
struct Exchange: Sendable {
    /// Counts attempts; an answer to an earlier one means nothing.
    private(set) var round: UInt32 = 0
    /// Whether it goes on.
    private(set) var isOn = false
    private let drives: Bool
    private var unanswered: Set<UInt16> = []

    /// - Parameter drives: whether this member has the lower number.
    init(drives: Bool) { self.drives = drives }

    mutating func begin() -> PeerFrame {
        isOn = true
        guard drives else { return .compare(round: 0) }
        round &+= 1
        unanswered = []
        return .compare(round: round)
    }

    mutating func stop() { isOn = false }

    /// What is to be answered, and whether everything is compared.
    mutating func take(
        _ frame: PeerFrame, _ store: some ReplicaStore, peer: Int
    ) -> (frames: [PeerFrame], isOver: Bool) {
        guard isOn else { return ([], false) }
        switch frame {
        case .compare(let round) where !drives:
            return ([.digests(round: round, store.digests(sharedWith: peer))], false)
        case .digests(let round, let theirs) where round == self.round:
            return (compare(theirs, store, peer: peer), false)
        case .list(let round, let range, let entries):
            return (answer(entries, round: round, range: range, store, peer: peer), false)
        case .want(let round, let range, let hashes) where round == self.round:
            var frames = hashes.flatMap { hash in
                store.states(hash: hash, sharedWith: peer).map { PeerFrame.inform(nil, nil, $0) }
            }
            unanswered.remove(range)
            if unanswered.isEmpty { frames.append(.exchanged(round: round)) }
            return (frames, false)
        case .exchanged(let round):
            if drives {
                guard round == self.round else { return ([], false) }
                isOn = false
                return ([], true)
            }
            isOn = false
            return ([.exchanged(round: round)], true)
        default: return ([], false)
        }
    }

    private mutating func compare(
        _ theirs: [UInt64], _ store: some ReplicaStore, peer: Int
    ) -> [PeerFrame] {
        let own = store.digests(sharedWith: peer)
        guard own.count == theirs.count else { return [] }
        let differing = own.indices.filter { own[$0] != theirs[$0] }
        unanswered = Set(differing.map(UInt16.init))
        if differing.isEmpty { return [.exchanged(round: round)] }
        return differing.map {
            .list(round: round, range: UInt16($0), store.list(range: $0, sharedWith: peer))
        }
    }

    private func answer(
        _ entries: [ListedState], round: UInt32, range: UInt16, _ store: some ReplicaStore,
        peer: Int
    ) -> [PeerFrame] {
        var theirs: [UInt64: Stamp] = [:]
        for entry in entries { theirs[entry.hash] = max(entry.stamp, theirs[entry.hash] ?? .none) }
        var wanted: [UInt64] = []
        var frames: [PeerFrame] = []
        for own in store.list(range: Int(range), sharedWith: peer) {
            let other = theirs.removeValue(forKey: own.hash) ?? .none
            if own.stamp > other {
                frames += store.states(hash: own.hash, sharedWith: peer)
                    .map { .inform(nil, nil, $0) }
            } else if own.stamp < other {
                wanted.append(own.hash)
            }
        }
        wanted += theirs.keys.sorted()
        return frames + [.want(round: round, range: range, hashes: wanted)]
    }
}
