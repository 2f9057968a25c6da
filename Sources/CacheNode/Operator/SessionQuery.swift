import MemcacheProtocol
import SessionValues

/// What an operator asks about sessions: a line of words, the first of which says what is to be done.
///
///     list | count | revoke   [space=NAME] [rule=RULE] [user=USER] [session=NAME] [key_prefix=BYTES]
///                             [contains=BYTES] [older_than=SECONDS] [idle_for=SECONDS]
///                             [larger_than=BYTES] [except=KEY]... [show_keys]
///     spaces
///
/// Values are percent-encoded, so that they can have any byte.
struct SessionQuery: Equatable {
    enum Command: String {
        case list, count, revoke
        /// Which spaces there are.
        case spaces
    }

    /// A line that is longer is refused.
    static let lineByteCountMax = 16_384
    static let exceptedCountMax = 64
    static let needleByteCountMax = 1_024

    var command: Command
    var space: String?
    var rule: UserRule?
    var user: [UInt8]?
    /// By the name under which one is shown.
    var session: UInt64?
    var keyPrefix: [UInt8]?
    var needle: [UInt8]?
    var olderThanSeconds: UInt32?
    var idleSeconds: UInt32?
    var largerThanByteCount: Int?
    var excepted: [[UInt8]] = []
    var showsKeys = false

    struct Mistake: Error, Equatable {
        let sentence: String
        init(_ sentence: String) { self.sentence = sentence }
    }

    init(_ line: some Sequence<UInt8>) throws(Mistake) {
        let words = Array(line).split(separator: UInt8(ascii: " "))
        let first = words.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
        guard let command = Command(rawValue: first) else {
            throw Mistake("expected list, count, revoke or spaces, not \"\(Self.shown(first))\"")
        }
        self.command = command
        for word in words.dropFirst() {
            let parts = word.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(decoding: parts[0], as: UTF8.self)
            guard parts.count > 1 else {
                guard name == "show_keys" else {
                    throw Mistake("\"\(Self.shown(name))\" is no word of \(first)")
                }
                showsKeys = true
                continue
            }
            guard let value = PercentEncoding.decoded(parts[1]) else {
                throw Mistake("\(Self.shown(name)): a % needs two digits behind it")
            }
            try take(name, value)
        }
        if command == .revoke, !isLimited {
            throw Mistake(
                "revoke needs to know whose: a user, or another limit; flush_all ends everybody's")
        }
    }

    private mutating func take(_ name: String, _ value: [UInt8]) throws(Mistake) {
        let text = String(decoding: value, as: UTF8.self)
        switch name {
        case "space": space = text
        case "rule":
            do throws(UserRuleError) {
                rule = try UserRule(text)
            } catch {
                throw Mistake("rule: \(error)")
            }
        case "user":
            guard (1...UserFinder.userByteCountMax).contains(value.count) else {
                throw Mistake("user needs 1 to \(UserFinder.userByteCountMax) bytes")
            }
            user = value
        case "session":
            guard value.count == 16, let name = UInt64(text, radix: 16) else {
                throw Mistake("session must be a name as list shows it, 16 hexadecimal digits")
            }
            session = name
        case "key_prefix":
            guard (1...ProtocolLimits.keyByteCountMax).contains(value.count) else {
                throw Mistake("key_prefix needs 1 to \(ProtocolLimits.keyByteCountMax) bytes")
            }
            keyPrefix = value
        case "contains":
            guard (1...Self.needleByteCountMax).contains(value.count) else {
                throw Mistake("contains needs 1 to \(Self.needleByteCountMax) bytes")
            }
            needle = value
        case "older_than": olderThanSeconds = try Self.number(name, text)
        case "idle_for": idleSeconds = try Self.number(name, text)
        case "larger_than": largerThanByteCount = Int(try Self.number(name, text))
        case "except":
            guard excepted.count < Self.exceptedCountMax else {
                throw Mistake("except can be given \(Self.exceptedCountMax) times at most")
            }
            excepted.append(value)
        default: throw Mistake("\"\(Self.shown(name))\" is no word of \(command.rawValue)")
        }
    }

    private static func number(_ name: String, _ text: String) throws(Mistake) -> UInt32 {
        guard let number = UInt32(text) else {
            throw Mistake("\(name) must be a number up to \(UInt32.max), not \"\(shown(text))\"")
        }
        return number
    }

    private static func shown(_ text: String) -> String { String(text.prefix(40)) }

    /// Whether it is about some sessions, and not all.
    private var isLimited: Bool {
        user != nil || session != nil || keyPrefix != nil || needle != nil
            || olderThanSeconds != nil
            || idleSeconds != nil || largerThanByteCount != nil
    }
}
