import EventLoop
import Glibc
import Synchronization

/// Makes guessing hopeless: after a failure, nothing from the same address is looked at for a while, and
/// for longer after each further one. Whoever waits for that learns nothing meanwhile.
///
/// All connections of an address share this, so that more of them do not guess more. A login that succeeds
/// ends it: who knows a password has nothing to guess, and a client with an old one beside it, on the same
/// machine, delays the others for a moment only.
///
/// Bounded: addresses that failed longest ago are forgotten first. Called by all workers.
final class LoginThrottle: Sendable {
    /// Who is slowed down: an address. Of IPv6 it is the half that a network has, as each machine in it
    /// can take as many of the other half as it wants; of Unix sockets all are one.
    struct Peer: Hashable, Sendable, CustomStringConvertible {
        private let text: String
        var description: String { text }

        init(_ address: SocketAddress) {
            switch address {
            case .tcp(let host, _): text = host
            case .tcp6(let host, _): text = Self.network(of: host)
            case .unix: text = "unix"
            case .unknown: text = "unknown"
            }
        }

        private static func network(of host: String) -> String {
            let mapped = "::ffff:"
            if host.hasPrefix(mapped), host.contains(".") {
                return String(host.dropFirst(mapped.count))
            }
            var address = in6_addr()
            // A scope, as in fe80::1%eth0, is no part of it.
            let bare = host.prefix { $0 != "%" }
            guard inet_pton(AF_INET6, String(bare), &address) == 1 else { return host }
            return withUnsafeBytes(of: address) { bytes in
                bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: ":")
            }
        }
    }

    private struct Record {
        var failureCount = 0
        /// When something from there is looked at again. All in nanoseconds of `NodeClock.nanoseconds`.
        var next: UInt64 = 0
        var latest: UInt64 = 0
    }

    private let records = Mutex<[Peer: Record]>([:])

    static let peerCountMax = 8_192
    private static let firstDelay: UInt64 = 100_000_000
    static let longestDelay: UInt64 = 5_000_000_000
    private static let memory: UInt64 = 600_000_000_000

    /// How many addresses have failed and are remembered.
    var peerCount: Int { records.withLock { $0.count } }

    enum Turn: Equatable {
        case now
        case at(UInt64)
    }

    /// Whether something from there may be looked at. Whoever is told so has to, and to say how it ended:
    /// until then it is nobody else's turn.
    func takeTurn(_ peer: Peer, at now: UInt64) -> Turn {
        records.withLock { records in
            guard let record = records[peer] else { return .now }
            guard now >= record.next else { return .at(record.next) }
            records[peer]?.next = now + Self.delay(afterFailures: record.failureCount)
            return .now
        }
    }

    /// Returns when that may be told.
    func noteFailure(_ peer: Peer, at now: UInt64) -> UInt64 {
        records.withLock { records in
            var record = records[peer] ?? Record()
            if now &- record.latest > Self.memory { record.failureCount = 0 }
            record.failureCount += 1
            record.next = now + Self.delay(afterFailures: record.failureCount)
            record.latest = now
            if records.count >= Self.peerCountMax, records[peer] == nil { Self.forget(&records) }
            records[peer] = record
            return record.next
        }
    }

    func noteSuccess(_ peer: Peer) {
        _ = records.withLock { $0.removeValue(forKey: peer) }
    }

    private static func delay(afterFailures count: Int) -> UInt64 {
        min(firstDelay << UInt64(min(max(count, 1) - 1, 16)), longestDelay)
    }

    /// The half that failed longest ago.
    private static func forget(_ records: inout [Peer: Record]) {
        let times = records.values.map(\.latest).sorted()
        let middle = times[times.count / 2]
        records = records.filter { $0.value.latest > middle }
    }
}
