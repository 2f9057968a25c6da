/// A request that is under way at one member.
struct Operation {
    enum Origin: Equatable {
        case client(UInt64)
        case peer(Int)
        /// Who has asked was hung up on.
        case nobody
    }

    enum Progress: Equatable {
        /// Until it is known who decides.
        case parked
        /// Until what is under way for its key is over.
        case queued
        case forwarded(to: Int)
        /// Carried out here; the peer has to have it, too.
        case replicating(Replication)
    }

    struct Replication: Equatable {
        var peer: Int
        var sequence: UInt32
        var outcome: Outcome
        var state: KeyState
    }

    let request: Request
    var origin: Origin
    var hops: UInt8
    var deadline: UInt64
    fileprivate(set) var progress = Progress.parked
    var sentAt: UInt64 = 0
    /// The other owner was asked for what was evicted here.
    var wasLacking = false
    /// What it made of the key when it was carried out here, if that is not at both owners.
    var made: (outcome: Outcome, state: KeyState)?

    init(_ request: Request, from origin: Origin, hops: UInt8 = 0, deadline: UInt64) {
        self.request = request
        self.origin = origin
        self.hops = hops
        self.deadline = deadline
    }
}

/// Everything that is under way at one member: by its number, by the sequence that the peer acknowledges, and by
/// the key that is changed.
///
/// Of the changes of one key one is under way at a time; what comes behind it waits in the order in which it came.
struct Operations {
    private var all: [OperationNumber: Operation] = [:]
    private var bySequence: [PeerSequence: OperationNumber] = [:]
    private var byKey: [[UInt8]: OperationNumber] = [:]
    private var queues: [[UInt8]: [OperationNumber]] = [:]
    private var sequences: [Int: UInt32] = [:]

    private struct PeerSequence: Hashable {
        var peer: Int
        var sequence: UInt32
    }

    subscript(_ number: OperationNumber) -> Operation? { all[number] }

    var count: Int { all.count }
    var isEmpty: Bool { all.isEmpty }

    mutating func insert(_ operation: Operation) { all[operation.request.number] = operation }

    /// - Parameter body: changes all but the progress.
    mutating func update(_ number: OperationNumber, _ body: (inout Operation) -> Void) {
        guard var operation = all[number] else { return }
        body(&operation)
        all[number] = operation
    }

    mutating func move(_ number: OperationNumber, to progress: Operation.Progress) {
        guard let operation = all[number] else { return }
        leave(operation)
        all[number]?.progress = progress
        guard case .replicating(let replication) = progress else { return }
        bySequence[PeerSequence(peer: replication.peer, sequence: replication.sequence)] = number
        byKey[operation.request.key] = number
    }

    mutating func remove(_ number: OperationNumber) -> Operation? {
        guard let operation = all.removeValue(forKey: number) else { return nil }
        leave(operation)
        return operation
    }

    private mutating func leave(_ operation: Operation) {
        guard case .replicating(let replication) = operation.progress else { return }
        bySequence[PeerSequence(peer: replication.peer, sequence: replication.sequence)] = nil
        if byKey[operation.request.key] == operation.request.number {
            byKey[operation.request.key] = nil
        }
    }

    // MARK: By key

    /// Whether a change of this key is not at the peer yet: a read would show what may still be lost.
    func isUnsettled(_ key: [UInt8]) -> Bool { byKey[key] != nil }

    /// Lets it wait until the key is settled.
    mutating func queue(_ number: OperationNumber, behind key: [UInt8]) {
        move(number, to: .queued)
        queues[key, default: []].append(number)
    }

    /// What waited for a key, in the order in which it came.
    mutating func takeQueue(of key: [UInt8]) -> [OperationNumber] {
        queues.removeValue(forKey: key) ?? []
    }

    // MARK: By sequence

    mutating func nextSequence(_ peer: Int) -> UInt32 {
        sequences[peer, default: 0] &+= 1
        return sequences[peer, default: 0]
    }

    func replication(
        _ sequence: UInt32, by peer: Int
    ) -> (number: OperationNumber, replication: Operation.Replication)? {
        guard let number = bySequence[PeerSequence(peer: peer, sequence: sequence)],
            case .replicating(let replication) = all[number]?.progress
        else { return nil }
        return (number, replication)
    }

    /// What waits for a peer, in the order in which it was sent.
    func replications(
        to peer: Int
    ) -> [(number: OperationNumber, replication: Operation.Replication)] {
        bySequence.filter { $0.key.peer == peer }.sorted { $0.key.sequence < $1.key.sequence }
            .compactMap { replication($0.key.sequence, by: peer) }
    }

    // MARK: All

    /// In the order of their numbers, which of one member's is that in which they came.
    var numbers: [OperationNumber] { all.keys.sorted { $0.bits < $1.bits } }

    func overdue(at now: UInt64) -> [OperationNumber] {
        all.filter { now > $0.value.deadline }.map(\.key).sorted { $0.bits < $1.bits }
    }

    /// The peers that have not acknowledged something that was sent before a moment.
    func slowPeers(since moment: UInt64) -> Set<Int> {
        var peers: Set<Int> = []
        for number in byKey.values {
            guard let operation = all[number], operation.sentAt < moment,
                case .replicating(let replication) = operation.progress
            else { continue }
            peers.insert(replication.peer)
        }
        return peers
    }
}
