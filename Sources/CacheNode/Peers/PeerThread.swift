import Cluster
import EventLoop
import Logging
import Synchronization

/// The thread on which a member dials others, is dialled, hears that they are there, and lets time go by. Frames come on
/// the threads of the workers.
///
/// `@unchecked Sendable`: other threads call `stop` and `requestAttention` only, which touch an atomic and the loop's
/// wake-up.
final class PeerThread: LinkServer, @unchecked Sendable {
    private let peers: Peers
    private let context: NodeContext
    /// Of this node's space.
    private let itemByteCountMax: Int
    /// By worker.
    private let servers: [ServedLinks]
    private let loop: Loop
    private let logger: Logger
    let pulse = Pulse()
    private var listeners: [Listener] = []
    private var wakeUp: WakeUp?
    private var tick: Timer?
    private var dialledAt: UInt64 = 0
    private var maintainedAt: UInt64 = 0
    private let isStopping = Flag()
    private var addresses = PeerAddresses()
    /// Being dialled, by member and purpose.
    private var dialling: [Target: Dialling] = [:]
    /// Those that were dialled, and have not answered yet.
    private var greeted: Set<Target> = []
    /// Those that refused this node's own version, and are offered an earlier one next.
    private var fallenBack: Set<Target> = []
    private var greetings: [ObjectIdentifier: PeerGreeting] = [:]
    private var links: [ObjectIdentifier: PeerLink] = [:]
    private var surveys = PeerSurveys()
    /// Those that ask, or are asked, which definition is gone by; by whom they ask.
    private var inquiries: [ObjectIdentifier: Inquiry] = [:]
    private var inquiredAt: UInt64 = 0
    private var startedAt: UInt64 = 0
    /// Looks at all items as the definition has changed.
    private var look: (thread: NodeThread, isOver: Flag)?
    /// What was last said about a member, which is not said again and again.
    private var complaints: [Int: String] = [:]

    private struct Target: Hashable {
        let peer: Int
        let purpose: Greeting.Purpose
    }

    private static let dialEveryMilliseconds: UInt64 = 100
    /// Those with whom there is no link are asked by which definition they go.
    private static let inquireEveryMilliseconds: UInt64 = 1_000
    /// All may have started at once, and none of them knows.
    private static let learnMilliseconds: UInt64 = 1_500
    private static let inquiryCountMax = 64
    /// What has waited in sockets for so long tells wrong times.
    private static let pauseMilliseconds: UInt64 = 3_000
    /// Members are near. What is lost is sent again after a second, and a new connection asks at once.
    private static let dialMilliseconds = 250
    private static let greetingCountMax = 64
    /// A handshake is a millisecond of this thread, which has beats to send.
    private static let handshakeCountMax = 16
    private static let backlog: Int32 = 128
    private static let frontCountMax = 1_000

    init(
        _ peers: Peers, context: NodeContext, servers: [ServedLinks]
    ) throws(EventLoopError) {
        self.peers = peers
        self.servers = servers
        self.context = context
        itemByteCountMax = peers.space?.configuration.itemByteCountMax ?? 0
        logger = context.logger
        loop = try Loop()
        let wakeUp = try WakeUp(loop: loop) { [unowned self] in attend() }
        self.wakeUp = wakeUp
        peers.attention.withLock { $0 = wakeUp }
        tick = try Timer(loop: loop) { [unowned self] in keepUp() }
    }

    private var configuration: PeerConfiguration { peers.configuration }
    /// Fronts that have come so far, by which their links are told apart.
    private var frontCount = 0

    /// Before the thread runs.
    func listen() throws(NodeError) {
        // Nobody dials a front.
        guard let me = configuration.me, let own = configuration.definition.members[me] else {
            return
        }
        do {
            for socket in try sockets(at: own) {
                if !socket.address.isLocal, context.peerSecurity == nil {
                    logger.warning(
                        """
                        sessions can be read on their way between members, which is clear text at \(socket.address): \
                        give peers.tls in the definition, or keep that port on a network of the members alone
                        """)
                }
                listeners.append(
                    try Listener(loop: loop, socket: socket) { [unowned self] in
                        accept($0)
                    } failed: { [logger] in
                        logger.error("cannot accept a member: \(String(errno: $0))")
                    })
            }
        } catch let error as SocketError {
            throw NodeError(error)
        } catch {
            throw NodeError(message: "cannot listen for members: \(error)")
        }
    }

