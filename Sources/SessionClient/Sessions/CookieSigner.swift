import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Signs the IDs in cookies, so that those which were never issued are told without asking a node.
///
/// A cookie's value is the ID, a dot, and HMAC-SHA-256 of the cookie's name and the ID, in base64url.
struct CookieSigner: Sendable {
    private let keys: [SymmetricKey]
    private let name: [UInt8]

    static let signatureByteCount = 32
    /// Two texts of 43 characters, and the dot.
    static let characterCount = 2 * SessionID.characterCount + 1

    /// - Parameters:
    ///   - keys: the first signs, any of them verifies.
    ///   - cookieName: a signature for one cookie is none for another.
    init(keys: [SymmetricKey], cookieName: String) {
        self.keys = keys
        name = Array(cookieName.utf8)
    }

    private func message(_ id: SessionID) -> [UInt8] {
        // No name has a zero byte, so that no two pairs make the same message.
        Array("sojourn cookie".utf8) + [0] + name + [0] + Array(id.text.utf8)
    }

    func sign(_ id: SessionID) -> String {
        guard let key = keys.first else { return id.text }
        let code = HMAC<SHA256>.authenticationCode(for: message(id), using: key)
        return "\(id.text).\(Base64URL.encode(Array(code)))"
    }

    /// - Parameter cookie: from anybody.
    /// - Returns: nil for what was not signed with any of the keys.
    func verify(_ cookie: String) -> SessionID? {
        guard !keys.isEmpty else { return SessionID(cookie) }
        let characters = cookie.utf8
        guard characters.count == Self.characterCount else { return nil }
        let parts = cookie.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let id = SessionID(parts[0]),
            let signature = Base64URL.decode(parts[1].utf8),
            signature.count == Self.signatureByteCount
        else { return nil }
        let message = message(id)
        // Compared in constant time, and with each key: how long it takes does not tell which fits.
        var isValid = false
        for key in keys {
            let fits = HMAC<SHA256>.isValidAuthenticationCode(
                signature, authenticating: message, using: key)
            isValid = fits || isValid
        }
        return isValid ? id : nil
    }
}
