/// The protocol's own limits. Source: PROTOCOL of memcached, doc/protocol.txt.
///
/// Public for the reason that `ReplyWriter` is: what each request is compared with is no call.
public enum ProtocolLimits {
    /// A key's bytes.
    @inlinable public static var keyByteCountMax: Int { 250 }
    /// A value's bytes on the command line; the item limit is far below.
    package static let valueByteCountMax = 2_147_483_645
    /// What a binary packet may announce behind its header; the item limit is far below.
    @inlinable public static var bodyByteCountMax: Int { 1 << 30 }
    /// What a line may have without its end having arrived, retrievals excepted.
    package static let unfinishedLineByteCountMax = 2_048
    /// What a line may have at all, retrievals excepted: an input buffer.
    package static let lineByteCountMax = 16_384
    /// What the line of a `get`, `gets`, `gat` or `gats` may have to be looked at as a whole; of a longer
    /// one the keys are taken in parts.
    package static let retrievalLineByteCountMax = 524_288
    /// A whole line, its end included, that is shorter than this is not a command.
    @inlinable public static var lineByteCountMin: Int { 4 }
    /// The words of a meta command's line, its verb and key included.
    package static let metaWordCountMax = 20
    /// An opaque token's bytes, its letter not counted.
    package static let opaqueByteCountMax = 31
    /// Digits of a number on the command line.
    package static let digitCountMax = 22
    /// Bytes of a 32-bit number there, its sign included.
    package static let shortNumberByteCountMax = 11
    /// Exptimes from here on are a Unix time; below, seconds from now.
    @inlinable public static var relativeExptimeEnd: Int32 { 1_000_000_000 }
    /// memcached's own border, which `-o classic_exptime` restores: 30 days.
    @inlinable public static var classicRelativeExptimeMax: Int32 { 2_592_000 }
}
