import EventLoop
import Glibc
import Logging

/// One operator: lines with questions, one after the other, each answered with lines of JSON.
///
/// What is not read is not made: a walk stands still while its reader does not read, and ends when that has gone, or has
/// read nothing for too long.
///
/// `@unchecked Sendable`: confined to its thread, but for the flag.
final class OperatorConversation: @unchecked Sendable {
    private let stream: EventLoop.Stream
    private let user: UInt32
    private let context: NodeContext
    private let ending: SessionEnding
    private let isStopping: Flag
    private let hasEnded = Flag()

    private static let pollMilliseconds: Int32 = 250
    /// Nothing was asked for so long, or taken of what is owed.
    private static let patienceSeconds = 60

    init(
        _ stream: consuming EventLoop.Stream, user: UInt32, context: NodeContext,
        ending: SessionEnding, isStopping: Flag
    ) {
        self.stream = stream
        self.user = user
        self.context = context
        self.ending = ending
        self.isStopping = isStopping
    }

    var isOver: Bool { hasEnded.isSet }

    /// The operator has gone, or the node stops.
    struct Gone: Error {}

    func run() {
        defer { hasEnded.set() }
        do throws(Gone) {
            while true { try answer(try readLine()) }
        } catch {}
        shutdown(stream.descriptor, Int32(SHUT_RDWR))
    }

    // MARK: Questions

    private func answer(_ line: [UInt8]) throws(Gone) {
        if line.isEmpty { return }
        let statistics: OperatorStatistics?
        do throws(OperatorStatistics.Mistake) {
            statistics = try OperatorStatistics(line, of: context)
        } catch {
            return try tell(mistake: error.sentence)
        }
        if let statistics {
            for line in statistics.lines(of: context) { try write(line) }
            return
        }
        switch understand(line) {
        case .failure(let mistake): try tell(mistake: mistake.sentence)
        case .success(nil):
            var line = ResultLine()
            line.add("spaces", context.spaces.all.map(\.name))
            try write(line.bytes)
        case .success(let answer?):
            try answer.give(
                to: "user \(user)",
                write: { (bytes: [UInt8]) throws(Gone) in try self.write(bytes) },
                isWanted: { !self.isStopping.isSet && !self.stream.isGone })
        }
    }

    /// Nothing where it is asked which spaces there are.
    private func understand(_ line: [UInt8]) -> Result<SessionAnswer?, SessionQuery.Mistake> {
        do throws(SessionQuery.Mistake) {
            let query = try SessionQuery(line)
            if query.command == .spaces { return .success(nil) }
            return .success(
                try SessionAnswer(
                    query, try space(for: query), context: context, ending: ending))
        } catch {
            return .failure(error)
        }
    }

    private func tell(mistake: String) throws(Gone) {
        var line = ResultLine()
        line.add("error", mistake)
        try write(line.bytes)
    }

    private func space(for query: SessionQuery) throws(SessionQuery.Mistake) -> Space {
        let spaces = context.spaces.all
        let names = spaces.map(\.name).joined(separator: ", ")
        guard let name = query.space else {
            guard let only = spaces.first, spaces.count == 1 else {
                throw SessionQuery.Mistake("which space? There are \(names)")
            }
            return only
        }
        guard let space = context.spaces[name] else {
            throw SessionQuery.Mistake("there is no space \"\(name)\", but \(names)")
        }
        return space
    }

    // MARK: Bytes

    private var received: [UInt8] = []

    private func readLine() throws(Gone) -> [UInt8] {
        var waitedMilliseconds = 0
        while true {
            if let end = received.firstIndex(of: UInt8(ascii: "\n")) {
                guard end <= SessionQuery.lineByteCountMax else { break }
                var line = Array(received[..<end])
                received.removeFirst(end + 1)
                if line.last == UInt8(ascii: "\r") { line.removeLast() }
                return line
            }
            guard received.count <= SessionQuery.lineByteCountMax else { break }
            var part = [UInt8](repeating: 0, count: 4_096)
            let transfer = part.withUnsafeMutableBytes { stream.read(into: $0) }
            switch transfer {
            case .bytes(let count):
                received += part[..<count]
                waitedMilliseconds = 0
            case .ended, .failed: throw Gone()
            case .wouldBlock:
                guard !isStopping.isSet, waitedMilliseconds < Self.patienceSeconds * 1_000 else {
                    throw Gone()
                }
                pause(for: Int16(POLLIN))
                waitedMilliseconds += Int(Self.pollMilliseconds)
            }
        }
        try tell(mistake: "a line has at most \(SessionQuery.lineByteCountMax) bytes")
        throw Gone()
    }

    private func write(_ bytes: [UInt8]) throws(Gone) {
        var place = 0
        var waitedMilliseconds = 0
        while place < bytes.count {
            let transfer = bytes.withUnsafeBytes {
                stream.write(UnsafeRawBufferPointer(rebasing: $0[place...]))
            }
            switch transfer {
            case .bytes(let count):
                place += count
                waitedMilliseconds = 0
            case .ended, .failed: throw Gone()
            case .wouldBlock:
                guard !isStopping.isSet, waitedMilliseconds < Self.patienceSeconds * 1_000 else {
                    throw Gone()
                }
                pause(for: Int16(POLLOUT))
                waitedMilliseconds += Int(Self.pollMilliseconds)
            }
        }
    }

    private func pause(for events: Int16) {
        var request = pollfd(fd: stream.descriptor, events: events, revents: 0)
        _ = poll(&request, 1, Self.pollMilliseconds)
    }
}
