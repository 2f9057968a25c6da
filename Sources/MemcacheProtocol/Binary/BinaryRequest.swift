/// One binary request whose header has been read and is well: wire values, and places in the packet.
///
/// It refers to no memory: extras and key are read from the packet, which must have arrived up to
/// `headByteCount` by then.
///
/// Public, as `BinaryHeader` is and for the same reason.
public struct BinaryRequest: Equatable, Sendable {
    public let header: BinaryHeader
    public let command: BinaryCommand
    /// Expected outcomes are not answered. Errors are, as memcached has it.
    public let isQuiet: Bool

    @inlinable @inline(__always)
    init(_ header: BinaryHeader, _ command: BinaryCommand, isQuiet: Bool) {
        self.header = header
        self.command = command
        self.isQuiet = isQuiet
    }

    // MARK: Places

    /// Header, extras and key: what must be there to carry the request out, a value apart.
    @inlinable public var headByteCount: Int {
        BinaryHeader.byteCount &+ header.extrasByteCount &+ header.keyByteCount
    }

    /// Of clients it is not looked at.
    package func vbucket(in packet: Span<UInt8>) -> UInt16 { packet.bigEndian(at: 6) }

    /// By this, members of a cluster say to each other of a deletion that no client has asked for it.
    package static let forgettingVbucket: UInt16 = 0xFFFF

    /// Not below zero: a header that promises less is a failure.
    @inlinable public var valueByteCount: Int {
        header.bodyByteCount &- header.extrasByteCount &- header.keyByteCount
    }

    @inlinable public var key: Range<Int> {
        let start = BinaryHeader.byteCount &+ header.extrasByteCount
        return start..<(start &+ header.keyByteCount)
    }

    /// Whether the key holds spaces or control bytes, which would end a word or a line wherever it is shown
    /// as it is. Such keys are shown in base64.
    @inlinable @inline(__always)
    public func needsEncodedKey(in packet: Span<UInt8>) -> Bool {
        packet.extracting(key).withUnsafeBytes { key in
            guard key.count >= 8 else { return key.contains { $0 <= UInt8(ascii: " ") } }
            // The last eight overlap those before them, unless the key's length is a multiple. As a rule
            // there is none to be found: looking on after the first takes less than asking each time.
            var found = Self.spacesAndControls(
                key.loadUnaligned(fromByteOffset: key.count &- 8, as: UInt64.self))
            var place = 0
            while place < key.count &- 8 {
                found |= Self.spacesAndControls(
                    key.loadUnaligned(fromByteOffset: place, as: UInt64.self))
                place &+= 8
            }
            return found != 0
        }
    }

    /// Not zero if any of eight bytes is below 0x21: then, and then only, one of these differences
    /// borrows where the byte itself has no highest bit.
    @inlinable @inline(__always)
    static func spacesAndControls(_ eight: UInt64) -> UInt64 {
        (eight &- 0x2121_2121_2121_2121) & ~eight & 0x8080_8080_8080_8080
    }

    // MARK: Extras

    /// Of `set`, `add`, `replace`.
    @inlinable @inline(__always)
    public func clientFlags(in packet: Span<UInt8>) -> UInt32 { extra(at: 0, in: packet) }

    /// An unsigned number, whatever it stands for: seconds from now, or a Unix time until 2106.
    @inlinable @inline(__always)
    public func exptime(in packet: Span<UInt8>) -> UInt32 {
        switch command {
        case .store: extra(at: 4, in: packet)
        case .arithmetic: extra(at: 16, in: packet)
        default: extra(at: 0, in: packet)
        }
    }

    /// Of `increment` and `decrement`.
    package func delta(in packet: Span<UInt8>) -> UInt64 { extra(at: 0, in: packet) }

    /// Of `increment` and `decrement`: what an item is made with where there is none. Nothing when none
    /// is to be made, which is what an exptime of all ones says.
    package func initial(in packet: Span<UInt8>) -> UInt64? {
        exptime(in: packet) == .max ? nil : extra(at: 8, in: packet)
    }

    /// Of `flush`; none is now.
    package func delay(in packet: Span<UInt8>) -> UInt32 {
        header.extrasByteCount == 0 ? 0 : extra(at: 0, in: packet)
    }

    /// Of `verbosity`.
    package func level(in packet: Span<UInt8>) -> UInt32 { extra(at: 0, in: packet) }

    @inlinable @inline(__always)
    func extra<Number: FixedWidthInteger>(at place: Int, in packet: Span<UInt8>) -> Number {
        packet.bigEndian(at: BinaryHeader.byteCount &+ place)
    }
}

/// A request that cannot be carried out. What matters is where the next one begins.
/// Public, as `BinaryHeader` is and for the same reason.
public struct BinaryFailure: Equatable, Sendable {
    public enum Recovery: Equatable, Sendable {
        /// So many bytes, the header included, are not wanted; then it is answered, and goes on.
        case swallow(byteCount: Int)
        /// It is answered, and the connection ends.
        case close
    }
    public let reply: BinaryReply
    public let recovery: Recovery

    init(_ header: BinaryHeader, _ status: BinaryStatus, _ recovery: Recovery) {
        reply = BinaryReply(opcode: header.opcode, opaque: header.opaque, status: status)
        self.recovery = recovery
    }
}

/// What stands at the front of the input.
///
/// Public, as `BinaryHeader` is and for the same reason.
public enum BinaryFraming: Equatable, Sendable {
    /// The header is there, and well.
    case request(BinaryRequest)
    case failure(BinaryFailure)
    /// Less than a header has arrived.
    case incomplete
    /// No request begins so: there is no telling where the next one does.
    case foreign

    /// Looks at the header alone, so that nobody waits for, or takes, what is refused anyway.
    @inlinable @inline(__always)
    public static func of(_ input: Span<UInt8>) -> BinaryFraming {
        guard let header = BinaryHeader(input) else { return ofPart(input) }
        guard header.extrasByteCount &+ header.keyByteCount <= header.bodyByteCount,
            header.bodyByteCount <= ProtocolLimits.bodyByteCountMax,
            header.keyByteCount <= ProtocolLimits.keyByteCountMax,
            let (command, isQuiet) = BinaryCommand.of(header.opcode), command.shape.fits(header)
        else { return .failure(failure(header)) }
        return .request(BinaryRequest(header, command, isQuiet: isQuiet))
    }

    @usableFromInline
    static func ofPart(_ input: Span<UInt8>) -> BinaryFraming {
        input.isEmpty || input[0] == BinaryHeader.requestMagic ? .incomplete : .foreign
    }

    /// What is wrong with a header, in the order in which memcached looks.
    @usableFromInline
    static func failure(_ header: BinaryHeader) -> BinaryFailure {
        guard header.extrasByteCount + header.keyByteCount <= header.bodyByteCount else {
            return BinaryFailure(header, .unknownCommand, .close)
        }
        guard header.bodyByteCount <= ProtocolLimits.bodyByteCountMax,
            header.keyByteCount <= ProtocolLimits.keyByteCountMax
        else { return BinaryFailure(header, .invalidArguments, .close) }
        guard BinaryCommand.of(header.opcode) != nil else {
            let byteCount = BinaryHeader.byteCount + header.bodyByteCount
            return BinaryFailure(header, .unknownCommand, .swallow(byteCount: byteCount))
        }
        return BinaryFailure(header, .invalidArguments, .close)
    }
}
