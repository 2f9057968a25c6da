import EventLoop
import Glibc

/// A connection on its way to be one: its peer has to say something first, and that has to be TLS.
///
///     silent --first byte--> ready --> under way --> (a ClientSocket)
///
/// While it is silent it costs little more than a descriptor. From `ready` on it is the turn of
/// `Handshakes` to let it go on, which makes OpenSSL's object for it. Confined to its worker's thread.
final class Handshake {
    enum Ending {
        /// The peer went, or the network.
        case left
        /// Not a byte of TLS.
        case clearText
        case failed(reason: String)
        /// It took too long.
        case overdue
        /// It stood still, and others wait.
        case stalled
        case noMemory
    }

    let descriptor: Int32
    let listener: ListenerIdentity
    let record: ConnectionRecord
    /// Both on the node's clock.
    let begunSeconds: UInt32
    private(set) var advancedSeconds: UInt32
    /// Whether it has OpenSSL's object, of which there are only so many.
    private(set) var isUnderWay = false
    /// It waits for its turn, and for nothing of its peer's.
    var isQueued = false
    private(set) var isOver = false

    private var stream: Transport?
    private var readable: DescriptorEvent?
    private var writable: DescriptorEvent?
    /// They keep it, and outlive it.
    private unowned(unsafe) let handshakes: Handshakes

    /// The first byte of TLS: a record of the handshake.
    private static let recordType: UInt8 = 22

    init(
        _ socket: consuming EventLoop.Stream, listener: ListenerIdentity, handshakes: Handshakes,
        loop: Loop, now: Moment
    ) throws(EventLoopError) {
        descriptor = socket.descriptor
        self.listener = listener
        self.handshakes = handshakes
        record = ConnectionRecord(
            descriptor: socket.descriptor, of: listener.space, now: now.seconds)
        record.note(.handshaking)
        begunSeconds = now.seconds
        advancedSeconds = now.seconds
        stream = .clear(socket)
        let event = try DescriptorEvent(
            loop: loop, descriptor: descriptor, interest: .readable
        ) { [unowned(unsafe) self] _ in becameReady() }
        readable = event
        try event.enable()
    }

    private func becameReady() {
        guard !isOver, !isQueued else { return }
        if !isUnderWay {
            let first = peek()
            switch first.transfer {
            case .wouldBlock: return
            case .bytes where first.byte == Self.recordType: break
            case .bytes: return handshakes.end(self, .clearText)
            case .ended, .failed: return handshakes.end(self, .left)
            }
        }
        handshakes.goOnSoon(self)
    }

    private func peek() -> (byte: UInt8, transfer: EventLoop.Stream.Transfer) {
        isOver ? (0, .ended) : EventLoop.Stream.peek(at: descriptor)
    }

    /// So that the loop does not tell again and again what is known.
    func stopListening() {
        readable?.disable()
        writable?.disable()
    }

    /// Whether there is something from the peer that was not looked at.
    var hasNews: Bool { peek().transfer != .wouldBlock }

    // MARK: Going on

    enum Step {
        /// The connection can begin.
        case secured
        case waits
        case ends(Ending)
    }

    /// Goes on as far as the peer has.
    func goOn(_ context: TLSContext, loop: Loop, now: Moment) -> Step {
        guard isUnderWay || begin(context) else { return .ends(.noMemory) }
        advancedSeconds = now.seconds
        guard case .secured(let stream)? = stream.take() else { return .ends(.left) }
        let step = stream.shakeHands()
        self.stream = .secured(stream)
        switch step {
        case .done: return .secured
        case .failed(let reason): return .ends(.failed(reason: reason))
        case .waits(let readiness): return wait(for: readiness, loop) ? .waits : .ends(.noMemory)
        }
    }

    private func begin(_ context: TLSContext) -> Bool {
        guard case .clear(let socket)? = stream.take(),
            let stream = context.makeStream(
                socket, verification: listener.verification ?? .none)
        else { return false }
        self.stream = .secured(stream)
        isUnderWay = true
        return true
    }

    private func wait(for readiness: Readiness, _ loop: Loop) -> Bool {
        do {
            if readiness == .writable {
                readable?.disable()
                let event =
                    try writable
                    ?? DescriptorEvent(loop: loop, descriptor: descriptor, interest: .writable) {
                        [unowned(unsafe) self] _ in becameReady()
                    }
                writable = event
                try event.enable()
            } else {
                writable?.disable()
                if let readable, !readable.isEnabled { try readable.enable() }
            }
            return true
        } catch {
            return false
        }
    }

    // MARK: Its end

    /// Hands over what tells that the socket is readable.
    func takeReadable() -> DescriptorEvent? {
        defer { readable = nil }
        return readable
    }

    /// Hands the stream over, which has been secured.
    func takeStream() -> Transport? {
        isOver = true
        readable = nil
        writable = nil
        return stream.take()
    }

    var peer: SocketAddress { isOver ? .unknown : .peer(of: descriptor) }
}
