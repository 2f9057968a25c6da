import EventLoop

/// Users and their passwords, as a file has them: `user:password`, a line each, as memcached reads it.
///
/// The first colon ends the user; a line may end with CR LF; empty lines are left out. A user may have
/// several lines: with two passwords, one of them can be changed while clients use the other.
struct Passwords: Sendable {
    private var users: [[UInt8]: [[UInt8]]] = [:]
    /// The file's first line, by which members of a cluster ask each other.
    private(set) var first: (user: [UInt8], password: [UInt8])?
    /// What is compared where there is no such user: it takes the time that others take.
    private let decoy = (0..<16).map { _ in UInt8.random(in: 0...255) }

    /// Of a user, the colon and a password.
    static let entryByteCountMax = 1_024
    /// A hundred thousand users have some 5 MB.
    static let fileByteCountMax = 64 << 20

    /// How many users there are.
    var count: Int { users.count }

    /// - Parameter name: of the file, as messages say it.
    init(_ text: Span<UInt8>, name: String) throws(AuthenticationError) {
        var number = 0
        var start = 0
        while start < text.count {
            number += 1
            var end = start
            while end < text.count, text[end] != UInt8(ascii: "\n") { end += 1 }
            var line = text.extracting(start..<end)
            if !line.isEmpty, line[line.count - 1] == UInt8(ascii: "\r") {
                line = line.extracting(droppingLast: 1)
            }
            if !line.isEmpty {
                guard let problem = add(line) else {
                    start = end + 1
                    continue
                }
                throw AuthenticationError("\(name), line \(number): \(problem)")
            }
            start = end + 1
        }
        guard !users.isEmpty else {
            throw AuthenticationError("\(name) has no users; expected lines user:password")
        }
    }

    /// Adds a line's user. Returns what is wrong with it, if anything is; never what it says.
    private mutating func add(_ line: Span<UInt8>) -> String? {
        guard line.count <= Self.entryByteCountMax else {
            return "\(line.count) bytes, and a user and a password have at most "
                + "\(Self.entryByteCountMax), their colon included"
        }
        var colon = 0
        while colon < line.count, line[colon] != UInt8(ascii: ":") { colon += 1 }
        guard colon < line.count else { return "no colon; expected user:password" }
        let user = line.extracting(first: colon)
        let password = line.extracting((colon + 1)...)
        guard !user.isEmpty else { return "no user before the colon" }
        guard !password.isEmpty else { return "no password after the colon" }
        for place in 0..<user.count where user[place] == UInt8(ascii: " ") {
            return "a space in the user, at which clients end it"
        }
        for place in 0..<line.count where line[place] == 0 {
            return "a NUL, which no client can send"
        }
        users[user.bytes(), default: []].append(password.bytes())
        if first == nil { first = (user.bytes(), password.bytes()) }
        return nil
    }

    /// Whether this is the user's password. What is right or wrong about it has no part in the time that
    /// the answer takes.
    func accept(user: Span<UInt8>, password: Span<UInt8>) -> Bool {
        let known = users[user.bytes()]
        var isRight = false
        for expected in known ?? [decoy] {
            let isThis = Self.areEqual(expected, password)
            isRight = isRight || isThis
        }
        return isRight && known != nil
    }

    /// Looks at every byte of what was given, whatever it meets.
    @inline(never)
    private static func areEqual(_ expected: [UInt8], _ given: Span<UInt8>) -> Bool {
        var difference = expected.count ^ given.count
        var place = 0
        for index in 0..<given.count {
            difference |= Int(expected[place] ^ given[index])
            place += 1
            if place == expected.count { place = 0 }
        }
        return difference == 0
    }
}

extension Span where Element == UInt8 {
    /// A copy.
    func bytes() -> [UInt8] { withUnsafeBytes { Array($0) } }
}

/// What is wrong with a password file, in one line.
package struct AuthenticationError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        // A path has a part in it, and it goes into the log.
        self.description = String(
            decoding: description.utf8.map { $0 < 32 || $0 == 127 ? UInt8(ascii: "?") : $0 },
            as: UTF8.self)
    }
}
