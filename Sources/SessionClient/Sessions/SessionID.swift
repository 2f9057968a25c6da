/// What a browser has to know of its session, and nobody else may: 256 random bits.
public struct SessionID: Hashable, Sendable {
    /// 43 characters of base64url.
    public let text: String

    static let characterCount = 43

    /// A new one, from the system's generator.
    init() {
        var generator = SystemRandomNumberGenerator()
        var bytes: [UInt8] = []
        for _ in 0..<4 {
            withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) }
        }
        text = Base64URL.encode(bytes)
    }

    /// - Parameter text: from anybody. Its length is looked at first.
    /// - Returns: nil for what cannot be an ID.
    public init?(_ text: some StringProtocol) {
        let characters = text.utf8
        guard characters.count == Self.characterCount,
            let bytes = Base64URL.decode(characters), bytes.count == 32
        else { return nil }
        self.text = String(text)
    }
}

/// Only its beginning, so that logs are no place to steal sessions from.
extension SessionID: CustomStringConvertible, CustomDebugStringConvertible {
    /// The first six characters.
    public var description: String { "\(text.prefix(6))…" }
    /// The same.
    public var debugDescription: String { description }
}
