import Cluster
import EventLoop
import Synchronization

/// Whoever receives what comes by a link, on a thread and a loop of its own.
protocol LinkServer: AnyObject, Sendable {
    /// Has it look after a link that takes no more, or has ended. From any thread.
    func requestAttention()
}

/// A connection to another member, once both have greeted each other: messages in, messages out.
///
/// What is to be sent is appended by whoever has the member's lock, on any thread, and sent by them; everything
/// else belongs to the thread of whoever serves the link.
///
/// `@unchecked Sendable`: for that reason.
final class PeerLink: @unchecked Sendable {
    let peer: Int
    let process: UInt64
    /// Whether the other one is a front, with a number that it has here alone.
    let isFronts: Bool
    /// In which both ends speak.
    let version: WireVersion
    let server: any LinkServer
    private let transport: Transport
    /// Of a session of TLS, which is one thread's at a time: one reads while another one writes. In clear text nobody takes it.
    private let session = Mutex(())
    private let isSecured: Bool
    /// What TLS has taken from the socket already makes nothing readable. Of the server's thread.
    private var hasRest = false
    private var reader: FrameReader
    private var output: [UInt8] = []
    private var sentCount = 0
    /// It takes no more at present; then somebody has to wait until it does.
    private(set) var isStuck = false
    private(set) var isBroken = false
    /// Whether it is among those that send at the end of a turn.
    var isOwing = false
    private var readable: DescriptorEvent?
    private var writable: DescriptorEvent?
    /// Whether the peer's first statement has come.
    var isBegun = false
    /// How often something has come, and how often it had at the last look.
    private let receivedCount = Atomic<UInt64>(0)
    private var lookedAtCount: UInt64?

    /// Why one is closed, for operators.
    static let hasEnded = "the link has ended"
    static let isNotUnderstood = "what came cannot be understood"
    static let isStuckForGood = "it does not take what it is sent"

    /// A peer that takes nothing of so much is as good as gone.
    private static let outputByteCountMax = 256 << 20
    /// So much is received at a time: what it leads to is done before others have their turn.
    private static let inputByteCount = 16 << 10
    /// The same while a long frame comes, which leads to nothing before its end.
    private static let longInputByteCount = 256 << 10

    init(
        peer: Int, process: UInt64, isFronts: Bool, version: WireVersion, server: any LinkServer,
        transport: consuming Transport,
        frameByteCountMax: Int,
        received: [UInt8]
    ) {
        self.peer = peer
        self.process = process
        self.isFronts = isFronts
        self.version = version
        self.server = server
        isSecured = transport.isSecured
        self.transport = transport
        reader = FrameReader(frameByteCountMax: frameByteCountMax, version: version)
        reader.append(received.span.bytes)
    }

    /// To be called on the thread of the loop.
    func attach(
        to loop: Loop, readable read: @escaping () -> Void, writable write: @escaping () -> Void
    ) throws(EventLoopError) {
        let readable = try DescriptorEvent(
            loop: loop, descriptor: transport.socket.descriptor, interest: .readable
        ) { _ in read() }
        self.readable = readable
        writable = try DescriptorEvent(
            loop: loop, descriptor: transport.socket.descriptor, interest: .writable
        ) { _ in write() }
        try readable.enable()
        alone { hasRest = transport.hasPending }
        if hasRest { readable.fire(.readable) }
    }

    func detach() {
        readable = nil
        writable = nil
    }

    /// On the server's thread, once somebody has found the link stuck.
    func waitUntilWritable() throws(EventLoopError) {
        if let writable, !writable.isEnabled { try writable.enable() }
    }

    // MARK: Sending

    func append(_ frame: PeerFrame) { frame.append(to: &output, in: version) }
    func append(_ statement: Statement) { statement.append(to: &output, in: version) }

    var isEmpty: Bool { sentCount == output.count }

    /// Sends what the peer takes.
    func send() {
        guard !isBroken else { return }
        isStuck = false
        while sentCount < output.count {
            let result = output.withUnsafeBytes {
                write(UnsafeRawBufferPointer(rebasing: $0[sentCount...]))
            }
            switch result {
            case .bytes(let count): sentCount += count
            case .wouldBlock:
                isStuck = true
                if output.count - sentCount > Self.outputByteCountMax { isBroken = true }
                if sentCount > 1 << 20 {
                    output.removeFirst(sentCount)
                    sentCount = 0
                }
                return
            case .failed, .ended:
                isBroken = true
                return
            }
        }
        sentCount = 0
        output.removeAll(keepingCapacity: output.capacity <= 1 << 20)
    }

    func noteWritable() { writable?.disable() }

    // MARK: Receiving

    /// Reads what has come, at most so much as leaves others their turn; false when the link has ended.
    func receive() -> Bool {
        var isOpen = true
        let isLong = reader.waitingByteCount > Self.inputByteCount
        let byteCountMax = isLong ? Self.longInputByteCount : Self.inputByteCount
        reader.append(byteCountMax: byteCountMax) { room in
            switch read(into: room) {
            case .bytes(let count):
                receivedCount.wrappingAdd(1, ordering: .relaxed)
                return count
            case .wouldBlock: return 0
            case .ended, .failed:
                isOpen = false
                return 0
            }
        }
        if isOpen, hasRest { readable?.fire(.readable) }
        return isOpen
    }

    private func read(into room: UnsafeMutableRawBufferPointer) -> EventLoop.Stream.Transfer {
        var result = EventLoop.Stream.Transfer.wouldBlock
        alone {
            result = transport.read(into: room)
            hasRest = transport.hasPending
        }
        return result
    }

    private func write(_ bytes: UnsafeRawBufferPointer) -> EventLoop.Stream.Transfer {
        var result = EventLoop.Stream.Transfer.wouldBlock
        alone { result = transport.write(bytes) }
        return result
    }

    @inline(__always)
    private func alone(_ body: () -> Void) {
        if isSecured { session.withLock { _ in body() } } else { body() }
    }

    /// Whether something has come since the last look; nothing at the first one. Of whoever has the lock.
    func look() -> Bool? {
        let count = receivedCount.load(ordering: .relaxed)
        defer { lookedAtCount = count }
        return lookedAtCount.map { $0 != count }
    }

    func next() throws(FrameError) -> PeerMessage? { try reader.next() }
}