    /// Where this member is. A container may start before anybody knows its name.
    private func sockets(
        at own: PeerDefinition.Member
    ) throws(SocketError) -> [ListeningSocket] {
        do {
            return try ListeningSocket.tcp(host: own.host, port: own.port, backlog: Self.backlog)
        } catch .unresolvable(let name, let reason) where configuration.secret != nil {
            logger.warning(
                "listens for members on all addresses: nobody knows \(name) yet (\(reason))")
            return try ListeningSocket.tcp(host: nil, port: own.port, backlog: Self.backlog)
        }
    }

    func run() {
        startedAt = peers.now / 1_000
        keepUp()
        loop.run()
        look?.thread.join()
        listeners = []
        dialling = [:]
        greetings = [:]
        for inquiry in inquiries.values { inquiry.close() }
        inquiries = [:]
        for link in links.values {
            letGo(link)
            peers.remove(link)
        }
        links = [:]
        surveys.end()
        addresses.end()
        peers.attention.withLock { $0 = nil }
        wakeUp = nil
        tick = nil
    }

    func stop() {
        isStopping.set()
        requestAttention()
    }

    func requestAttention() { peers.attention.withLock { $0?.wake() } }

    // MARK: As time goes by

    private func keepUp() {
        pulse.beat()
        let milliseconds = peers.tick()
        let now = peers.now / 1_000
        if now >= dialledAt + Self.dialEveryMilliseconds {
            dialledAt = now
            dialAll(now: now)
        }
        lookAtItems()
        if now >= maintainedAt + 1_000 {
            if maintainedAt > 0, now > maintainedAt + Self.pauseMilliseconds { dropAll() }
            maintainedAt = now
            for (name, inquiry) in inquiries
            where now > inquiry.startedAt + Inquiry.millisecondsMax {
                inquiry.close()
                inquiries[name] = nil
            }
            let lostCount = peers.maintain()
            if lostCount > 0 {
                logger.warning(
                    """
                    \(lostCount) items that were changed here, while others did not hear of it, gave way to \
                    later ones of theirs
                    """)
            }
            for link in peers.deadLinks() { close(link, "nothing comes from it") }
            for link in peers.muteLinks() {
                close(link, "it says that it is there, and nothing else")
            }
        }
        do {
            try tick?.start(afterMilliseconds: milliseconds)
        } catch {
            logger.critical("the members' timer failed: \(error)")
        }
    }

    /// The process was stopped: all begins anew.
    private func dropAll() {
        for link in Array(links.values) { close(link, "this process was stopped for a while") }
    }

    private func attend() {
        if isStopping.isSet { return loop.stop() }
        for (link, isBroken) in peers.linksToSee(self) {
            if isBroken {
                close(link, PeerLink.isStuckForGood)
            } else {
                try? link.waitUntilWritable()
            }
        }
        for (link, reason) in peers.takeEnded() { close(link, reason) }
        for (peer, error) in addresses.takeFound() {
            complain(peer, "cannot be reached: \(error)")
        }
        if let (peer, error) = surveys.goOn(peers) {
            logger.error("cannot compare with \(name(of: peer)): \(error)")
        }
    }

    /// What others own now is dropped beside everything else, as it takes long. Until it is known whether this node owns all that
    /// it has, each read looks for the key's owners.
    private func lookAtItems() {
        if let look, look.isOver.isSet {
            look.thread.join()
            self.look = nil
        }
        guard look == nil, peers.hasItemsToLookAt else { return }
        do {
            let peers = peers
            let isStopping = isStopping
            let isOver = Flag()
            let thread = try NodeThread(yields: true) {
                peers.dropOthersItems { isStopping.isSet }
                isOver.set()
                peers.attention.withLock { $0?.wake() }
            }
            look = (thread, isOver)
        } catch {
            logger.error("cannot drop what others own now: \(error)")
        }
    }

