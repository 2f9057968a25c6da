import HashRing
import MemcacheProtocol
import NIOCore
import NIOPosix
import Reports
import SessionClient

/// Asks a node for a page of its statistics, on a connection of its own: what a client that comes now would find.
enum NodeInquiry {
    /// Why a node counts as down.
    struct Trouble: Error, Hashable, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// - Parameters:
    ///   - seconds: until the node counts as down.
    ///   - page: the command that it answers with the page.
    static func ask(
        _ node: Node, _ access: NodeAccess, seconds: Double, page: String = "stats"
    ) async -> Result<NodeStatistics, Trouble> {
        do {
            return .success(
                try await NodeQuestion.ask(
                    node, page + "\r\n", decoder: NodeStatisticsDecoder(page: page), access: access,
                    on: MultiThreadedEventLoopGroup.singleton,
                    timeout: .nanoseconds(Int64(seconds * 1e9))))
        } catch {
            return .failure(trouble(error, seconds: seconds))
        }
    }

    private static func trouble(_ error: any Error, seconds: Double) -> Trouble {
        switch error {
        case NodeQuestion.Trouble.late: Trouble("no answer within \(seconds.shortest) s")
        case NodeQuestion.Trouble.hungUp: Trouble("hung up instead of answering")
        case NodeQuestion.Trouble.keptOut(let text): Trouble("does not let us in: \(text)")
        case let error as Trouble: error
        default: Trouble(ConnectingFailure(error).description)
        }
    }
}

/// Gathers the lines of a page of statistics.
private struct NodeStatisticsDecoder: NIOSingleStepByteToMessageDecoder, Sendable {
    typealias InboundOut = NodeStatistics

    let page: String
    private var values: [String: String] = [:]

    init(page: String) { self.page = page }

    mutating func decode(buffer: inout ByteBuffer) throws -> NodeStatistics? {
        while let end = try lineEnd(in: buffer) {
            let isLast = try take(
                buffer.readableBytesUInt8Span.extracting(first: end.lineByteCount))
            buffer.moveReaderIndex(forwardBy: end.next)
            if isLast { return NodeStatistics(values) }
        }
        return nil
    }

    /// - Returns: whether the page ends with this line.
    private mutating func take(_ line: Span<UInt8>) throws -> Bool {
        if ReplyLine(line) == .end { return true }
        guard let statistic = StatisticLine(line), values.count < NodeStatistics.nameCountMax
        else { throw NodeInquiry.Trouble("answers '\(line.text.prefix(80))' to \(page)") }
        values[statistic.name] = statistic.value
        return false
    }

    private func lineEnd(in buffer: ByteBuffer) throws -> ReplyLineEnd? {
        do {
            return try ReplyLineEnd(
                of: buffer.readableBytesUInt8Span, byteCountMax: ProtocolLimits.lineByteCountMax)
        } catch {
            throw NodeInquiry.Trouble("answers with an endless line")
        }
    }

    mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> NodeStatistics? {
        try decode(buffer: &buffer)
    }
}
