/// A request that is under way at one member.
final class Operation {
    enum Origin: Equatable {
        case client(UInt64)
        case peer(Int)
        /// Who has asked was hung up on.
        case nobody

        var peer: Int? {
            if case .peer(let peer) = self { peer } else { nil }
        }
    }

    enum Progress: Equatable {
        /// Until it is known who decides.
        case parked
        /// Until what is under way for its key is over.
        case queued
        case forwarded(to: Int)
        /// What it needs may be at the other owner alone.
        case fetching(from: Int)
        /// Carried out here; others have to have it, too.
        case replicating(Replications)
        /// Carried out here, and refused by the peer, which is asked for what it has: then it is carried out once more.
        case refused(by: Int)
    }

    struct Replication: Equatable {
        var peer: Int
        var sequence: UInt32
    }

    /// One, or two where there are three copies.
    struct Replications: Equatable {
        var first: Replication
        var second: Replication?

        var peers: (Int, Int?) { (first.peer, second?.peer) }

        func contains(_ peer: Int) -> Bool { first.peer == peer || second?.peer == peer }

        /// Those that are left once a peer has it, or is not waited for any more; nil for none.
        func without(_ peer: Int) -> Replications? {
            guard first.peer == peer else {
                return second?.peer == peer ? Replications(first: first) : self
            }
            return second.map { Replications(first: $0) }
        }
    }

    /// What it has come to here.
    struct Result {
        var outcome: Outcome
        var state: KeyState
    }

    let request: Request
    var origin: Origin
    var hops: UInt8
    var deadline: UInt64
    fileprivate(set) var progress = Progress.parked
    var sentAt: UInt64 = 0
    /// Since when it is known here.
    let beganAt: UInt64
    /// Somebody was asked whether it has been carried out already.
    var hasAsked = false
    /// And has not answered.
    var isAsking = false
    /// Who could do nothing with it: somebody else comes first the next time.
    var declinedBy: Int?
    /// All of these.
    var decliners: MemberSet = []
    var hasParked = false
    /// Whoever it was sent to may have carried it out, or still do, and cannot say so.
    var mayBeMade = false
    /// The other owner was asked for what may have been evicted here.
    var hasFetched = false
    /// What the other owner had that was later than what it was made of.
    var refusal: Stamp?
    /// Keys with one hash wait for each other as if they were one.
    private(set) lazy var keyHash = Self.hash(of: request.key)
    /// What it made of the key when it was carried out here, if that is not at both owners.
    var made: Result?
    /// By which generation it was carried out here.
    var generation: UInt64 = 0

    /// - Parameter budget: for how long it may be under way here.
    init(
        _ request: Request, from origin: Origin, hops: UInt8 = 0, budget: UInt64, now: UInt64
    ) {
        self.request = request
        self.origin = origin
        self.hops = hops
        beganAt = now
        deadline = now + budget
    }

    /// Who does not have yet what it made of its key here: the first of them.
    var peer: Int? {
        switch progress {
        case .replicating(let replications): replications.first.peer
        case .refused(let peer): peer
        case .parked, .queued, .forwarded, .fetching: nil
        }
    }

