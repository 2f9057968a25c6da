/// The meta commands that have a key. `mn`, which has none, is `Command.noop`.
package enum MetaVerb: Equatable, Sendable {
    /// `mg`
    case get
    /// `ms`; a data block follows.
    case set
    /// `md`
    case delete
    /// `ma`
    case arithmetic
    /// `me`
    case debug
}

/// A meta command's line: `<verb> <key> [<data length>] <flag>...`, its flags checked and their
/// tokens read.
///
/// All commands know all flags, and ignore what has no meaning to them. In which order flags were
/// given matters for the reply: `MetaReply` walks over the words from `flagsStart` on once more.
///
/// Source: doc/protocol.txt, "Meta Commands"; which error comes first, memcached 1.6.45.
package struct MetaRequest: Equatable, Sendable {
    /// As it stands in the line.
    package let key: ByteRange
    /// The data block's, of `ms`.
    package let valueByteCount: Int
    /// Where the words after the key and the data length begin.
    package let flagsStart: Int
    package private(set) var flags = MetaFlags()

    /// `T`
    package private(set) var exptime: Int32 = 0
    /// `N`
    package private(set) var vivifyExptime: Int32 = 0
    /// `R`
    package private(set) var recacheExptime: Int32 = 0
    /// `C`
    package private(set) var comparison: UInt64 = 0
    /// `E`
    package private(set) var casUnique: UInt64 = 0
    /// `F`
    package private(set) var clientFlags: UInt32 = 0
    /// `M`; 0 when its token is empty.
    package private(set) var mode: UInt8 = 0
    /// `J`
    package private(set) var initial: UInt64 = 0
    /// `D`
    package private(set) var delta: UInt64 = 1
    /// `T` stands in front of `R`, which so sees the deadline that `T` gives.
    package private(set) var touchesBeforeRecache = false
    /// `N` stands behind `T`: of the two deadlines its one counts, where both do.
    package private(set) var vivifiesAfterTouch = false

    /// Reads a line that starts with one of the verbs.
    package init(_ line: Span<UInt8>, _ verb: MetaVerb) throws(Failure) {
        guard let key = nextWord(in: line, from: 2) else { throw Failure(.badFormat) }
        self.key = key
        var start = key.end
        var valueByteCount = 0
        if verb == .set {
            guard let length = nextWord(in: line, from: key.end),
                let count = line.unsigned32(at: length), count <= ProtocolLimits.valueByteCountMax
            else {
                // Nobody knows how long the data block is: what follows is read as commands.
                throw Failure(.badFormat)
            }
            valueByteCount = Int(count)
            start = length.end
        }
        self.valueByteCount = valueByteCount
        flagsStart = start
        guard verb != .debug else {
            try readDebugFlags(line)
            return
        }
        guard let mistake = readFlags(line, wordCount: verb == .set ? 3 : 2) else { return }
        // Those who sent a data block must not find it read as commands.
        throw Failure(
            mistake.reply(to: verb),
            recovery: verb == .set ? .swallow(byteCount: valueByteCount + 2) : .nextLine)
    }

    private enum Mistake {
        /// What stands where a flag should cannot be one.
        case noFlag
        case wrong(ErrorReply)

        func reply(to verb: MetaVerb) -> ErrorReply {
            switch self {
            case .noFlag: .badFormat
            case .wrong(.opaqueTooLong): .opaqueTooLong
            case .wrong(let error): verb == .arithmetic ? .invalidOrDuplicateFlag : error
            }
        }
    }

    /// Flags that are wrong in kind end the reading; wrong tokens do not, and of several the last is
    /// told.
    private mutating func readFlags(_ line: Span<UInt8>, wordCount: Int) -> Mistake? {
        var error: ErrorReply?
        var end: ErrorReply?
        var wordCount = wordCount
        var position = flagsStart
        while let word = nextWord(in: line, from: position) {
            position = word.end
            wordCount += 1
            let letter = line[word.start]
            guard MetaFlags.isLetterOrDigit(letter) else { return .noFlag }
            guard end == nil, wordCount <= ProtocolLimits.metaWordCountMax else { continue }
            guard let flag = MetaFlags(letter: letter) else {
                end = .invalidFlag
                continue
            }
            guard !flags.has(flag) else {
                end = .duplicateFlag
                continue
            }
            flags.insert(flag)
            let token = ByteRange(start: word.start + 1, count: word.count - 1)
            guard let wrong = read(flag, token, line) else { continue }
            // These two give way to any other.
            if error == nil || wrong != .badFormat && wrong != .opaqueTooLong { error = wrong }
        }
        guard key.count <= ProtocolLimits.keyByteCountMax else { return .wrong(.badFormat) }
        guard wordCount <= ProtocolLimits.metaWordCountMax else { return .wrong(.tooManyWords) }
        return (end ?? error).map { .wrong($0) }
    }

    /// `me` looks at the first flag alone, and only for whether the key is in base64.
    private mutating func readDebugFlags(_ line: Span<UInt8>) throws(Failure) {
        guard key.count <= ProtocolLimits.keyByteCountMax else { throw Failure(.badFormat) }
        var position = flagsStart
        while let word = nextWord(in: line, from: position) {
            guard MetaFlags.isLetterOrDigit(line[word.start]) else { throw Failure(.badFormat) }
            position = word.end
        }
        guard let word = nextWord(in: line, from: flagsStart), line.holds("b", at: word) else {
            return
        }
        guard Base64.decodedByteCount(line.extracting(key.range)) != nil else {
            throw Failure(.badFormat)
        }
        flags.insert(.encodedKey)
    }

    private mutating func read(
        _ flag: MetaFlags, _ token: ByteRange, _ line: Span<UInt8>
    ) -> ErrorReply? {
        switch flag {
        case .exptime: return Self.take(line.signed32(at: token), into: &exptime)
        case .vivify:
            vivifiesAfterTouch = flags.has(.exptime)
            return Self.take(line.signed32(at: token), into: &vivifyExptime)
        case .recache:
            touchesBeforeRecache = flags.has(.exptime)
            return Self.take(line.signed32(at: token), into: &recacheExptime)
        case .compare: return Self.take(line.unsigned(at: token), into: &comparison)
        case .newUnique: return Self.take(line.unsigned(at: token), into: &casUnique)
        case .clientFlags:
            return Self.take(line.unsigned32(at: token), into: &clientFlags, else: .badFormat)
        case .initial:
            return Self.take(line.unsigned(at: token), into: &initial, else: .invalidInitial)
        case .delta:
            return Self.take(line.unsigned(at: token), into: &delta, else: .invalidMetaDelta)
        case .mode: mode = token.count > 0 ? line[token.start] : 0
        case .opaque where token.count > ProtocolLimits.opaqueByteCountMax:
            return .opaqueTooLong
        case .encodedKey:
            guard Base64.decodedByteCount(line.extracting(key.range)) != nil else {
                return .undecodableKey
            }
        default: break
        }
        return nil
    }

    @inline(__always)
    private static func take<Number>(
        _ number: Number?, into place: inout Number, else error: ErrorReply = .badToken
    ) -> ErrorReply? {
        guard let number else { return error }
        place = number
        return nil
    }
}

