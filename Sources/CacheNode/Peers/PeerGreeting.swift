import Cluster
import EventLoop
import Glibc

/// A connection to another member until it is known who is there: either dialled or accepted. On the peers' thread.
final class PeerGreeting {
    enum Outcome {
        /// What has come behind the greeting is the link's.
        case welcome(Greeting, WireVersion, leftover: [UInt8])
        /// By what was said.
        case refused(GreetingFailure)
        case failed(String)
    }

    private enum Side {
        case dialler(GreetingDialler)
        case acceptor(GreetingAcceptor)
    }

    /// Until it is handed over.
    private var transport: Transport?
    /// Over TLS, hands are shaken before anybody greets.
    private var isShakingHands: Bool
    private var side: Side
    private var readable: DescriptorEvent?
    private var writable: DescriptorEvent?
    private var deadline: Timer?
    private let finished: (PeerGreeting, Outcome) -> Void

    private static let milliseconds = 2_000
    /// Greetings are shorter than what a socket's buffer takes.
    private static let byteCountMax = 256

    private init(
        loop: Loop, _ transport: consuming Transport, side: Side,
        finished: @escaping (PeerGreeting, Outcome) -> Void
    ) throws(EventLoopError) {
        let descriptor = transport.socket.descriptor
        isShakingHands = transport.isSecured
        self.transport = consume transport
        self.side = side
        self.finished = finished
        let readable = try DescriptorEvent(
            loop: loop, descriptor: descriptor, interest: .readable
        ) { [unowned self] _ in goOn() }
        self.readable = readable
        writable = try DescriptorEvent(
            loop: loop, descriptor: descriptor, interest: .writable
        ) { [unowned self] _ in
            writable?.disable()
            goOn()
        }
        try readable.enable()
        let timer = try Timer(loop: loop) { [unowned self] in
            finish(.failed("no greeting came within \(Self.milliseconds / 1_000) s"))
        }
        deadline = timer
        try timer.start(afterMilliseconds: Self.milliseconds)
    }

    deinit { stop() }

    static func dialled(
        loop: Loop, _ transport: consuming Transport, own: Greeting, versions: WireVersions,
        seal: @escaping GreetingProof.Seal,
        finished: @escaping (PeerGreeting, Outcome) -> Void
    ) throws(EventLoopError) -> PeerGreeting {
        try PeerGreeting(
            loop: loop, transport,
            side: .dialler(GreetingDialler(own: own, versions: versions, seal: seal)),
            finished: finished)
    }

    /// Who has dialled speaks first.
    func open() {
        if isShakingHands { return goOn() }
        if case .dialler(let dialler) = side { send(dialler.opening) }
    }

    static func accepted(
        loop: Loop, _ transport: consuming Transport, own: Greeting, versions: WireVersions,
        isBusy: Bool, seal: @escaping GreetingProof.Seal,
        finished: @escaping (PeerGreeting, Outcome) -> Void
    ) throws(EventLoopError) -> PeerGreeting {
        try PeerGreeting(
            loop: loop, transport,
            side: .acceptor(
                GreetingAcceptor(own: own, versions: versions, isBusy: isBusy, seal: seal)),
            finished: finished)
    }

    /// Gives the connection to somebody else; once.
    func takeTransport() -> Transport? {
        stop()
        return transport.take()
    }

    private var isOver: Bool { readable == nil }

    private func stop() {
        readable = nil
        writable = nil
        deadline = nil
    }

    private func goOn() {
        if isShakingHands { shakeHands() } else { receive() }
    }

    private func shakeHands() {
        switch transport?.shakeHands() {
        case nil: return
        case .failed(let reason): return finish(.failed("TLS: \(reason)"))
        case .waits(.writable):
            do { try writable?.enable() } catch { finish(.failed("\(error)")) }
            return
        case .waits: return
        case .done: isShakingHands = false
        }
        open()
        // The greeting may have come with the last of the handshake.
        if !isOver { receive() }
    }

    private func send(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        let result = bytes.withUnsafeBytes { transport?.write($0) }
        if result != .bytes(bytes.count) { finish(.failed("the connection has ended")) }
    }

    private func receive() {
        repeat {
            var bytes = [UInt8](repeating: 0, count: Self.byteCountMax)
            switch bytes.withUnsafeMutableBytes({ transport?.read(into: $0) }) {
            case .bytes(let count): take(Array(bytes.prefix(count)))
            case .wouldBlock, nil: return
            // Who is refused learns that after the handshake.
            case .failed(errno: EPROTO):
                return finish(.failed("TLS: it does not take this node's certificate"))
            case .ended, .failed: return finish(.failed("the connection has ended"))
            }
        } while !isOver && transport?.hasPending == true
    }

    private func take(_ received: [UInt8]) {
        let step: GreetingStep
        switch side {
        case .dialler(var dialler):
            step = dialler.take(received.span.bytes)
            side = .dialler(dialler)
        case .acceptor(var acceptor):
            step = acceptor.take(received.span.bytes)
            side = .acceptor(acceptor)
        }
        send(step.answer)
        switch step.progress {
        case .waits: break
        case .done(let greeting, let version, let leftover):
            finish(.welcome(greeting, version, leftover: leftover))
        case .failed(let failure): finish(.refused(failure))
        }
    }

    private func finish(_ outcome: Outcome) {
        guard !isOver else { return }
        stop()
        finished(self, outcome)
    }
}
