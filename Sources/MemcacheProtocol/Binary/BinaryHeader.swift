/// The first 24 bytes of a binary request, as a value: lengths and numbers as sent, nothing judged.
///
///     magic 0x80 · opcode · key length (2) · extras length · data type · vbucket (2)
///     total body length: extras, key and value (4) · opaque (4)
///     CAS unique (8)
///
/// All numbers are big endian. Data type and vbucket are not looked at. Source: memcached's
/// protocol_binary.h.
///
/// Public, though no application needs it: what is `package` is never inlined into other modules
/// (Swift 6.3), and every request passes here.
public struct BinaryHeader: Equatable, Sendable {
    @inlinable public static var byteCount: Int { 24 }
    /// What a request begins with.
    @inlinable public static var requestMagic: UInt8 { 0x80 }
    /// What a reply begins with.
    @inlinable public static var replyMagic: UInt8 { 0x81 }

    public let opcode: UInt8
    public let keyByteCount: Int
    public let extrasByteCount: Int
    /// Of extras, key and value together.
    public let bodyByteCount: Int
    /// Comes back in every reply.
    public let opaque: UInt32
    public let casUnique: UInt64

    /// Nothing when `packet` is shorter than a header, or begins with another byte than a request does.
    @inlinable @inline(__always)
    public init?(_ packet: Span<UInt8>) {
        guard packet.count >= Self.byteCount, packet[0] == Self.requestMagic else { return nil }
        let first: UInt64 = packet.bigEndian(at: 0)
        let second: UInt64 = packet.bigEndian(at: 8)
        opcode = UInt8(truncatingIfNeeded: first >> 48)
        keyByteCount = Int(UInt16(truncatingIfNeeded: first >> 32))
        extrasByteCount = Int(UInt8(truncatingIfNeeded: first >> 24))
        bodyByteCount = Int(second >> 32)
        opaque = UInt32(truncatingIfNeeded: second)
        casUnique = packet.bigEndian(at: 16)
    }
}

extension Span where Element == UInt8 {
    /// The number that stands at `place`, which must be followed by enough bytes.
    @inlinable @inline(__always)
    func bigEndian<Number: FixedWidthInteger>(at place: Int) -> Number {
        precondition(place >= 0 && place + MemoryLayout<Number>.size <= count)
        return withUnsafeBytes {
            Number(bigEndian: $0.loadUnaligned(fromByteOffset: place, as: Number.self))
        }
    }
}
