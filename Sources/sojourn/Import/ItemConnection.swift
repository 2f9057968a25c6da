import EventLoop
import Glibc
import MemcacheProtocol

/// Why items cannot be moved, in a sentence.
struct MovingTrouble: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Where a server is reached.
struct ItemPlace: Hashable, Sendable, CustomStringConvertible {
    enum Address: Hashable, Sendable {
        case tcp(host: String, port: Int)
        case unix(path: String)
    }

    let address: Address

    var description: String {
        switch address {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }
}

/// How a connection begins, where servers do not take everybody.
struct ItemAccess {
    var tls: TLSClientContext?
    var login: [UInt8]?
    var timeoutSeconds = 10
}

/// A connection on which somebody waits: many requests are sent together, and their replies read in order.
///
/// One thread's. What a server sends is bounded by who reads it: a line by `ReplyLineEnd.lineByteCountMax`, a block by the length
/// that was announced, and that by what is asked for.
final class ItemConnection {
    let place: ItemPlace
    private let transport: Transport
    private let timeoutSeconds: Int
    private var input: [UInt8] = []
    private var start = 0

    init(_ place: ItemPlace, _ access: ItemAccess = ItemAccess()) throws {
        self.place = place
        timeoutSeconds = access.timeoutSeconds
        transport = try Self.open(place, access)
        if let login = access.login {
            try send(login)
            let answer = text(try line())
            guard answer == "STORED" else {
                throw MovingTrouble("\(place) does not let us in: \(answer)")
            }
        }
    }

    private static func open(_ place: ItemPlace, _ access: ItemAccess) throws -> Transport {
        do {
            switch place.address {
            case .unix(let path): return .clear(try EventLoop.Stream.connect(path: path))
            case .tcp(let host, let port):
                let socket = try EventLoop.Stream.connect(host: host, port: port)
                guard let tls = access.tls else { return .clear(socket) }
                let stream = try tls.makeStream(socket, host: host)
                while true {
                    switch stream.shakeHands() {
                    case .done: return .secured(stream)
                    case .waits(let readiness):
                        try wait(
                            readiness, stream.socket.descriptor, place, access.timeoutSeconds)
                    case .failed(let reason): throw MovingTrouble("\(place): no TLS: \(reason)")
                    }
                }
            }
        } catch let error as SocketError {
            throw MovingTrouble("\(place): \(Self.reason(error))")
        } catch let error as TLSError {
            throw MovingTrouble("\(place): \(error)")
        }
    }

    private static func reason(_ error: SocketError) -> String {
        switch error {
        case .unresolvable(_, let reason): "its name is not known: \(reason)"
        case .failed(_, _, let number): "cannot connect: \(String(cString: strerror(number)))"
        case .pathTooLong: "a Unix socket's path has at most 107 bytes"
        }
    }

    private static func wait(
        _ readiness: Readiness, _ descriptor: Int32, _ place: ItemPlace, _ seconds: Int
    ) throws {
        let events = readiness == .writable ? POLLOUT : POLLIN
        var request = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        while true {
            let count = poll(&request, 1, Int32(seconds) * 1_000)
            if count > 0 { return }
            guard count < 0, errno == EINTR else {
                throw MovingTrouble("\(place): no answer within \(seconds) s")
            }
        }
    }

    private func wait(for readiness: Readiness) throws {
        try Self.wait(readiness, transport.socket.descriptor, place, timeoutSeconds)
    }

    // MARK: Sending and receiving

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let result = bytes.withUnsafeBytes {
                transport.write(UnsafeRawBufferPointer(rebasing: $0[sent...]))
            }
            switch result {
            case .bytes(let count): sent += count
            case .wouldBlock: try wait(for: .writable)
            case .ended, .failed: throw MovingTrouble("\(place) has hung up")
            }
        }
    }

    private func receive() throws {
        if start > 1 << 16 || start == input.count {
            input.removeFirst(start)
            start = 0
        }
        while true {
            var result = EventLoop.Stream.Transfer.wouldBlock
            withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { room in
                result = transport.read(into: room)
                if case .bytes(let count) = result { input.append(contentsOf: room[..<count]) }
            }
            switch result {
            case .bytes: return
            case .wouldBlock: try wait(for: .readable)
            case .ended, .failed: throw MovingTrouble("\(place) has hung up")
            }
        }
    }

    /// The next line, without its end.
    func line() throws -> [UInt8] {
        while true {
            do {
                if let end = try ReplyLineEnd(of: input.span.extracting(start...)) {
                    defer { start += end.next }
                    return Array(input[start..<(start + end.lineByteCount)])
                }
            } catch {
                throw MovingTrouble("\(place) answers with an endless line")
            }
            try receive()
        }
    }

    /// So many bytes, and the CR LF behind them.
    func block(_ byteCount: Int) throws -> [UInt8] {
        while input.count - start < byteCount + 2 { try receive() }
        let end = start + byteCount
        guard input[end] == UInt8(ascii: "\r"), input[end + 1] == UInt8(ascii: "\n") else {
            throw MovingTrouble("\(place): a value without its end")
        }
        defer { start = end + 2 }
        return Array(input[start..<end])
    }

    /// Whatever comes next.
    func part() throws -> ArraySlice<UInt8> {
        if start == input.count { try receive() }
        defer { start = input.count }
        return input[start...]
    }

    func text(_ line: [UInt8]) -> String {
        String(
            decoding: line.prefix(200).map { $0 < 32 || $0 == 127 ? UInt8(ascii: "?") : $0 },
            as: UTF8.self)
    }

    func unexpected(_ line: [UInt8], to question: String) -> MovingTrouble {
        MovingTrouble("\(place) answers '\(text(line))' to \(question)")
    }
}
