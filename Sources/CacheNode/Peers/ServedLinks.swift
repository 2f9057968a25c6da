import EventLoop
import Synchronization

/// The links by which one worker receives other members' frames. A command that was passed on, and its outcome, need no
/// other thread than that of who asks.
///
/// `@unchecked Sendable`: other threads call `take`, `letGo` and `requestAttention` only, which touch `inbox` (a mutex)
/// and the worker's wake-up. Everything else is the worker's.
final class ServedLinks: LinkServer, @unchecked Sendable {
    private let peers: Peers
    private let loop: Loop
    private let worker: WorkerRecord
    /// Goes on with what has come for the worker's connections.
    private let goOn: () -> Void
    private var links: [ObjectIdentifier: PeerLink] = [:]
    private let inbox = Mutex(Inbox())

    private struct Inbox {
        var comers: [PeerLink] = []
        var leavers: [PeerLink] = []
        var hasNews = false
    }

    init(
        _ peers: Peers, loop: Loop, worker: WorkerRecord, goOn: @escaping () -> Void
    ) {
        self.peers = peers
        self.loop = loop
        self.worker = worker
        self.goOn = goOn
    }

    // MARK: Called from other threads

    /// Serves a link from now on.
    func take(_ link: PeerLink) { note { $0.comers.append(link) } }

    /// Serves it no more.
    func letGo(_ link: PeerLink) { note { $0.leavers.append(link) } }

    func requestAttention() { note { _ in } }

    private func note(_ body: (inout sending Inbox) -> Void) {
        inbox.withLock {
            body(&$0)
            $0.hasNews = true
        }
        worker.attention.withLock { $0?.wake() }
    }

    // MARK: The worker's thread

    /// To be called when the worker was woken up.
    func attend() {
        let news = inbox.withLock { inbox in
            defer { inbox = Inbox() }
            return inbox
        }
        guard news.hasNews else { return }
        for link in news.comers { open(link) }
        for link in news.leavers { remove(link) }
        for (link, isBroken) in peers.linksToSee(self) where links[ObjectIdentifier(link)] != nil {
            guard !isBroken else {
                end(link, PeerLink.isStuckForGood)
                continue
            }
            do { try link.waitUntilWritable() } catch { end(link, "its events failed: \(error)") }
        }
    }

    private func open(_ link: PeerLink) {
        links[ObjectIdentifier(link)] = link
        do {
            try link.attach(to: loop) { [unowned self, unowned link] in
                receive(link)
            } writable: { [unowned self, unowned link] in
                link.noteWritable()
                peers.sendMore(link)
                loop.requestEndOfTurn()
            }
        } catch {
            return end(link, "its events failed: \(error)")
        }
        // What came with the greeting.
        takeReceived(link)
    }

    private func receive(_ link: PeerLink) {
        guard link.receive() else { return end(link, PeerLink.hasEnded) }
        takeReceived(link)
    }

    private func takeReceived(_ link: PeerLink) {
        // Replies and acknowledgements go with all else that this turn sends.
        loop.requestEndOfTurn()
        if !peers.takeReceived(link, on: worker) { end(link, PeerLink.isNotUnderstood) }
        goOn()
    }

    private func end(_ link: PeerLink, _ reason: String) {
        remove(link)
        peers.noteEnded(link, reason)
    }

    private func remove(_ link: PeerLink) {
        link.detach()
        links[ObjectIdentifier(link)] = nil
    }

    /// The loop ends.
    func close() {
        for link in links.values { link.detach() }
        links = [:]
    }
}
