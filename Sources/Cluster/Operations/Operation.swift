/// A request that is under way at one member.
final class Operation {
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
        /// What it needs may be at the other owner alone.
        case fetching(from: Int)
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
    var hasParked = false
    /// The other owner was asked for what may have been evicted here.
    var hasFetched = false
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
    private var bySequence: [PeerSequence: Operation] = [:]
    private var byKey: [Key: Operation] = [:]
    private var queues: [Key: [OperationNumber]] = [:]
    private var sequences: [Int: UInt32] = [:]

    private struct PeerSequence: Hashable {
        let bits: UInt64

        init(_ peer: Int, _ sequence: UInt32) { bits = UInt64(peer) << 32 | UInt64(sequence) }
        var peer: Int { Int(bits >> 32) }
        var sequence: UInt32 { UInt32(truncatingIfNeeded: bits) }
    }

    /// An array would be hashed byte by byte.
    private struct Key: Hashable {
        let bytes: [UInt8]

        init(_ bytes: [UInt8]) { self.bytes = bytes }
        func hash(into hasher: inout Hasher) {
            bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        }
    }

    subscript(_ number: OperationNumber) -> Operation? { all[number] }

    var count: Int { all.count }
    var isEmpty: Bool { all.isEmpty }

    mutating func insert(_ operation: Operation) { all[operation.request.number] = operation }

    mutating func move(_ operation: Operation, to progress: Operation.Progress) {
        leave(operation)
        operation.progress = progress
        guard case .replicating(let replication) = progress else { return }
        bySequence[PeerSequence(replication.peer, replication.sequence)] = operation
        byKey[Key(operation.request.key)] = operation
    }

    mutating func remove(_ number: OperationNumber) -> Operation? {
        guard let operation = all.removeValue(forKey: number) else { return nil }
        leave(operation)
        return operation
    }

    private mutating func leave(_ operation: Operation) {
        guard case .replicating(let replication) = operation.progress else { return }
        bySequence[PeerSequence(replication.peer, replication.sequence)] = nil
        let key = Key(operation.request.key)
        if byKey[key] === operation { byKey[key] = nil }
    }

    // MARK: By key

    /// Whether a change of this key is not at the peer yet: a read would show what may still be lost.
    func isUnsettled(_ key: [UInt8]) -> Bool { !byKey.isEmpty && byKey[Key(key)] != nil }

    /// Lets it wait until the key is settled.
    mutating func queue(_ operation: Operation, behind key: [UInt8]) {
        move(operation, to: .queued)
        queues[Key(key), default: []].append(operation.request.number)
    }

    /// What waited for a key, in the order in which it came.
    mutating func takeQueue(of key: [UInt8]) -> [OperationNumber] {
        queues.isEmpty ? [] : queues.removeValue(forKey: Key(key)) ?? []
    }

    // MARK: By sequence

    mutating func nextSequence(_ peer: Int) -> UInt32 {
        sequences[peer, default: 0] &+= 1
        return sequences[peer, default: 0]
    }

    func replication(
        _ sequence: UInt32, by peer: Int
    ) -> (operation: Operation, replication: Operation.Replication)? {
        guard let operation = bySequence[PeerSequence(peer, sequence)],
            case .replicating(let replication) = operation.progress
        else { return nil }
        return (operation, replication)
    }

    /// What waits for a peer, in the order in which it was sent.
    func replications(
        to peer: Int
    ) -> [(operation: Operation, replication: Operation.Replication)] {
        bySequence.keys.filter { $0.peer == peer }.sorted { $0.bits < $1.bits }
            .compactMap { replication($0.sequence, by: peer) }
    }

    // MARK: All

    /// In the order of their numbers, which of one member's is that in which they came.
    var numbers: [OperationNumber] { all.keys.sorted { $0.bits < $1.bits } }

    func overdue(at now: UInt64) -> [OperationNumber] {
        all.filter { now > $0.value.deadline }.map(\.key).sorted { $0.bits < $1.bits }
    }

    /// The peers that have not acknowledged something for too long. What is long, and what comes behind it, has
    /// more time.
    func slowPeers(at now: UInt64, slowness: UInt64) -> Set<Int> {
        var oldest: [Int: UInt64] = [:]
        var byteCounts: [Int: Int] = [:]
        for operation in byKey.values {
            guard case .replicating(let replication) = operation.progress else { continue }
            let peer = replication.peer
            oldest[peer] = min(oldest[peer] ?? .max, operation.sentAt)
            byteCounts[peer, default: 0] += replication.state.value.count
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
