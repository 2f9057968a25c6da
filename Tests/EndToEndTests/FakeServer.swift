import Glibc
import TestSupport

/// A server for one connection at a time that stores and serves as memcached does, until its moment
/// to do something wrong has come.
///
/// `@unchecked Sendable`: after `init` its own thread alone touches what is in it, but for the port,
/// which does not change.
final class FakeServer: @unchecked Sendable {
    enum Misbehaviour: String, CaseIterable, Sendable {
        case wrongByte, shortValue, otherKey, forgets, refuses, garbage, cutsOff, closes,
            staysSilent
    }

    let port: UInt16
    private let listening: Int32
    private let misbehaviour: Misbehaviour
    private var getsLeft: Int
    private var items: [String: [UInt8]] = [:]
    private var input: [UInt8] = []
    private var thread = pthread_t()

    /// - Parameter getCount: so many gets are answered as they should be first.
    init(_ misbehaviour: Misbehaviour, afterGets getCount: Int) throws {
        self.misbehaviour = misbehaviour
        getsLeft = getCount
        listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listening
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 8) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isListening else { throw Trouble("no listening socket") }
        port = UInt16(bigEndian: address.sin_port)
        let context = Unmanaged.passUnretained(self)
        pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<FakeServer>.fromOpaque(context).takeUnretainedValue().serve()
                return nil
            }, context.toOpaque())
    }

    /// Stops its thread. It must be called.
    func stop() {
        shutdown(listening, Int32(SHUT_RDWR))
        pthread_join(thread, nil)
        close(listening)
    }

    private func serve() {
        while true {
            let peer = accept(listening, nil, nil)
            guard peer >= 0 else { return }
            input = []
            while converse(with: peer) {}
            close(peer)
        }
    }

    /// Reads what there is and answers it; not true when the connection is done with.
    private func converse(with peer: Int32) -> Bool {
        var part = [UInt8](repeating: 0, count: 65_536)
        let count = read(peer, &part, part.count)
        guard count > 0 else { return false }
        input += part[..<count]
        while let end = input.firstIndex(of: 10) {
            let line = String(decoding: input[..<(end - 1)], as: UTF8.self)
            let words = line.split(separator: " ").map(String.init)
            if words.first == "set", words.count == 5, let length = Int(words[4]) {
                guard input.count >= end + 1 + length + 2 else { return true }
                items[words[1]] = Array(input[(end + 1)...].prefix(length))
                input.removeFirst(end + 1 + length + 2)
                send("STORED\r\n", to: peer)
            } else if words.first == "get", words.count == 2 {
                input.removeFirst(end + 1)
                guard answerGet(words[1], to: peer) else { return false }
            } else {
                return false
            }
        }
        return true
    }

    private func answerGet(_ key: String, to peer: Int32) -> Bool {
        let value = items[key] ?? []
        let whole =
            Array("VALUE \(key) 0 \(value.count)\r\n".utf8) + value + Array("\r\nEND\r\n".utf8)
        getsLeft -= 1
        guard getsLeft == -1 else {
            send(whole, to: peer)
            return true
        }
        var wrong = whole
        switch misbehaviour {
        case .wrongByte: wrong[wrong.count - 10] ^= 0x20
        case .shortValue:
            let part = Array(value.dropLast())
            wrong =
                Array("VALUE \(key) 0 \(part.count)\r\n".utf8) + part + Array("\r\nEND\r\n".utf8)
        case .otherKey: wrong[8] ^= 1
        case .forgets: wrong = Array("END\r\n".utf8)
        case .refuses: wrong = Array("SERVER_ERROR out of order\r\n".utf8)
        case .garbage: wrong = Array("I am not memcached\r\n".utf8)
        case .cutsOff:
            send(Array(whole.prefix(40)), to: peer)
            return false
        case .closes: return false
        case .staysSilent: return true
        }
        send(wrong, to: peer)
        return true
    }

    private func send(_ text: String, to peer: Int32) { send(Array(text.utf8), to: peer) }

    private func send(_ bytes: [UInt8], to peer: Int32) {
        _ = Glibc.send(peer, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}