    /// For messages.
    private func name(of peer: Int) -> String {
        peers.members[peer].map { "member \($0.name)" } ?? "a front"
    }

    // MARK: Dialling

    /// Members with lower numbers are dialled, others dial; a front dials all, and needs no link for its beats. Those with
    /// whom there is no link may have changed the definition: who was removed meanwhile would wait for them in vain.
    private func dialAll(now: UInt64) {
        let members = peers.members.filter { $0.key != peers.me }
        addresses.note(members)
        if !peers.isLearning {
            for peer in members.keys
            where (peers.isFront || peer < peers.me)
                && (isInquiring(now) || !peers.isStranger(peer))
            {
                dial(peer, peers.isFront ? [.frames] : [.frames, .statements])
            }
        } else if now > startedAt + Self.learnMilliseconds {
            peers.stopLearning()
        }
        guard isInquiring(now) else { return }
        inquiredAt = now
        for peer in members.keys where !peers.hasLink(to: peer, .frames) { dial(peer, [.inquiry]) }
    }

    private func isInquiring(_ now: UInt64) -> Bool {
        now >= inquiredAt + Self.inquireEveryMilliseconds
    }

    private func dial(_ peer: Int, _ purposes: [Greeting.Purpose]) {
        for purpose in purposes {
            let target = Target(peer: peer, purpose: purpose)
            guard dialling[target] == nil, !greeted.contains(target),
                purpose == .inquiry || !peers.hasLink(to: peer, purpose)
            else { continue }
            dial(target)
        }
    }

    private func dial(_ target: Target) {
        do {
            let found = try addresses.find(target.peer) { [peers] in
                peers.attention.withLock { $0?.wake() }
            }
            guard let found else { return }
            let new = Dialling(
                loop: loop, addresses: found, timeoutMilliseconds: Self.dialMilliseconds
            ) { [unowned self] in dialled(target, $0) }
            dialling[target] = new
            try new.start()
        } catch {
            dialling[target] = nil
            complain(target.peer, "cannot be reached: \(error)")
        }
    }

    private func dialled(_ target: Target, _ descriptor: Int32?) {
        // It goes with this call's end, not in the middle of it.
        let ended = dialling.removeValue(forKey: target)
        defer { withExtendedLifetime(ended) {} }
        guard let descriptor else {
            addresses.forget(target.peer)
            return complain(target.peer, "does not answer")
        }
        do {
            let socket = EventLoop.Stream(descriptor: descriptor)
            let transport: Transport =
                if let security = context.peerSecurity {
                    .secured(
                        try security.dialled(
                            socket, host: addresses.host(of: target.peer) ?? ""))
                } else { .clear(socket) }
            let greeting = try PeerGreeting.dialled(
                loop: loop, transport,
                own: greeting(
                    purpose: target.purpose, to: target.peer, in: versionToOffer(target)),
                versions: configuration.wireVersions, seal: seal
            ) { [unowned self] in finished($0, $1, dialled: target) }
            greetings[ObjectIdentifier(greeting)] = greeting
            greeted.insert(target)
            greeting.open()
        } catch {
            complain(target.peer, "cannot be greeted: \(error)")
        }
    }

    /// Once it was offered, the newest is offered again: the peer may have been upgraded.
    private func versionToOffer(_ target: Target) -> WireVersion {
        let versions = configuration.wireVersions
        return fallenBack.remove(target) == nil
            ? versions.newest : versions.fallback ?? versions.newest
    }

    private func greeting(
        purpose: Greeting.Purpose, to peer: Int, in version: WireVersion
    ) -> Greeting {
        let isFront = peers.isFront || purpose == .inquiry
        return Greeting(
            version: version, purpose: purpose, role: isFront ? .front : .member,
            from: UInt8(isFront ? Peers.frontNumber : peers.me), to: UInt8(peer),
            cluster: configuration.clusterHash,
            definition: peers.definitionHash, process: peers.process,
            itemByteCountMax: UInt64(itemByteCountMax),
            nonce: MessageAuthentication.nonce(byteCount: Greeting.nonceByteCount))
    }

