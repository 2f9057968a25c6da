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
}
