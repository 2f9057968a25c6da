import Cluster
import EventLoop

/// A connection to another member until it is known who is there: either dialled or accepted. On the peers' thread.
final class PeerGreeting {
    enum Outcome {
        /// What has come behind the greeting is the link's.
        case welcome(Greeting, leftover: [UInt8])
        case failed(String)
    }

    private enum Side {
        case dialler(GreetingDialler)
        case acceptor(GreetingAcceptor)
    }

    let descriptor: Int32
    private var side: Side
    private var readable: DescriptorEvent?
    private var deadline: Timer?
    private let finished: (PeerGreeting, Outcome) -> Void
    /// Owned until it is handed over.
    private var ownsDescriptor = true

    private static let milliseconds = 2_000
    /// Greetings are shorter than what a socket's buffer takes.
    private static let byteCountMax = 256

    private init(
        loop: Loop, descriptor: Int32, side: Side,
        finished: @escaping (PeerGreeting, Outcome) -> Void
    ) throws(EventLoopError) {
        self.descriptor = descriptor
        self.side = side
        self.finished = finished
        let readable = try DescriptorEvent(
            loop: loop, descriptor: descriptor, interest: .readable
        ) { [unowned self] _ in receive() }
        self.readable = readable
        try readable.enable()
        let timer = try Timer(loop: loop) { [unowned self] in
            finish(.failed("no greeting came within \(Self.milliseconds / 1_000) s"))
        }
        deadline = timer
        try timer.start(afterMilliseconds: Self.milliseconds)
    }

    deinit {
        readable = nil
        if ownsDescriptor { EventLoop.Stream.drop(descriptor) }
    }

    static func dialled(
        loop: Loop, descriptor: Int32, own: Greeting, seal: @escaping GreetingProof.Seal,
        finished: @escaping (PeerGreeting, Outcome) -> Void
    ) throws(EventLoopError) -> PeerGreeting {
        let dialler = GreetingDialler(own: own, seal: seal)
        let greeting = try PeerGreeting(
            loop: loop, descriptor: descriptor, side: .dialler(dialler), finished: finished)
        return greeting
    }

    /// Who has dialled speaks first.
    func open() { if case .dialler(let dialler) = side { send(dialler.opening) } }

    static func accepted(
        loop: Loop, descriptor: Int32, own: Greeting, isBusy: Bool,
        seal: @escaping GreetingProof.Seal,
        finished: @escaping (PeerGreeting, Outcome) -> Void
    ) throws(EventLoopError) -> PeerGreeting {
        try PeerGreeting(
            loop: loop, descriptor: descriptor,
            side: .acceptor(GreetingAcceptor(own: own, isBusy: isBusy, seal: seal)),
            finished: finished)
    }

    /// Gives the connection to somebody else.
    func takeStream() -> EventLoop.Stream {
        readable = nil
        deadline = nil
        ownsDescriptor = false
        return EventLoop.Stream(descriptor: descriptor)
    }

    private func send(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        let count = bytes.withUnsafeBytes { EventLoop.Stream.write($0, to: descriptor) }
        if count != bytes.count { finish(.failed("the connection has ended")) }
    }

    private func receive() {
        var bytes = [UInt8](repeating: 0, count: Self.byteCountMax)
        let count = bytes.withUnsafeMutableBytes {
            EventLoop.Stream.read(into: $0, from: descriptor)
        }
        guard count != 0 else { return finish(.failed("the connection has ended")) }
        guard count > 0 else { return }
        let received = Array(bytes.prefix(count))
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
        case .done(let greeting, let leftover):
            finish(.welcome(greeting, leftover: leftover))
        case .failed(let failure): finish(.failed("\(failure)"))
        }
    }

    private func finish(_ outcome: Outcome) {
        guard readable != nil else { return }
        readable = nil
        deadline = nil
        finished(self, outcome)
    }
}