/// The letters of meta flags, each at most once in a line.
///
/// Public, though no application needs it: what is `package` is never inlined into other modules, with
/// `@inlinable` or without (Swift 6.3), and each of these is one instruction.
public struct MetaFlags: OptionSet, Sendable {
    public let rawValue: UInt64

    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Nothing for a letter that no command knows.
    @inline(__always)
    package init?(letter: UInt8) {
        guard letter >= UInt8(ascii: "A"), letter <= UInt8(ascii: "z") else { return nil }
        let flag = Self.of(Unicode.Scalar(letter))
        guard Self.known.has(flag) else { return nil }
        self = flag
    }

    @inlinable @inline(__always)
    public static func of(_ letter: Unicode.Scalar) -> MetaFlags {
        MetaFlags(rawValue: 1 << UInt64(letter.value - 65))
    }

    /// As `contains`, which is a call through a witness table.
    @inlinable @inline(__always)
    public func has(_ flag: MetaFlags) -> Bool { rawValue & flag.rawValue != 0 }

    /// What a flag may start with; a line with any other byte there is no meta command's.
    @inline(__always)
    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "z")
            || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    @inlinable public static var encodedKey: MetaFlags { of("b") }
    @inlinable public static var showsUnique: MetaFlags { of("c") }
    @inlinable public static var showsClientFlags: MetaFlags { of("f") }
    @inlinable public static var showsFetched: MetaFlags { of("h") }
    @inlinable public static var showsKey: MetaFlags { of("k") }
    @inlinable public static var showsAccess: MetaFlags { of("l") }
    @inlinable public static var quiet: MetaFlags { of("q") }
    @inlinable public static var showsSize: MetaFlags { of("s") }
    @inlinable public static var showsTime: MetaFlags { of("t") }
    @inlinable public static var noAccess: MetaFlags { of("u") }
    @inlinable public static var value: MetaFlags { of("v") }
    @inlinable public static var empty: MetaFlags { of("x") }
    @inlinable public static var compare: MetaFlags { of("C") }
    @inlinable public static var delta: MetaFlags { of("D") }
    @inlinable public static var newUnique: MetaFlags { of("E") }
    @inlinable public static var clientFlags: MetaFlags { of("F") }
    @inlinable public static var invalidate: MetaFlags { of("I") }
    @inlinable public static var initial: MetaFlags { of("J") }
    @inlinable public static var mode: MetaFlags { of("M") }
    @inlinable public static var vivify: MetaFlags { of("N") }
    @inlinable public static var opaque: MetaFlags { of("O") }
    @inlinable public static var recache: MetaFlags { of("R") }
    @inlinable public static var exptime: MetaFlags { of("T") }
    /// For proxies between client and node; of no meaning to a node.
    @inlinable public static var path: MetaFlags { of("P") }
    @inlinable public static var location: MetaFlags { of("L") }

    private static let known: MetaFlags = [
        encodedKey, showsUnique, showsClientFlags, showsFetched, showsKey, showsAccess, quiet,
        showsSize, showsTime, noAccess, value, empty, compare, delta, newUnique, clientFlags,
        invalidate, initial, mode, vivify, opaque, recache, exptime, path, location,
    ]
}
