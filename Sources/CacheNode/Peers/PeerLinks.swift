import Cluster
import Synchronization

/// A node's links to other members and fronts: one to each for frames, one to each member for statements alone, and what is
/// to be done with them. Reached with the member's lock held.
struct PeerLinks {
    private var frames: [Int: PeerLink] = [:] {
        didSet { latest = nil }
    }
    /// Of these, the one that something was sent by last.
    private var latest: PeerLink?
    /// Those that have nothing but statements.
    private var statements: [Int: PeerLink] = [:]
    /// Those with something to send.
    private var owing: [PeerLink] = []
    /// Those that have ended, and why: the peers' thread has to close them.
    private var ended: [(link: PeerLink, reason: String)] = []

    // MARK: Who is there

    /// A link that is there from now on; returns the one that has gone without a word.
    mutating func add(_ link: PeerLink, _ purpose: Greeting.Purpose) -> PeerLink? {
        switch purpose {
        case .statements: statements.updateValue(link, forKey: link.peer)
        case .frames: frames.updateValue(link, forKey: link.peer)
        case .inquiry: nil
        }
    }

    /// Returns whether it was the one for frames.
    mutating func remove(_ link: PeerLink) -> Bool {
        if statements[link.peer] === link { statements[link.peer] = nil }
        guard isForFrames(link) else { return false }
        frames[link.peer] = nil
        return true
    }

    func isForFrames(_ link: PeerLink) -> Bool { frames[link.peer] === link }
    /// Or another one has taken its place.
    func has(_ link: PeerLink) -> Bool { isForFrames(link) || statements[link.peer] === link }

    func hasLink(to peer: Int, _ purpose: Greeting.Purpose) -> Bool {
        (purpose == .frames ? frames : statements)[peer] != nil
    }

    /// The version of what goes to a peer and comes from it; nothing if there is no link.
    func version(of peer: Int) -> WireVersion? { frames[peer]?.version }

    var frontCount: Int { frames.values.count { $0.isFronts } }

    /// Both of a peer.
    func links(to peer: Int) -> [PeerLink] { [frames[peer], statements[peer]].compactMap(\.self) }

    // MARK: Sending

    /// Has a frame sent to a peer, if there is a link. Returns whether there is, and its version has such a frame.
    mutating func send(_ frame: PeerFrame, to peer: Int) -> Bool {
        if latest?.peer != peer { latest = frames[peer] }
        guard let link = latest, frame.isKnown(in: link.version) else { return false }
        link.append(frame)
        noteOwing(link)
        return true
    }

    /// By the frames' link, too, if nothing else goes by it: who hears nothing there knows that it is broken.
    mutating func send(_ statement: Statement, to peer: Int) {
        let own = statements[peer]
        for link in [own, frames[peer]].compactMap(\.self)
        where link === own || own == nil || link.isEmpty {
            link.append(statement)
            noteOwing(link)
        }
    }

    mutating func noteOwing(_ link: PeerLink) {
        guard !link.isOwing else { return }
        link.isOwing = true
        owing.append(link)
    }

    var owes: Bool { !owing.isEmpty }

    mutating func sendAll() {
        for link in owing {
            link.isOwing = false
            link.send()
            if link.isStuck || link.isBroken { link.server.requestAttention() }
        }
        owing.removeAll(keepingCapacity: true)
    }

    // MARK: What is wrong with them

    /// Those of a server that it has to wait for, or that have ended.
    func toSee(by server: any LinkServer) -> [(link: PeerLink, isBroken: Bool)] {
        (Array(frames.values) + Array(statements.values)).filter {
            ($0.isStuck || $0.isBroken) && $0.server === server
        }.map { ($0, $0.isBroken) }
    }

    mutating func noteEnded(_ link: PeerLink, _ reason: String) { ended.append((link, reason)) }

    mutating func takeEnded() -> [(link: PeerLink, reason: String)] {
        defer { ended = [] }
        return ended
    }

    /// To be called every second: links for frames by which nothing came since the last time, though the same
    /// member's statements did. What is asked by one is never answered.
    func mute() -> [PeerLink] {
        statements.compactMap { peer, statements in
            let link = frames[peer]
            let (isTalking, isHeard) = (statements.look(), link?.look())
            return isTalking == true && isHeard == false ? link : nil
        }
    }
}
