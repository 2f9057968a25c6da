/// How a binary request has ended. Source: memcached's protocol_binary.h.
public enum BinaryStatus: UInt16, Sendable {
    case success = 0x00
    case notFound = 0x01
    case exists = 0x02
    case tooLarge = 0x03
    case invalidArguments = 0x04
    case notStored = 0x05
    case notANumber = 0x06
    case notAllowed = 0x20
    /// SASL: the mechanism wants another message.
    case authenticationGoesOn = 0x21
    case unknownCommand = 0x81
    case outOfMemory = 0x82
    case temporaryFailure = 0x86

    /// The value of an error's reply, word for word memcached's.
    package var text: StaticString {
        switch self {
        case .success, .authenticationGoesOn: ""
        case .notFound: "Not found"
        case .exists: "Data exists for key."
        case .tooLarge: "Too large."
        case .invalidArguments: "Invalid arguments"
        case .notStored: "Not stored."
        case .notANumber: "Non-numeric server-side value for incr or decr"
        case .notAllowed: "Auth failure."
        case .unknownCommand: "Unknown command"
        case .outOfMemory: "Out of memory"
        case .temporaryFailure: "Temporary failure"
        }
    }
}

/// The first 24 bytes of a binary reply, as a value; extras, key and value follow.
///
///     magic 0x81 · opcode · key length (2) · extras length · data type 0 · status (2)
///     total body length (4) · opaque (4)
///     CAS unique (8)
///
/// Public, as `BinaryHeader` is and for the same reason.
public struct BinaryReply: Equatable, Sendable {
    public var opcode: UInt8
    public var opaque: UInt32
    public var status: BinaryStatus
    public var casUnique: UInt64
    public var extrasByteCount: Int
    public var keyByteCount: Int
    public var valueByteCount: Int

    @inlinable @inline(__always)
    public init(
        opcode: UInt8, opaque: UInt32, status: BinaryStatus = .success, casUnique: UInt64 = 0,
        extrasByteCount: Int = 0, keyByteCount: Int = 0, valueByteCount: Int = 0
    ) {
        self.opcode = opcode
        self.opaque = opaque
        self.status = status
        self.casUnique = casUnique
        self.extrasByteCount = extrasByteCount
        self.keyByteCount = keyByteCount
        self.valueByteCount = valueByteCount
    }

    /// Writes the header.
    @inlinable @inline(__always)
    public func encode(to writer: inout ReplyWriter) {
        let body = UInt32(truncatingIfNeeded: extrasByteCount &+ keyByteCount &+ valueByteCount)
        writer.write(
            bigEndian: UInt64(BinaryHeader.replyMagic) << 56 | UInt64(opcode) << 48
                | UInt64(UInt16(truncatingIfNeeded: keyByteCount)) << 32
                | UInt64(UInt8(truncatingIfNeeded: extrasByteCount)) << 24
                | UInt64(status.rawValue))
        writer.write(bigEndian: UInt64(body) << 32 | UInt64(opaque))
        writer.write(bigEndian: casUnique)
    }

    /// All of an error's reply, at most.
    package static let errorByteCountMax = 24 + 64

    /// Writes an error's reply, its text included.
    package func encodeError(to writer: inout ReplyWriter) {
        var reply = self
        reply.valueByteCount = status.text.utf8CodeUnitCount
        reply.encode(to: &writer)
        writer.write(status.text)
    }
}
