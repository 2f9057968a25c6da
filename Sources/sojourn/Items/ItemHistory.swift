import HashRing
import MemcacheProtocol
import NIOCore
import NIOPosix
import SessionClient

/// How old an item is, and how long nobody has accessed it, as its node's `me` tells: to ask for that is no access.
struct ItemHistory: Sendable {
    /// Seconds since its key was first stored; nothing where the node does not keep that.
    private(set) var age: Int?
    /// Seconds since the last access.
    private(set) var idle: Int?

    /// - Parameter nodes: those that may have it; the first that does answers.
    static func ask(
        _ nodes: [Node], _ key: CacheKey, _ access: NodeAccess, seconds: Double
    ) async -> ItemHistory? {
        let request = String(decoding: Array("me ".utf8) + key.bytes + [13, 10], as: UTF8.self)
        for node in nodes {
            let line = try? await NodeQuestion.ask(
                node, request, decoder: LineDecoder(), access: access,
                on: MultiThreadedEventLoopGroup.singleton,
                timeout: .nanoseconds(Int64(seconds * 1e9)))
            if let history = line.flatMap({ ItemHistory($0) }) { return history }
        }
        return nil
    }

    private init?(_ line: String) {
        let words = line.split(separator: " ")
        guard words.first == "ME", words.count > 2 else { return nil }
        for word in words.dropFirst(2) {
            let parts = word.split(separator: "=")
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "la": idle = Int(parts[1])
            case "age": age = Int(parts[1])
            default: break
            }
        }
    }

    /// For the one who asked, behind other things.
    var sentence: String {
        let age = age.map { "began \($0) s ago" } ?? "of unknown age"
        return idle.map { "\(age), idle for \($0) s" } ?? age
    }
}

/// One line, without its end.
private struct LineDecoder: NIOSingleStepByteToMessageDecoder, Sendable {
    typealias InboundOut = String

    mutating func decode(buffer: inout ByteBuffer) throws -> String? {
        guard
            let end = try ReplyLineEnd(
                of: buffer.readableBytesUInt8Span, byteCountMax: ProtocolLimits.lineByteCountMax)
        else { return nil }
        let line = buffer.readString(length: end.lineByteCount)
        buffer.moveReaderIndex(forwardBy: end.next - end.lineByteCount)
        return line
    }

    mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> String? {
        try decode(buffer: &buffer)
    }
}
