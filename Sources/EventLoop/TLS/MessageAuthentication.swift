internal import COpenSSL
import Glibc

/// Codes that only who knows a secret can make of a message: HMAC-SHA-256, OpenSSL's.
package enum MessageAuthentication {
    package static let byteCount = 32

    package static func code(of message: [UInt8], secret: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: byteCount)
        var count: UInt32 = 0
        let result = HMAC(
            EVP_sha256(), secret, Int32(secret.count), message, message.count, &code, &count)
        precondition(result != nil && count == byteCount, "SHA-256 that OpenSSL does not have")
        return code
    }

    /// Random bytes that nobody can foretell.
    package static func nonce(byteCount: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<byteCount).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}
