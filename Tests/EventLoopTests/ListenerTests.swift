import Glibc
import TestSupport
import Testing

@testable import EventLoop

@Suite(.timeLimit(.minutes(10)))
struct ListenerTests {
    /// Connects to an address of this machine.
    private func connect(to address: SocketAddress) throws -> EventLoop.Stream {
        func open<Address>(_ family: Int32, _ address: Address) throws -> EventLoop.Stream {
            let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            try #require(descriptor >= 0)
            let result = withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
                }
            }
            try #require(result == 0, "cannot connect: \(String(cString: strerror(errno)))")
            return EventLoop.Stream(descriptor: descriptor)
        }
        switch address {
        case .tcp(_, let port):
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = in_port_t(port).bigEndian
            name.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
            return try open(AF_INET, name)
        case .tcp6(_, let port):
            var name = sockaddr_in6()
            name.sin6_family = sa_family_t(AF_INET6)
            name.sin6_port = in_port_t(port).bigEndian
            name.sin6_addr = in6addr_loopback
            return try open(AF_INET6, name)
        case .unix(let path):
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            return try open(AF_UNIX, name)
        case .unknown: throw SocketError.pathTooLong("no address")
        }
    }

    /// A peer connects, and both ends can be used.
    private func expectService(_ socket: ListeningSocket) throws {
        let loop = try Loop()
        var accepted: [Int32] = []
        let address = socket.address
        let listener = try Listener(
            loop: loop, socket: socket, accepted: { accepted.append($0) },
            failed: { Issue.record("accepting failed: \($0)") })
        let client = try connect(to: address)
        #expect(client.peer.description == address.description)
        try run(loop) { accepted.count == 1 }
        let served = EventLoop.Stream(descriptor: accepted[0])
        #expect(served.local.description == address.description)
        #expect(fcntl(accepted[0], F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC != 0)
        let byte: [UInt8] = [42]
        #expect(byte.withUnsafeBytes { served.write($0) } == .bytes(1))
        var answer: [UInt8] = [0, 0]
        #expect(answer.withUnsafeMutableBytes { client.read(into: $0) } == .bytes(1))
        #expect(answer[0] == 42)
        // While it is paused peers wait in the backlog.
        listener.pause()
        let waiting = try connect(to: address)
        try pass(loop)
        #expect(accepted.count == 1)
        listener.resume()
        try run(loop) { accepted.count == 2 }
        close(accepted[1])
        #expect(waiting.descriptor >= 0)
    }

    private func run(_ loop: Loop, until isDone: () -> Bool) throws {
        let limit = try Timer(loop: loop) {}
        try limit.start(afterMilliseconds: 10_000)
        while !isDone() {
            try #require(limit.isEnabled, "nothing happened in time")
            loop.runOnce()
        }
    }

    /// Lets a loop do what is ready.
    private func pass(_ loop: Loop) throws {
        var hasPassed = false
        let timer = try Timer(loop: loop) { hasPassed = true }
        try timer.start(afterMilliseconds: 1)
        try run(loop) { hasPassed }
    }

    @Test("Peers are accepted on an IPv4 address, on a port that is free")
    func tcp() throws {
        let sockets = try ListeningSocket.tcp(host: "127.0.0.1", port: 0, backlog: 16)
        try #require(sockets.count == 1)
        guard case .tcp("127.0.0.1", let port) = sockets[0].address else {
            Issue.record("listens on \(sockets[0].address)")
            return
        }
        #expect(port > 0)
        try expectService(sockets[0])
    }

    @Test("Peers are accepted on an IPv6 address")
    func tcp6() throws {
        let sockets = try ListeningSocket.tcp(host: "::1", port: 0, backlog: 16)
        try #require(sockets.count == 1)
        guard case .tcp6("::1", _) = sockets[0].address else {
            Issue.record("listens on \(sockets[0].address)")
            return
        }
        #expect(sockets[0].address.description.hasPrefix("tcp6:[::1]:"))
        try expectService(sockets[0])
    }

    @Test("Peers are accepted on a Unix socket, whose path goes with it")
    func unix() throws {
        let directory = try TemporaryDirectory()
        defer { withExtendedLifetime(directory) {} }
        let path = directory.path + "/socket"
        try expectService(try ListeningSocket.unix(path: path, mode: 0o700, backlog: 16))
        #expect(access(path, F_OK) != 0)
    }

    @Test(
        "A Unix socket has the access mask that was asked for",
        arguments: [
            UInt32(0o700), 0o600, 0o777, 0o750,
        ])
    func accessMask(mode: UInt32) throws {
        let directory = try TemporaryDirectory()
        defer { withExtendedLifetime(directory) {} }
        let path = directory.path + "/socket"
        let socket = try ListeningSocket.unix(path: path, mode: mode, backlog: 16)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == mode)
        #expect(socket.address == .unix(path: path))
    }

    @Test("A stale Unix socket is replaced, another kind of file is not")
    func staleSocket() throws {
        let directory = try TemporaryDirectory()
        defer { withExtendedLifetime(directory) {} }
        let path = directory.path + "/socket"
        let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(stale, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(result == 0)
        close(stale)
        try expectService(try ListeningSocket.unix(path: path, mode: 0o700, backlog: 16))

        let file = try #require(fopen(path, "w"))
        fclose(file)
        #expect(throws: SocketError.failed(call: "bind", address: path, errno: EADDRINUSE)) {
            _ = try ListeningSocket.unix(path: path, mode: 0o700, backlog: 16)
        }
        #expect(access(path, F_OK) == 0)
    }

    @Test("A Unix socket's path has at most 107 bytes")
    func pathLength() throws {
        let directory = try TemporaryDirectory()
        defer { withExtendedLifetime(directory) {} }
        let start = directory.path + "/"
        for count in [106, 107] {
            let long = start + String(repeating: "s", count: count - start.utf8.count)
            let socket = try ListeningSocket.unix(path: long, mode: 0o700, backlog: 16)
            #expect(socket.address == .unix(path: long))
        }
        let longer = start + String(repeating: "s", count: 108 - start.utf8.count)
        #expect(throws: SocketError.pathTooLong(longer)) {
            _ = try ListeningSocket.unix(path: longer, mode: 0o700, backlog: 16)
        }
    }

    @Test("A port that is taken and a name that stands for nothing are told apart")
    func failures() throws {
        let sockets = try ListeningSocket.tcp(host: "127.0.0.1", port: 0, backlog: 16)
        let port = try #require(sockets[0].address.port)
        let taken = "tcp:127.0.0.1:\(port)"
        do {
            _ = try ListeningSocket.tcp(host: "127.0.0.1", port: port, backlog: 16)
            Issue.record("two sockets listen on one port")
        } catch .failed(let call, let address, let number) {
            #expect(["bind", "listen"].contains(call))
            #expect(address == taken)
            #expect(number == EADDRINUSE)
        } catch {
            Issue.record("\(error)")
        }
        do {
            _ = try ListeningSocket.tcp(host: "no such name", port: 0, backlog: 16)
            Issue.record("listens on no such name")
        } catch .unresolvable(let name, let reason) {
            #expect(name == "no such name")
            #expect(!reason.isEmpty)
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test("Without a host every address of both families is listened on")
    func everyAddress() throws {
        let sockets = try ListeningSocket.tcp(host: nil, port: 0, backlog: 16)
        let hosts = sockets.map { $0.address.description.split(separator: ":").first }
        #expect(hosts.contains("tcp"))
        for socket in sockets { #expect((socket.address.port ?? 0) > 0) }
    }
}
