import Crypto

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// How a session is stored.
///
///     in the clear   1 | created, 8 bytes | value as JSON
///     encrypted      2 | key's mark, 4 bytes | nonce, 12 | created and value, encrypted | tag, 16
///
/// The encryption is AES-GCM and binds the item's key and all that stands in front: a value that was moved
/// to another session does not open. Numbers are big-endian; `created` is Unix time in milliseconds.
struct SessionEnvelope: Sendable {
    struct Content: Equatable, Sendable {
        var createdMilliseconds: Int64
        var value: [UInt8]
    }

    private struct Key: Sendable {
        let secret: SymmetricKey
        /// Tells keys apart without telling anything of them.
        let mark: [UInt8]

        init(_ secret: SymmetricKey) {
            self.secret = secret
            let label = Array("sojourn session key".utf8)
            mark =
                Array(HMAC<SHA256>.authenticationCode(for: label, using: secret))
                .prefix(SessionEnvelope.markByteCount) + []
        }
    }

    private let keys: [Key]
    private static let clear: UInt8 = 1
    private static let encrypted: UInt8 = 2
    private static let markByteCount = 4
    private static let nonceByteCount = 12
    private static let tagByteCount = 16

    /// - Parameter keys: the first encrypts, any of them decrypts; without any, values are in the clear.
    init(keys: [SymmetricKey]) { self.keys = keys.map { Key($0) } }

    func seal(_ content: Content, for item: CacheKey) throws -> [UInt8] {
        let clear = content.createdMilliseconds.bigEndianBytes + content.value
        guard let key = keys.first else { return [Self.clear] + clear }
        let head = [Self.encrypted] + key.mark
        let box = try AES.GCM.seal(clear, using: key.secret, authenticating: head + item.bytes)
        return head + Array(box.nonce) + Array(box.ciphertext) + Array(box.tag)
    }

    /// - Returns: nil for what `seal` has not made with one of the keys: also for values in the clear
    ///   where there are keys, which somebody else may have put there.
    func open(_ stored: [UInt8], of item: CacheKey) -> Content? {
        switch stored.first {
        case Self.clear where keys.isEmpty: content(stored.dropFirst())
        case Self.encrypted: decrypted(stored, of: item)
        default: nil
        }
    }

    private func decrypted(_ stored: [UInt8], of item: CacheKey) -> Content? {
        let head = Array(stored.prefix(1 + Self.markByteCount))
        let sealed = stored.dropFirst(head.count)
        guard sealed.count >= Self.nonceByteCount + Self.tagByteCount,
            let box = try? AES.GCM.SealedBox(combined: Array(sealed))
        else { return nil }
        for key in keys where head.dropFirst().elementsEqual(key.mark) {
            let clear = try? AES.GCM.open(
                box, using: key.secret, authenticating: head + item.bytes)
            if let clear { return content(Array(clear)[...]) }
        }
        return nil
    }

    private func content(_ clear: ArraySlice<UInt8>) -> Content? {
        guard let created = Int64(bigEndianBytes: clear.prefix(8)) else { return nil }
        return Content(createdMilliseconds: created, value: Array(clear.dropFirst(8)))
    }
}
