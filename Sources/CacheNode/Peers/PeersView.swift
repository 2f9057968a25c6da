import Cluster

/// What a member has sent and received.
struct PeerCounts {
    var forwarded: UInt64 = 0
    var foreignReads: UInt64 = 0
    var forwardedHere: UInt64 = 0
    var replicated: UInt64 = 0
    var informed: UInt64 = 0
    var informedHere: UInt64 = 0
    var informedHereByteCount: UInt64 = 0
    var takeovers: UInt64 = 0
    var refused: UInt64 = 0
    var hangUps: UInt64 = 0

    mutating func note(sent frame: PeerFrame) {
        switch frame {
        case .forward(let request, _):
            forwarded += 1
            if request.isRead { foreignReads += 1 }
        case .replicate, .keep: replicated += 1
        case .inform: informed += 1
        default: break
        }
    }

    mutating func note(received frame: PeerFrame, in version: WireVersion) {
        switch frame {
        case .forward: forwardedHere += 1
        case .refuse: refused += 1
        case .inform:
            informedHere += 1
            informedHereByteCount += UInt64(frame.byteCount(in: version))
        default: break
        }
    }
}

/// What an operator may want to know of a member and its peers.
struct PeersView {
    struct Peer {
        let name: String
        let standing: Standing
        let isHeard: Bool
        let isCatchingUp: Bool
        /// Whether it is one by the definition that is acted by: a newcomer is waited for, and has no say.
        let isMember: Bool
        /// By how much its clock is ahead of this node's; nothing before it has told.
        let clockSkewMilliseconds: Int?
        /// Of the link for frames; nothing while there is none.
        let wireVersion: WireVersion?
    }

    /// By which generation of the cluster's definition it acts.
    struct Change {
        /// 0 as long as others have to tell.
        let generation: UInt64
        /// The highest that is known.
        let next: UInt64
        let phase: ChangePhase
        let isLearning: Bool
        let isRemoved: Bool
        /// Whether what others own now still takes room here.
        let isDropping: Bool
    }

    /// It holds nothing, and is only told who is there.
    let isFront: Bool
    let change: Change
    let peers: [Peer]
    let counts: PeerCounts
    let memberCounts: MemberCounts
    /// How long commands have waited for members.
    let waits: Durations
    /// How long it took last until this node had the same as the others.
    let catchUpMilliseconds: UInt64
    let storeCounts: NodeStore.Counts
    let tombstoneCount: Int
    let tombstonesDroppedEarly: UInt64
    let operationCount: Int
    /// Whether it may change what others cannot be told of.
    let hasMajority: Bool
}

extension PeersView {
    /// Whether there is no other owner whose word is waited for; of a front, whether somebody is there who knows.
    var isServing: Bool {
        guard !change.isLearning else { return false }
        guard !isFront else { return peers.contains(where: \.isHeard) }
        return waitedFor.isEmpty
    }

    private var waitedFor: [Peer] {
        peers.filter { $0.isMember && ($0.standing == .unknown || $0.standing == .behind) }
    }

    /// Those that have not the same as this one; of a front, those that are not there.
    var away: [Peer] { peers.filter { isFront ? !$0.isHeard : $0.standing != .together } }

    /// The others, and this one, unless it is a front.
    var currentCount: Int { peers.count - away.count + (isFront ? 0 : 1) }

    /// For a service manager and the log.
    var sentence: String {
        func names(_ peers: [Peer]) -> String { peers.map(\.name).joined(separator: ", ") }
        if change.isLearning { return "waits for a member to tell which definition all go by" }
        if isFront {
            return away.isEmpty
                ? "front: all members are there" : "front: not there: \(names(away))"
        }
        guard isServing else {
            return "catching up with \(names(waitedFor)), and passing commands on meanwhile"
        }
        if change.isUnderWay {
            return "\(change.sentence), away: \(away.isEmpty ? "nobody" : names(away))"
        }
        guard hasMajority else {
            return "refusing changes: no majority of the members is reached, without \(names(away))"
        }
        return away.isEmpty ? "current" : "current, without \(names(away))"
    }
}

extension PeersView.Change {
    /// Whether it is on the way from one generation to the next.
    var isUnderWay: Bool { phase != .settled }

    /// In an operator's words.
    var stateName: String {
        if isLearning { return "learning" }
        switch phase {
        case .settled: return isDropping ? "dropping" : isRemoved ? "removed" : "settled"
        case .transferring: return "transferring"
        case .transferred: return "transferred"
        case .moving: return "moving"
        case .moved: return "moved"
        }
    }

    fileprivate var sentence: String {
        switch phase {
        case .settled: "by generation \(generation) of the definition"
        case .transferring, .transferred:
            "from generation \(generation) of the definition to \(next), \(stateName)"
        case .moving, .moved: "by generation \(generation) of the definition, \(stateName)"
        }
    }
}

extension PeersView.Peer {
    /// In an operator's words.
    var stateName: String {
        switch standing {
        case .together: "current"
        case .unknown: isHeard ? "joining" : "unknown"
        case .behind: "ahead"
        case .alone: isHeard ? "catching_up" : "away"
        case .divided: "cut_off"
        }
    }

    /// All that a front knows.
    var presence: String { isHeard ? "linked" : "away" }
}
