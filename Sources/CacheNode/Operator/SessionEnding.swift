import Glibc
import MemcacheProtocol
import SessionMap
import Synchronization

/// Ends sessions of a space as a client's deletion does: with all that belongs to one, in a cluster at whoever decides
/// about the key, so that every copy goes.
///
/// A deletion is for one CAS unique: what was stored since then is not ended by it.
///
/// `@unchecked Sendable`: the performer is reached with the mutex held alone.
final class SessionEnding: @unchecked Sendable {
    enum Outcome: Equatable {
        case ended
        /// There is none any more.
        case gone
        /// There is another one.
        case changed
        /// The cluster takes no changes, or nobody knows what has come of it.
        case failed
    }

    private let context: NodeContext
    /// Who counts what is done here; nobody else does it there.
    private let worker: WorkerRecord
    private let mutex = Mutex(())
    private var performers: [String: Performer] = [:]
    /// How long the cluster is waited for; it says sooner that it cannot.
    private static let patienceMicroseconds = 10_000_000
    private static let pauseMicroseconds: UInt32 = 200
    /// At a time.
    static let countMax = 64

    init(_ context: NodeContext) {
        self.context = context
        worker = WorkerRecord(number: context.rules.threadCount)
    }

    func count(_ counter: Counter, _ amount: Int = 1, of space: Space) {
        mutex.withLock { _ in space.counters[worker.number].add(counter, amount) }
    }

    func end(_ sessions: [SessionWalk.Found], of space: Space) -> [Outcome] {
        let speaksText = space.configuration.listener.bindingProtocol == .ascii
        let commands = sessions.map { session in
            ClientCommand(
                key: session.key, isRead: false,
                bytes: speaksText
                    ? Self.textDeletion(session.key, session.casUnique)
                    : Self.binaryDeletion(session.key, session.casUnique))
        }
        defer { space.locks?.callNext() }
        let outcomes = mutex.withLock { _ in
            if let peers = space.peers { return ask(peers, commands) }
            let performer = performer(of: space)
            return commands.map {
                Self.outcome(of: performer.perform($0.bytes, now: space.clock.now()))
            }
        }
        return outcomes
    }

    private func performer(of space: Space) -> Performer {
        if let performer = performers[space.name] { return performer }
        let performer = Performer(
            context: context,
            listener: ListenerIdentity(
                space: space, rules: space.configuration.listener, isUnixSocket: true),
            worker: worker)
        performers[space.name] = performer
        return performer
    }

    private func ask(_ peers: Peers, _ commands: [ClientCommand]) -> [Outcome] {
        let pending = Pending(
            count: commands.count, worker: worker,
            ticket: Ticket(worker: worker.number, descriptor: -1, number: 0))
        peers.ask(commands, for: pending)
        peers.sendOwed()
        var waited = 0
        while !pending.isOver, waited < Self.patienceMicroseconds {
            usleep(Self.pauseMicroseconds)
            waited += Int(Self.pauseMicroseconds)
        }
        _ = worker.takeResumptions()
        return pending.outcomes.map { outcome in
            if case .reply(let reply)? = outcome { Self.outcome(of: reply) } else { .failed }
        }
    }

    // MARK: Words

    /// In the binary protocol, which has words for every key.
    private static func binaryDeletion(_ key: [UInt8], _ casUnique: UInt64) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: BinaryHeader.byteCount)
        (header[0], header[1]) = (BinaryHeader.requestMagic, 0x04)
        (header[3], header[11]) = (UInt8(key.count), UInt8(key.count))
        for place in 0..<8 {
            header[16 + place] = UInt8(truncatingIfNeeded: casUnique >> UInt64(8 * (7 - place)))
        }
        return header + key
    }

    /// Where that is not spoken: a meta deletion, of a key in base64.
    private static func textDeletion(_ key: [UInt8], _ casUnique: UInt64) -> [UInt8] {
        var encoded: [UInt8] = []
        Base64.encode(key.span) { encoded.append($0) }
        return Array("md ".utf8) + encoded + Array(" b C\(casUnique)\r\n".utf8)
    }

    static func outcome(of reply: [UInt8]) -> Outcome {
        if reply.first == BinaryHeader.replyMagic, reply.count >= BinaryHeader.byteCount {
            switch Int(reply[6]) << 8 | Int(reply[7]) {
            case 0: return .ended
            case 1: return .gone
            case 2: return .changed
            default: return .failed
            }
        }
        if reply.starts(with: "HD".utf8) { return .ended }
        if reply.starts(with: "NF".utf8) { return .gone }
        return reply.starts(with: "EX".utf8) ? .changed : .failed
    }
}
