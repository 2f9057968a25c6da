import ArgumentParser
import EventLoop
import Glibc

/// The floor that scripts/bench measures nodes against: what the event loop and the kernel take for a
/// message and its answer, without a protocol and a map. One thread, on loopback.
struct EchoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo", abstract: "Sends back what it receives; for measurements.",
        shouldDisplay: false)

    @Option(help: "The port to listen on, on 127.0.0.1.") var port: Int

    func validate() throws { try check("port", port, 1...65_535) }

    func run() throws {
        do {
            let loop = try Loop()
            let sockets = try ListeningSocket.tcp(host: "127.0.0.1", port: port, backlog: 1_024)
            var connections: [Int32: EchoConnection] = [:]
            let buffer = UnsafeMutableRawBufferPointer.allocate(
                byteCount: 1 << 16, alignment: 4_096)
            defer { buffer.deallocate() }
            let listeners = try sockets.map { socket in
                try Listener(
                    loop: loop, socket: socket,
                    accepted: { descriptor in
                        let stream = EventLoop.Stream(descriptor: descriptor)
                        connections[descriptor] = EchoConnection(
                            loop: loop, stream: stream, buffer: buffer,
                            ended: { connections[descriptor] = nil })
                    },
                    failed: { number in
                        tell("sojourn echo: \(String(cString: strerror(number)))\n")
                    })
            }
            withExtendedLifetime(listeners) { loop.run() }
        } catch let error as SocketError {
            tell("sojourn echo: \(error)\n")
            throw ExitCode(1)
        }
    }
}

/// One peer of the echo: reads once, writes the same, as a node does with a request and its reply.
private final class EchoConnection {
    private let stream: EventLoop.Stream
    private let buffer: UnsafeMutableRawBufferPointer
    private let ended: () -> Void
    private var readable: DescriptorEvent?
    private var writable: DescriptorEvent?
    /// What the peer did not take yet. Nothing is read while there is some.
    private var left: [UInt8] = []

    init?(
        loop: Loop, stream: consuming EventLoop.Stream, buffer: UnsafeMutableRawBufferPointer,
        ended: @escaping () -> Void
    ) {
        self.stream = stream
        self.buffer = buffer
        self.ended = ended
        let descriptor = self.stream.descriptor
        do {
            readable = try DescriptorEvent(
                loop: loop, descriptor: descriptor, interest: .readable
            ) { [unowned self] _ in receive() }
            writable = try DescriptorEvent(
                loop: loop, descriptor: descriptor, interest: .writable
            ) { [unowned self] _ in sendLeft() }
            try readable?.enable()
        } catch {
            return nil
        }
    }

    deinit {
        readable = nil
        writable = nil
    }

    private func receive() {
        switch stream.read(into: buffer) {
        case .bytes(let count):
            let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])
            let sent = send(bytes)
            if sent < count {
                left = Array(bytes[sent...])
                readable?.disable()
                try? writable?.enable()
            }
        case .wouldBlock: return
        case .ended, .failed: ended()
        }
    }

    private func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        if case .bytes(let count) = stream.write(bytes) { return count }
        // A peer that has gone shows at the next read.
        return 0
    }

    private func sendLeft() {
        let sent = left.withUnsafeBytes { send($0) }
        left.removeFirst(sent)
        guard left.isEmpty else { return }
        writable?.disable()
        try? readable?.enable()
    }
}