    /// Of whoever is dialled: always a member, also of one that was removed meanwhile.
    private var ownGreeting: Greeting {
        Greeting(
            version: configuration.wireVersions.newest, purpose: .frames, role: .member,
            from: UInt8(peers.me), to: 0,
            cluster: configuration.clusterHash, definition: peers.definitionHash,
            process: peers.process,
            itemByteCountMax: UInt64(itemByteCountMax),
            nonce: MessageAuthentication.nonce(byteCount: Greeting.nonceByteCount))
    }

    private var seal: GreetingProof.Seal {
        let secret = configuration.secret ?? []
        return { MessageAuthentication.code(of: $0, secret: secret) }
    }

    // MARK: Accepting

    private func accept(_ descriptor: Int32) {
        let countMax =
            context.peerSecurity == nil ? Self.greetingCountMax : Self.handshakeCountMax
        guard greetings.count < countMax else { return EventLoop.Stream.drop(descriptor) }
        do {
            let socket = EventLoop.Stream(descriptor: descriptor)
            let transport: Transport
            if let security = context.peerSecurity {
                guard let stream = security.accepted(socket) else {
                    return logger.error("cannot greet a member: no memory for TLS")
                }
                transport = .secured(stream)
            } else {
                transport = .clear(socket)
            }
            let greeting = try PeerGreeting.accepted(
                loop: loop, transport, own: ownGreeting,
                versions: configuration.wireVersions, isBusy: false, seal: seal
            ) { [unowned self] in finished($0, $1, dialled: nil) }
            greetings[ObjectIdentifier(greeting)] = greeting
        } catch {
            logger.error("cannot greet a member: \(error)")
        }
    }

    private func finished(
        _ greeting: PeerGreeting, _ outcome: PeerGreeting.Outcome, dialled: Target?
    ) {
        if let dialled { greeted.remove(dialled) }
        let kept = greetings.removeValue(forKey: ObjectIdentifier(greeting))
        defer { withExtendedLifetime(kept) {} }
        switch outcome {
        case .refused(let failure):
            if let dialled, failure.isFirstRefusal(of: configuration.wireVersions) {
                peers.notePresent(dialled.peer)
                fallenBack.insert(dialled)
                return dial(dialled)
            }
            noteFailed("\(failure)", dialled)
        case .failed(let reason): noteFailed(reason, dialled)
        case .welcome(let other, let version, let leftover):
            let purpose = dialled?.purpose ?? other.purpose
            var peer = dialled?.peer ?? Int(other.from)
            guard purpose != .inquiry else {
                guard let transport = greeting.takeTransport() else { return }
                return inquire(peer, isAsked: dialled == nil, version, transport, leftover)
            }
            // It has nothing to say yet.
            guard !peers.isLearning else { return }
            if other.role == .front {
                guard purpose == .frames, peers.frontCount < Self.frontCountMax else {
                    return logger.warning(
                        "refused a front: there are \(Self.frontCountMax), or it is none of this version"
                    )
                }
                frontCount += 1
                peer = MemberSet.memberCountMax + 1_000 + frontCount
            } else if peers.members[peer] == nil || peer == peers.me {
                return complain(
                    peer, "refused a connection to the members' port: no member has id \(peer)")
            }
            guard let transport = greeting.takeTransport() else { return }
            open(
                peer, purpose, other.process, isFronts: other.role == .front, version, transport,
                leftover)
        }
    }

    // MARK: Inquiries

