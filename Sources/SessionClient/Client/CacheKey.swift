import MemcacheProtocol

/// The name of an item: 1 to 250 bytes, none of them a space or a control byte.
///
/// A key is bytes; a string stands for its UTF-8. What is no key never reaches a node.
public struct CacheKey: Hashable, Sendable {
    /// As they are sent.
    public let bytes: [UInt8]

    /// - Throws: `CacheError` with `.invalidKey`.
    public init(_ text: String) throws(CacheError) {
        try self.init(bytes: text.utf8)
    }

    /// - Throws: `CacheError` with `.invalidKey`.
    public init(bytes: some Collection<UInt8>) throws(CacheError) {
        guard Self.isValid(bytes) else { throw CacheError(.invalidKey) }
        self.bytes = Array(bytes)
    }

    /// For what is made of parts that were checked.
    init(uncheckedBytes bytes: [UInt8]) {
        assert(Self.isValid(bytes), "no key")
        self.bytes = bytes
    }

    private static func isValid(_ bytes: some Collection<UInt8>) -> Bool {
        guard (1...ProtocolLimits.keyByteCountMax).contains(bytes.count) else { return false }
        return bytes.allSatisfy { $0 > UInt8(ascii: " ") && $0 != 0x7F }
    }
}

/// For keys that stand in a program's text. A literal that is no key stops the program.
extension CacheKey: ExpressibleByStringLiteral {
    /// - Precondition: the text is a key.
    public init(stringLiteral text: StaticString) {
        let bytes = text.withUTF8Buffer { Array($0) }
        precondition(Self.isValid(bytes), "'\(text)' is no key")
        self.bytes = bytes
    }
}

extension CacheKey {
    /// All bytes at once: an array's own way, one call for each, was a fifth of a `get` of 50 keys.
    public func hash(into hasher: inout Hasher) {
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}

extension CacheKey: CustomStringConvertible {
    /// The bytes as UTF-8, with a replacement for what is none.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}
