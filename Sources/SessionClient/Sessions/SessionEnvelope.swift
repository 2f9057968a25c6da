import Crypto
import NIOCore

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
            mark = Array(HMAC<SHA256>.authenticationCode(for: label, using: secret)).prefix(4) + []
        }
    }

    private let keys: [Key]
    private static let clear: UInt8 = 1
    private static let encrypted: UInt8 = 2
    private static let nonceByteCount = 12
    private static let tagByteCount = 16

    /// - Parameter keys: the first encrypts, any of them decrypts; without any, values are in the clear.
    init(keys: [SymmetricKey]) { self.keys = keys.map { Key($0) } }

    func seal(_ content: Content, for item: CacheKey) throws -> ByteBuffer {
        var clear = ByteBuffer()
        clear.writeInteger(content.createdMilliseconds)
        clear.writeBytes(content.value)
        guard let key = keys.first else {
            var buffer = ByteBuffer(integer: Self.clear)
            buffer.writeBuffer(&clear)
            return buffer
        }
        let head = [Self.encrypted] + key.mark
        let box = try AES.GCM.seal(
            Array(buffer: clear), using: key.secret, authenticating: head + item.bytes)
        var buffer = ByteBuffer(bytes: head)
        buffer.writeBytes(box.nonce)
        buffer.writeBytes(box.ciphertext)
        buffer.writeBytes(box.tag)
        return buffer
    }

    /// - Returns: nil for what `seal` has not made with one of the keys: also for values in the clear
    ///   where there are keys, which somebody else may have put there.
    func open(_ stored: ByteBuffer, of item: CacheKey) -> Content? {
        var buffer = stored
        guard let format = buffer.readInteger(as: UInt8.self) else { return nil }
        switch format {
        case Self.clear where keys.isEmpty: return content(&buffer)
        case Self.encrypted:
            guard let mark = buffer.readBytes(length: 4),
                let nonceBytes = buffer.readBytes(length: Self.nonceByteCount),
                buffer.readableBytes >= Self.tagByteCount,
                let ciphertext = buffer.readBytes(
                    length: buffer.readableBytes - Self.tagByteCount),
                let tag = buffer.readBytes(length: Self.tagByteCount),
                let nonce = try? AES.GCM.Nonce(data: nonceBytes),
                let box = try? AES.GCM.SealedBox(nonce: nonce, ciphertext: ciphertext, tag: tag)
            else { return nil }
            let head = [Self.encrypted] + mark
            for key in keys where key.mark == mark {
                let clear = try? AES.GCM.open(
                    box, using: key.secret, authenticating: head + item.bytes)
                guard let clear else { continue }
                var buffer = ByteBuffer(bytes: clear)
                return content(&buffer)
            }
            return nil
        default: return nil
        }
    }

    private func content(_ buffer: inout ByteBuffer) -> Content? {
        guard let created = buffer.readInteger(as: Int64.self) else { return nil }
        return Content(createdMilliseconds: created, value: Array(buffer: buffer))
    }
}
