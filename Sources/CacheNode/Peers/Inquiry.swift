import Cluster
import EventLoop

/// A link by which a node hears which definition others go by, and no more: whoever was dialled says it, and hangs up.
///
/// On the peers' thread.
final class Inquiry {
    private let link: PeerLink
    /// On the peers' clock, in milliseconds: who neither speaks nor hangs up is not waited for.
    let startedAt: UInt64
    static let millisecondsMax: UInt64 = 2_000
    private let ended: (Inquiry) -> Void

    private init(_ link: PeerLink, at now: UInt64, ended: @escaping (Inquiry) -> Void) {
        self.link = link
        startedAt = now
        self.ended = ended
    }

    /// Answers one.
    static func answered(
        _ link: PeerLink, loop: Loop, with notices: [DefinitionNotice], at now: UInt64,
        ended: @escaping (Inquiry) -> Void
    ) throws(EventLoopError) -> Inquiry {
        let inquiry = Inquiry(link, at: now, ended: ended)
        for notice in notices { link.append(.definition(notice)) }
        try link.attach(to: loop) { [unowned inquiry] in
            // Nothing is to come but its end.
            if !link.receive() { inquiry.ended(inquiry) }
        } writable: { [unowned inquiry] in
            link.noteWritable()
            inquiry.send()
        }
        return inquiry
    }

    /// Once it is kept by somebody, as it may end at once.
    func send() {
        link.send()
        guard link.isStuck, !link.isBroken else { return ended(self) }
        do { try link.waitUntilWritable() } catch { ended(self) }
    }

    /// Asks one.
    static func asked(
        _ link: PeerLink, loop: Loop, at now: UInt64,
        heard: @escaping (DefinitionNotice) -> Void,
        ended: @escaping (Inquiry) -> Void
    ) throws(EventLoopError) -> Inquiry {
        let inquiry = Inquiry(link, at: now, ended: ended)
        try link.attach(to: loop) { [unowned inquiry] in
            let isOpen = link.receive()
            if !inquiry.takeReceived(heard) || !isOpen { inquiry.ended(inquiry) }
        } writable: {
            link.noteWritable()
        }
        return inquiry
    }

    /// What has come with the greeting, or since; false if it cannot be understood.
    @discardableResult
    func takeReceived(_ heard: (DefinitionNotice) -> Void) -> Bool {
        do {
            while let message = try link.next() {
                guard case .frame(.definition(let notice)) = message else { return false }
                heard(notice)
            }
            return true
        } catch {
            return false
        }
    }

    func close() { link.detach() }
}
