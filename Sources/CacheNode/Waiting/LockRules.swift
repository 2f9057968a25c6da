/// Which keys are locks, and how long and how many may wait for one.
package struct LockRules: Equatable, Sendable {
    /// None: nobody waits.
    package var keys: [LockKeys] = []
    package var waitMilliseconds = 700
    /// Who may wait for one lock at the same time.
    package var waiterCountMaxPerKey = 64
    /// And for all locks of the space.
    package var waiterCountMax = 4_096

    package init() {}

    package static let keysCountMax = 16
    package static let waitMillisecondsRange = 1...60_000
    package static let waiterCountRange = 1...1_000_000
    /// A lock's value is short: whoever waits with it must not hold much memory.
    static let valueByteCountMax = 512
    /// memcached's, of a key.
    fileprivate static let keyByteCountMax = 250

    func isLock(_ key: Span<UInt8>) -> Bool {
        for keys in keys where keys.match(key) { return true }
        return false
    }

    /// Whether a zero under this key is a free lock, and who counts it up to 1 has it: so the session
    /// handler of PHP's older extension has it, under keys that end with a word.
    func isCountedLock(_ key: Span<UInt8>) -> Bool {
        for keys in keys where keys.isSuffix && keys.match(key) { return true }
        return false
    }

    var hasCountedLocks: Bool { keys.contains(where: \.isSuffix) }
}

/// Keys that begin with a text, or end with one.
package struct LockKeys: Equatable, Sendable, CustomStringConvertible {
    private let bytes: [UInt8]
    fileprivate let isSuffix: Bool

    /// `PREFIX` or `*SUFFIX`; nothing where that is empty, or no key can have it.
    package init?(_ text: some StringProtocol) {
        isSuffix = text.first == "*"
        bytes = Array((isSuffix ? text.dropFirst() : text[...]).utf8)
        guard !bytes.isEmpty, bytes.count <= LockRules.keyByteCountMax,
            bytes.allSatisfy({ $0 > 32 && $0 != 127 && $0 != UInt8(ascii: "*") })
        else { return nil }
    }

    package var description: String {
        (isSuffix ? "*" : "") + String(decoding: bytes, as: UTF8.self)
    }

    func match(_ key: Span<UInt8>) -> Bool {
        guard key.count >= bytes.count else { return false }
        let start = isSuffix ? key.count - bytes.count : 0
        for place in bytes.indices where key[start + place] != bytes[place] { return false }
        return true
    }
}
