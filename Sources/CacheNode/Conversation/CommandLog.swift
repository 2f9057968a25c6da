import Logging
import MemcacheProtocol

/// `-vv`: every command is logged, as memcached does it. Its value is not, nor are replies.
extension Executor {
    /// Longer lines are cut in the log.
    private static let loggedByteCountMax = 512

    /// Not inlined: whoever serves does not log.
    @inline(never)
    func log(_ command: Command, line: Span<UInt8>) {
        let text: String
        if areKeysShown {
            let shown = line.extracting(first: Self.loggedByteCountMax)
            text = shown.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        } else if case .failure = command {
            // It may be anything, a value included.
            text = "(no command)"
        } else {
            // What follows may be a key: whoever has a session's is logged in.
            text = line.withUnsafeBytes { bytes in
                String(decoding: bytes.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)
            }
        }
        let rest = areKeysShown ? "" : " (\(line.count) bytes)"
        context.logger.debug("<\(descriptor) \(text)\(rest)")
    }

    /// The same of a binary request: its opcode, and its key where keys are shown.
    @inline(never)
    func log(_ request: BinaryRequest, packet: Span<UInt8>) {
        let header = request.header
        var text = "binary 0x" + String(header.opcode, radix: 16)
        if areKeysShown {
            text += " " + Self.lineSafe(packet.extracting(request.key))
        } else {
            text += " (\(BinaryHeader.byteCount + header.bodyByteCount) bytes)"
        }
        context.logger.debug("<\(descriptor) \(text)")
    }

    /// A key of any bytes, on one line.
    private static func lineSafe(_ key: Span<UInt8>) -> String {
        var bytes = [UInt8](repeating: 0, count: key.count * 3)
        let count = bytes.withUnsafeMutableBytes { room in
            var writer = ReplyWriter(room)
            key.withUnsafeBytes { writer.write(lineSafe: $0) }
            return writer.count
        }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