    private func inquire(
        _ peer: Int, isAsked: Bool, _ version: WireVersion, _ transport: consuming Transport,
        _ leftover: [UInt8]
    ) {
        // Who speaks 2 has nothing to tell.
        guard version > .two, inquiries.count < Self.inquiryCountMax else { return }
        let link = PeerLink(
            peer: peer, process: 0, isFronts: true, version: version, server: self,
            transport: transport,
            frameByteCountMax: 2 * PeerDefinition.textByteCountMax, received: leftover)
        do {
            let ended: (Inquiry) -> Void = { [unowned self] inquiry in
                let kept = inquiries.removeValue(forKey: ObjectIdentifier(inquiry))
                defer { withExtendedLifetime(kept) {} }
                inquiry.close()
            }
            if isAsked {
                let inquiry = try Inquiry.answered(
                    link, loop: loop, with: peers.noticesToTell(), at: peers.now / 1_000,
                    ended: ended)
                inquiries[ObjectIdentifier(inquiry)] = inquiry
                inquiry.send()
            } else {
                let heard: (DefinitionNotice) -> Void = { [peers] in peers.learn($0) }
                let inquiry = try Inquiry.asked(
                    link, loop: loop, at: peers.now / 1_000, heard: heard, ended: ended)
                inquiries[ObjectIdentifier(inquiry)] = inquiry
                inquiry.takeReceived(heard)
            }
        } catch {
            logger.error("cannot watch a link: \(error)")
        }
    }

    private func noteFailed(_ reason: String, _ dialled: Target?) {
        guard let dialled else {
            return logger.warning("refused a connection to the members' port: \(reason)")
        }
        peers.notePresent(dialled.peer)
        complain(dialled.peer, reason)
    }

    // MARK: Links

    private func open(
        _ peer: Int, _ purpose: Greeting.Purpose, _ process: UInt64, isFronts: Bool,
        _ version: WireVersion, _ transport: consuming Transport, _ leftover: [UInt8]
    ) {
        let served = purpose == .frames ? servers[peer % servers.count] : nil
        let link = PeerLink(
            peer: peer, process: process, isFronts: isFronts, version: version,
            server: served ?? self,
            transport: transport,
            frameByteCountMax: itemByteCountMax + (64 << 10),
            received: leftover)
        if served == nil {
            do { try attach(link) } catch {
                return logger.error("cannot watch a link: \(error)")
            }
        }
        links[ObjectIdentifier(link)] = link
        if let old = peers.add(link, purpose: purpose) {
            letGo(old)
            links[ObjectIdentifier(old)] = nil
        }
        if !peers.isStranger(peer),
            complaints.removeValue(forKey: peer) != nil || purpose == .frames
        {
            logger.notice("linked with \(name(of: peer))")
        }
        if let served { served.take(link) } else if !leftover.isEmpty { takeReceived(link) }
    }

    /// One that has nothing but statements: who is there is known however busy the workers are.
    private func attach(_ link: PeerLink) throws(EventLoopError) {
        try link.attach(to: loop) { [unowned self, unowned link] in
            receive(link)
        } writable: { [unowned self, unowned link] in
            link.noteWritable()
            peers.sendMore(link)
            attend()
        }
    }

    private func receive(_ link: PeerLink) {
        guard link.receive() else { return close(link, PeerLink.hasEnded) }
        takeReceived(link)
    }

    private func takeReceived(_ link: PeerLink) {
        if !peers.takeReceived(link) { close(link, PeerLink.isNotUnderstood) }
    }

    private func close(_ link: PeerLink, _ reason: String) {
        guard let kept = links.removeValue(forKey: ObjectIdentifier(link)) else { return }
        defer { withExtendedLifetime(kept) {} }
        letGo(link)
        peers.remove(link)
        guard !peers.isStranger(link.peer) else { return }
        guard !link.isFronts else {
            return logger.notice("a front has gone: \(reason)")
        }
        complain(link.peer, reason)
    }

    private func letGo(_ link: PeerLink) {
        if let served = link.server as? ServedLinks { served.letGo(link) } else { link.detach() }
    }

    private func complain(_ peer: Int, _ reason: String) {
        guard complaints[peer] != reason else { return }
        complaints[peer] = reason
        logger.notice("\(name(of: peer)): \(reason)")
    }
}

extension String {
    fileprivate init(errno number: Int32) {
        self = "error \(number)"
    }
}
