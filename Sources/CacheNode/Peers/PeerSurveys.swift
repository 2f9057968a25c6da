import Cluster
import EventLoop
import Synchronization

/// Surveys of all that is owned together with a peer: on threads of their own, one after the other, as each of them goes
/// through all that there is. Confined to the thread that asks.
struct PeerSurveys {
    private struct Survey {
        let peer: Int
        let thread: NodeThread
        let isOver: Flag
    }

    private var running: Survey?
    /// What is to be surveyed next, at last with each peer.
    private var wanted: [Int: (number: UInt32, sharing: Sharing)] = [:]

    /// Takes in what is wanted, and begins the next one when the one before is over.
    ///
    /// - Returns: a peer whose survey could not begin; it is wanted still.
    mutating func goOn(_ peers: Peers) -> (peer: Int, error: any Error)? {
        if let survey = running, survey.isOver.isSet {
            survey.thread.join()
            running = nil
        }
        for (peer, number, sharing) in peers.takeSurveys() { wanted[peer] = (number, sharing) }
        guard running == nil, let (peer, asked) = wanted.first else { return nil }
        do {
            let isOver = Flag()
            let thread = try NodeThread(yields: true) {
                peers.survey(peer, number: asked.number, asked.sharing)
                isOver.set()
                peers.attention.withLock { $0?.wake() }
            }
            running = Survey(peer: peer, thread: thread, isOver: isOver)
            wanted[peer] = nil
            return nil
        } catch {
            return (peer, error)
        }
    }

    func end() { running?.thread.join() }
}
