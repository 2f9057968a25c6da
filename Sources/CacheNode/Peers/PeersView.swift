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
        case .replicate: replicated += 1
        case .inform: informed += 1
        default: break
        }
    }

    mutating func note(received frame: PeerFrame) {
        switch frame {
        case .forward: forwardedHere += 1
        case .refuse: refused += 1
        case .inform:
            informedHere += 1
            informedHereByteCount += UInt64(frame.byteCount)
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
        /// By how much its clock is ahead of this node's; nothing before it has told.
        let clockSkewMilliseconds: Int?
    }

    let peers: [Peer]
    let isFront: Bool
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
}
