public import Crypto

/// How sessions are kept. Every setting has a range, which `SessionStore` checks.
public struct SessionStoreConfiguration: Sendable {
    /// In front of the ID in an item's key. No spaces or control bytes; at most 200 bytes.
    public var keyPrefix = "session:"
    /// Part of what is signed, so that a value of one cookie is none of another. At most 200 bytes.
    public var cookieName = "session"
    /// A session that nobody loads or saves for so long is gone. 1 s to 365 days.
    public var idleTimeout: Duration = .seconds(1_800)
    /// A session that is older is gone. 1 s to 3,650 days; nil for none.
    public var absoluteTimeout: Duration? = .seconds(7 * 86_400)
    /// Keys that cookies are signed with: the first signs, any of them verifies. To change a key, put the
    /// new one in front, and take the old one away when its cookies are gone. At least 256 bits each, at
    /// most 8 keys. Without any, cookies are not signed.
    public var signingKeys: [SymmetricKey] = []
    /// Keys that values are encrypted with (AES-GCM), in the same way. Exactly 256 bits each, at most 8
    /// keys. A key is good for 4 billion saves. Without any, values are stored in the clear.
    public var encryptionKeys: [SymmetricKey] = []
    /// How often `update` tries. 1 to 100.
    public var updateAttemptCountMax = 10

    /// The defaults, without keys: cookies are not signed, values not encrypted.
    public init() {}

    func validate() throws(ConfigurationError) {
        guard (try? CacheKey(bytes: keyPrefix.utf8 + [0x6B])) != nil, keyPrefix.utf8.count <= 200
        else { throw ConfigurationError("keyPrefix has to be the beginning of a key") }
        guard cookieName.utf8.count <= 200, !cookieName.utf8.contains(0) else {
            throw ConfigurationError("cookieName must have at most 200 bytes, none of them zero")
        }
        guard (.seconds(1) ... .seconds(365 * 86_400)).contains(idleTimeout) else {
            throw ConfigurationError("idleTimeout must be 1 s to 365 days, not \(idleTimeout)")
        }
        if let absoluteTimeout {
            guard (.seconds(1) ... .seconds(3_650 * 86_400)).contains(absoluteTimeout) else {
                throw ConfigurationError("absoluteTimeout must be 1 s to 3,650 days")
            }
        }
        guard signingKeys.count <= 8, signingKeys.allSatisfy({ $0.bitCount >= 256 }) else {
            throw ConfigurationError("signingKeys: at most 8, of at least 256 bits")
        }
        guard encryptionKeys.count <= 8, encryptionKeys.allSatisfy({ $0.bitCount == 256 }) else {
            throw ConfigurationError("encryptionKeys: at most 8, of exactly 256 bits")
        }
        guard (1...100).contains(updateAttemptCountMax) else {
            throw ConfigurationError("updateAttemptCountMax must be 1 to 100")
        }
    }
}
