import Glibc
import Synchronization
import TestSupport

/// What lies between two members: passes on what they send each other, unless it is told not to.
///
/// `@unchecked Sendable`: after `init` its own thread alone touches what is in it, but for the rules, which have a
/// lock, and what does not change.
final class PeerRelay: @unchecked Sendable {
    struct Rules: Equatable {
        /// Nothing arrives, and nobody is told.
        var isCut = false
        /// Statements go on, and nothing else.
        var holdsFrames = false
        /// What comes is passed on so much later.
        var delayMilliseconds: UInt32 = 0
    }

    /// One way of a connection.
    private struct Stream {
        let from: Int32
        let to: Int32
        var waiting: [UInt8] = []
        /// The first bytes that have come.
        var passed: [UInt8] = []
        var isOver = false
    }

    private struct Connection {
        var out: Stream
        var back: Stream
        /// From the greeting.
        var isForStatements: Bool?
    }

    let port: UInt16
    private let listening: Int32
    private let host: String
    private let target: UInt16
    private let rules = Mutex(Rules())
    private let isStopping = Atomic<Bool>(false)
    private var connections: [Connection] = []
    private var thread = pthread_t()

    init(host: String, to target: UInt16) throws {
        self.host = host
        self.target = target
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_INET, type, 0)
        listening = descriptor
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        inet_pton(AF_INET, host, &address.sin_addr)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isListening else { throw Trouble("no listening socket on \(host)") }
        port = UInt16(bigEndian: address.sin_port)
        pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<PeerRelay>.fromOpaque(context).takeUnretainedValue().run()
                return nil
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    func set(_ new: Rules) { rules.withLock { $0 = new } }

    /// Stops its thread. It must be called.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        pthread_join(thread, nil)
        close(listening)
        for connection in connections { end(connection) }
    }

    private func run() {
        while !isStopping.load(ordering: .acquiring) {
            let rules = rules.withLock { $0 }
            wait()
            // What is held is there all the time.
            if rules.holdsFrames { usleep(5_000) }
            if rules.delayMilliseconds > 0 { usleep(rules.delayMilliseconds * 1_000) }
            accept()
            guard !rules.isCut else {
                usleep(5_000)
                continue
            }
            for place in connections.indices { pass(place, rules) }
            for connection in connections where connection.out.isOver || connection.back.isOver {
                end(connection)
            }
            connections.removeAll { $0.out.isOver || $0.back.isOver }
        }
    }

    private func wait() {
        let descriptors = connections.flatMap { [$0.out.from, $0.back.from] }
        var requests = ([listening] + descriptors).map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        poll(&requests, nfds_t(requests.count), 5)
    }

    private func accept() {
        let near = Glibc.accept(listening, nil, nil)
        guard near >= 0 else { return }
        guard let peer = try? SocketPeer(.address(host, port: target)) else {
            close(near)
            return
        }
        let far = peer.takeDescriptor()
        var one: Int32 = 1
        setsockopt(near, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(4))
        _ = fcntl(near, F_SETFL, O_NONBLOCK)
        connections.append(
            Connection(out: Stream(from: near, to: far), back: Stream(from: far, to: near)))
    }

    private func pass(_ place: Int, _ rules: Rules) {
        if rules.holdsFrames, connections[place].isForStatements == false { return }
        pass(&connections[place].out)
        if connections[place].isForStatements == nil, connections[place].out.passed.count > 6 {
            connections[place].isForStatements = connections[place].out.passed[6] == 2
        }
        pass(&connections[place].back)
    }

    private func pass(_ stream: inout Stream) {
        var part = [UInt8](repeating: 0, count: 262_144)
        if stream.waiting.isEmpty {
            let count = read(stream.from, &part, part.count)
            if count > 0 {
                stream.waiting = Array(part[..<count])
                if stream.passed.count < 7 { stream.passed += part[..<min(count, 7)] }
            } else if count == 0 || errno != EAGAIN {
                stream.isOver = true
            }
        }
        guard !stream.waiting.isEmpty else { return }
        let count = send(stream.to, stream.waiting, stream.waiting.count, Int32(MSG_NOSIGNAL))
        if count > 0 {
            stream.waiting.removeFirst(count)
        } else if errno != EAGAIN {
            stream.isOver = true
        }
    }

    private func end(_ connection: Connection) {
        close(connection.out.from)
        close(connection.out.to)
    }
}