    static func hash(of key: [UInt8]) -> UInt64 {
        var hasher = Hasher()
        key.withUnsafeBytes { hasher.combine(bytes: $0) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}

/// Everything that is under way at one member: by its number, by the sequence that the peer acknowledges, and by
/// the key that is changed.
///
/// Of the changes of one key one is under way at a time; what comes behind it waits in the order in which it came.
struct Operations {
    private var all = NumberTable<Operation>()
    private var bySequence = NumberTable<Operation>()
    private var byKey = NumberTable<Operation>()
    private var queues: [UInt64: [OperationNumber]] = [:]
    private var sequences = PeerTable<UInt32>()

    private struct PeerSequence {
        let bits: UInt64

        init(bits: UInt64) { self.bits = bits }
        init(_ peer: Int, _ sequence: UInt32) { bits = UInt64(peer) << 32 | UInt64(sequence) }
        init(_ replication: Operation.Replication) {
            self.init(replication.peer, replication.sequence)
        }
        var peer: Int { Int(bits >> 32) }
        var sequence: UInt32 { UInt32(truncatingIfNeeded: bits) }
    }

    subscript(_ number: OperationNumber) -> Operation? { all[number.bits] }

    var count: Int { all.count }
    var isEmpty: Bool { all.isEmpty }

    mutating func insert(_ operation: Operation) { all[operation.request.number.bits] = operation }

    mutating func move(_ operation: Operation, to progress: Operation.Progress) {
        leave(operation)
        operation.progress = progress
        switch progress {
        case .replicating(let replications):
            bySequence[PeerSequence(replications.first).bits] = operation
            if let second = replications.second {
                bySequence[PeerSequence(second).bits] = operation
            }
            byKey[operation.keyHash] = operation
        case .refused: byKey[operation.keyHash] = operation
        case .parked, .queued, .forwarded, .fetching: break
        }
    }

    mutating func remove(_ number: OperationNumber) -> Operation? {
        guard let operation = all.remove(number.bits) else { return nil }
        leave(operation)
        return operation
    }

    private mutating func leave(_ operation: Operation) {
        switch operation.progress {
        case .replicating(let replications):
            bySequence[PeerSequence(replications.first).bits] = nil
            if let second = replications.second { bySequence[PeerSequence(second).bits] = nil }
        case .refused: break
        case .parked, .queued, .forwarded, .fetching: return
        }
        if byKey[operation.keyHash] === operation { byKey[operation.keyHash] = nil }
    }

    // MARK: By key

    /// Whether a change of a key with this hash is not at the peer yet: a read would show what may still be lost.
    func isUnsettled(_ keyHash: UInt64) -> Bool { !byKey.isEmpty && byKey[keyHash] != nil }

    /// What is under way and has made a state that is not everywhere yet.
    func maker(of state: KeyState) -> Operation? {
        guard !byKey.isEmpty, let operation = byKey[Operation.hash(of: state.key)],
            operation.made?.state.stamp == state.stamp
        else { return nil }
        return operation
    }

    /// Lets it wait until its key is settled.
    mutating func queue(_ operation: Operation) {
        move(operation, to: .queued)
        queues[operation.keyHash, default: []].append(operation.request.number)
    }

    /// What waited for a key, in the order in which it came.
    mutating func takeQueue(of keyHash: UInt64) -> [OperationNumber] {
        queues.isEmpty ? [] : queues.removeValue(forKey: keyHash) ?? []
    }

    /// Whether something is not at the other owner yet that was carried out by an earlier generation.
    func areUnsettled(before generation: UInt64) -> Bool {
        !byKey.isEmpty && byKey.values.contains { $0.generation < generation }
    }

    // MARK: By sequence

    mutating func nextSequence(_ peer: Int) -> UInt32 {
        let sequence = (sequences[peer] ?? 0) &+ 1
        sequences[peer] = sequence
        return sequence
    }

    /// What waits for a peer to acknowledge this.
    func replication(_ sequence: UInt32, by peer: Int) -> (Operation, Operation.Result)? {
        guard let operation = bySequence[PeerSequence(peer, sequence).bits],
            let made = operation.made
        else { return nil }
        return (operation, made)
    }

    /// Changes of a key that were not made here, and may have been by somebody else.
    func doubtful(of key: [UInt8]) -> [Operation] {
        all.values.filter { $0.mayBeMade && !$0.request.isRead && $0.made == nil }
            .filter { $0.request.key == key }.sorted {
                $0.request.number.bits < $1.request.number.bits
            }
    }

    /// The peer has it. True if nobody else is waited for.
    mutating func acknowledged(_ operation: Operation, by peer: Int) -> Bool {
        guard case .replicating(let replications) = operation.progress,
            let left = replications.without(peer)
        else { return true }
        if left != replications { move(operation, to: .replicating(left)) }
        return false
    }

    /// The same without what it has made.
    func replicated(_ sequence: UInt32, by peer: Int) -> Operation? {
        bySequence[PeerSequence(peer, sequence).bits]
    }

    /// What waits for a peer, in the order in which it was sent.
    func replications(
        to peer: Int
    ) -> [(sequence: UInt32, operation: Operation, made: Operation.Result)] {
        bySequence.numbers.sorted().map(PeerSequence.init(bits:)).filter { $0.peer == peer }
            .compactMap { number in
                replication(number.sequence, by: peer).map { (number.sequence, $0, $1) }
            }
    }

    /// By peer, when the first of the changes was made that it has not acknowledged, on the clock of versions.
    var earliestChanges: PeerTable<UInt64> {
        var earliest = PeerTable<UInt64>()
        for operation in byKey.values {
            guard let made = operation.made else { continue }
            let time = VersionClock.microseconds(of: made.state.stamp.version)
            switch operation.progress {
            case .replicating(let replications):
                let (first, second) = replications.peers
                earliest[first] = min(earliest[first] ?? .max, time)
                if let second { earliest[second] = min(earliest[second] ?? .max, time) }
            case .refused(let peer): earliest[peer] = min(earliest[peer] ?? .max, time)
            case .parked, .queued, .forwarded, .fetching: continue
            }
        }
        return earliest
    }

    // MARK: All

    /// In the order of their numbers, which of one member's is that in which they came.
    var numbers: [OperationNumber] { all.numbers.sorted().map(OperationNumber.init(bits:)) }

    func overdue(at now: UInt64) -> [OperationNumber] {
        all.values.filter { now > $0.deadline }.map(\.request.number)
            .sorted { $0.bits < $1.bits }
    }

    /// The peers that have not acknowledged something for too long. What is long, and what comes behind it, has
    /// more time.
    func slowPeers(at now: UInt64, slowness: UInt64) -> Set<Int> {
        var oldest: [Int: UInt64] = [:]
        var byteCounts: [Int: Int] = [:]
        for operation in byKey.values {
            guard case .replicating(let replications) = operation.progress else { continue }
            let (first, second) = replications.peers
            for peer in [first, second].compactMap(\.self) {
                oldest[peer] = min(oldest[peer] ?? .max, operation.sentAt)
                byteCounts[peer, default: 0] += operation.made?.state.value.count ?? 0
            }
        }
        return Set(
            oldest.filter { peer, sentAt in
                sentAt + slowness + Self.transferTime(byteCount: byteCounts[peer] ?? 0) < now
            }.keys)
    }

    /// What a slow network may take for so many bytes, in microseconds. Those of ordinary sessions count for nothing.
    static func transferTime(byteCount: Int) -> UInt64 {
        UInt64(max(0, byteCount - freeByteCount) / bytesPerMicrosecond)
    }

    private static let freeByteCount = 8 << 20
    private static let bytesPerMicrosecond = 16
}
