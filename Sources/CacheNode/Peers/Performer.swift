import MemcacheProtocol
import SessionMap

/// Carries out commands that are there as a whole, whoever sent them, and gives back what their clients are to be
/// sent: a conversation without a socket. Nobody waits in it: a command that would is answered as if its time were
/// over.
///
/// Confined to whoever has the member's lock.
final class Performer {
    private let context: NodeContext
    private let listener: ListenerIdentity
    private let worker: WorkerRecord
    private let pool = BufferPool()
    private var text: Connection?
    private var binary: Connection?
    /// Most short ones are like the one before, and are it then: one array is all of theirs.
    private var lastReply: [UInt8] = []
    private static let sharedByteCountMax = 64

    /// - Parameter worker: its own: nobody else may count there.
    init(context: NodeContext, listener: ListenerIdentity, worker: WorkerRecord) {
        self.context = context
        self.listener = listener
        self.worker = worker
    }

    func perform(_ command: [UInt8], now: Moment) -> [UInt8] {
        let isBinary = command.first == BinaryHeader.requestMagic
        let connection = (isBinary ? binary : text) ?? makeConnection(now: now)
        let (reply, isWhole) = run(connection, command, now: now)
        // What is left over would be taken for the beginning of the next one.
        let kept = isWhole ? connection : nil
        if isBinary { binary = kept } else { text = kept }
        return reply
    }

    private func makeConnection(now: Moment) -> Connection {
        Connection(
            context: context, listener: listener, worker: worker, pool: pool, now: now)
    }

    /// - Returns: the reply, and whether the connection is of further use.
    private func run(
        _ connection: Connection, _ command: [UInt8], now: Moment
    ) -> (reply: [UInt8], isWhole: Bool) {
        var reply: [UInt8] = []
        var position = Self.feed(connection, command, from: 0, now: now)
        while true {
            let turn = connection.run(commandLimit: 16, now: now)
            take(from: connection, into: &reply)
            switch turn {
            case .outputFull, .yielded, .rested: continue
            case .waiting:
                guard let waiting = connection.state.waiting,
                    connection.resume(waiting.ticket, .overdue, now: now)
                else { return (reply, false) }
            case .needsInput:
                guard position < command.count else {
                    return (reply, connection.input.isEmpty && connection.isBetweenCommands)
                }
                let count = Self.feed(connection, command, from: position, now: now)
                guard count > 0 else { return (reply, false) }
                position += count
            case .watching, .close: return (reply, false)
            }
        }
    }

    private static func feed(
        _ connection: Connection, _ command: [UInt8], from position: Int, now: Moment
    ) -> Int {
        command.withUnsafeBytes { bytes in
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            let direct = connection.directTarget
            if !direct.isEmpty {
                let count = min(direct.count, rest.count)
                direct.copyBytes(from: rest.prefix(count))
                connection.noteReceived(direct: count, buffered: 0, now: now)
                return count
            }
            let room = connection.input.room()
            let count = min(room.count, rest.count)
            room.copyBytes(from: rest.prefix(count))
            connection.noteReceived(direct: 0, buffered: count, now: now)
            return count
        }
    }

    private func take(from connection: Connection, into reply: inout [UInt8]) {
        while !connection.output.isEmpty {
            connection.output.send { pieces in
                switch pieces {
                case .one(let bytes):
                    if reply.isEmpty {
                        reply = array(of: bytes)
                    } else {
                        reply.append(contentsOf: bytes)
                    }
                    return bytes.count
                case .several(let several):
                    for piece in several { reply.append(contentsOf: piece) }
                    return several.reduce(0) { $0 + $1.count }
                }
            }
        }
    }

    private func array(of bytes: UnsafeRawBufferPointer) -> [UInt8] {
        guard bytes.count <= Self.sharedByteCountMax else { return Array(bytes) }
        let isLast = lastReply.withUnsafeBytes {
            $0.count == bytes.count && $0.elementsEqual(bytes)
        }
        if !isLast { lastReply = Array(bytes) }
        return lastReply
    }
}
