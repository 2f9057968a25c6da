import EventLoop
import Glibc

/// One connection of a load: moves bytes between a socket and a conversation.
final class LoadConnection {
    let conversation: Conversation
    /// Among its thread's.
    let number: Int
    /// Requests of an open loop that should have been sent, and those that were.
    var dueCount = 0
    var sentCount = 0
    private(set) var isOpen = true
    /// In the phase that runs, it has something to do or to wait for.
    var isBusy = false

    private var lastReceived: UInt64 = 0
    private let stream: Transport
    /// Owns this object and outlives it; a counted reference would cost atomic operations each time.
    private unowned(unsafe) let thread: LoadThread
    private var readable: DescriptorEvent?
    private var writable: DescriptorEvent?

    init(
        thread: LoadThread, number: Int, stream: consuming Transport, conversation: Conversation
    ) throws(EventLoopError) {
        self.stream = stream
        self.thread = thread
        self.number = number
        self.conversation = conversation
        let descriptor = self.stream.socket.descriptor
        readable = try DescriptorEvent(
            loop: thread.loop, descriptor: descriptor, interest: .readable
        ) { [unowned(unsafe) self] _ in receive() }
        writable = try DescriptorEvent(
            loop: thread.loop, descriptor: descriptor, interest: .writable
        ) { [unowned(unsafe) self] _ in
            send(at: thread.second)
            thread.goOn(self)
        }
        try readable?.enable()
    }

    deinit {
        readable = nil
        writable = nil
    }

    /// Sends what is wanted, as far as the socket takes it.
    func send(at second: UInt32) {
        while isOpen {
            conversation.prepare(at: second)
            guard !conversation.output.isEmpty else {
                if let writable, writable.isEnabled { writable.disable() }
                return
            }
            switch stream.write(conversation.output.pending) {
            case .bytes(let count):
                conversation.output.noteSent(count)
                conversation.tally.sentByteCount += count
            case .wouldBlock:
                guard let writable, !writable.isEnabled else { return }
                do { try writable.enable() } catch { close(.failed, "no event: \(error)") }
                return
            case .ended: close(.closed, "a server closed a connection")
            case .failed(let number): close(.failed, Self.text(of: number))
            }
        }
    }

    private func receive() {
        // What TLS has taken from the socket makes it readable no more.
        guard take() else { return }
        while isOpen, stream.hasPending, take() {}
        thread.goOnSoon(self)
    }

    /// - Returns: false if there was nothing.
    private func take() -> Bool {
        switch stream.read(into: thread.buffer) {
        case .bytes(let count):
            let now = thread.readClock()
            lastReceived = now
            conversation.tally.receivedByteCount += count
            conversation.receive(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(thread.buffer)[..<count]),
                at: now, second: thread.second)
            if conversation.hasLostStep {
                // Counted already; what else was asked has no reply.
                close(nil, "")
            }
        case .wouldBlock: return false
        case .ended: close(.closed, "a server closed a connection")
        case .failed(let number): close(.failed, Self.text(of: number))
        }
        return true
    }

    /// The oldest request's reply is overdue.
    func giveUpIfOverdue(at now: UInt64, nanoseconds: UInt64) {
        guard isOpen, !conversation.outstanding.isEmpty else { return }
        let since = max(conversation.outstanding[0].since, lastReceived)
        guard now > since, now - since > nanoseconds else { return }
        close(.late, "no reply for \(nanoseconds / 1_000_000_000) s")
        thread.goOn(self)
    }

    private func close(_ fault: Fault?, _ example: String) {
        guard isOpen else { return }
        isOpen = false
        readable?.disable()
        writable?.disable()
        conversation.noteEnd(fault, example)
    }

    private static func text(of number: Int32) -> String {
        "a connection failed: \(String(cString: strerror(number)))"
    }
}
