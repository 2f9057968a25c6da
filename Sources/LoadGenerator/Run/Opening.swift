import EventLoop
import Glibc
import HashRing

/// Opens connections as servers want them: TLS, if that is spoken, then a login, if there is one. Each is
/// waited for.
struct Opening {
    private let tls: TLSClientContext?
    private let login: [UInt8]?
    /// Of a handshake, and of a login.
    private let timeoutSeconds: Int

    init(_ plan: LoadPlan) {
        tls = plan.tls
        login = plan.login
        timeoutSeconds = plan.timeoutSeconds
    }

    /// - Throws: `SocketError`, or a `LoadError` with the server's words. Never a word of the login.
    func transport(to server: Node) throws -> Transport {
        let socket = try EventLoop.Stream.connect(host: server.host, port: server.port)
        let name = "\(server.host):\(server.port)"
        let transport = try secured(socket, server.host, name)
        if let login { try logIn(login, on: transport, name) }
        return transport
    }

    private func secured(
        _ socket: consuming EventLoop.Stream, _ host: String, _ name: String
    ) throws -> Transport {
        guard let tls else { return .clear(socket) }
        let stream: TLSStream
        do {
            stream = try tls.makeStream(socket, host: host)
        } catch {
            throw LoadError.connectFailed("\(name): \(error)")
        }
        while true {
            switch stream.shakeHands() {
            case .done: return .secured(stream)
            case .waits(let readiness):
                try wait(for: readiness, at: stream.socket.descriptor, name)
            case .failed(let reason):
                throw LoadError.connectFailed("\(name): no TLS: \(reason)")
            }
        }
    }

    private func logIn(
        _ login: [UInt8], on transport: borrowing Transport, _ name: String
    ) throws {
        let descriptor = transport.socket.descriptor
        var rest = login[...]
        while !rest.isEmpty {
            switch rest.withUnsafeBytes({ transport.write($0) }) {
            case .bytes(let count): rest = rest.dropFirst(count)
            case .wouldBlock: try wait(for: .writable, at: descriptor, name)
            case .ended, .failed: throw LoadError.connectFailed("\(name): it has hung up")
            }
        }
        let answer = try line(from: transport, name)
        guard answer == "STORED" else {
            throw LoadError.connectFailed("\(name) does not let us in: \(answer)")
        }
    }

    /// Nothing follows it, as nothing was asked.
    private func line(from transport: borrowing Transport, _ name: String) throws -> String {
        var line: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 512)
        while line.suffix(2) != [13, 10] {
            switch part.withUnsafeMutableBytes({ transport.read(into: $0) }) {
            case .bytes(let count) where line.count < part.count: line += part.prefix(count)
            case .wouldBlock:
                try wait(for: .readable, at: transport.socket.descriptor, name)
            case .bytes: throw LoadError.connectFailed("\(name): an endless answer to the login")
            case .ended, .failed:
                throw LoadError.connectFailed("\(name): it has hung up instead of letting us in")
            }
        }
        return String(decoding: line.dropLast(2), as: UTF8.self)
    }

    private func wait(for readiness: Readiness, at descriptor: Int32, _ name: String) throws {
        let events = readiness == .writable ? POLLOUT : POLLIN
        var request = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        while true {
            let count = poll(&request, 1, Int32(timeoutSeconds) * 1_000)
            if count > 0 { return }
            guard count < 0, errno == EINTR else {
                throw LoadError.connectFailed("\(name): no answer within \(timeoutSeconds) s")
            }
        }
    }
}
