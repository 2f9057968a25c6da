/// Who has logged in at the page: each by a token that a browser keeps, for a while.
///
/// Bounded: with one more, the one that was used longest ago is over. Nothing of it outlives the process.
struct Logins {
    struct Login: Equatable {
        let user: String
        /// What a form has to have with it, so that it is the page's own.
        let formToken: String
        fileprivate let begun: Int
        fileprivate var used: Int
        /// Which of all requests was the last one, as seconds are too long.
        fileprivate var turn: Int
    }

    static let countMax = 32
    /// Without a request, and in all.
    static let idleSeconds = 1_800
    static let lifeSeconds = 28_800

    private var logins: [String: Login] = [:]
    private var turn = 0

    var count: Int { logins.count }

    /// - Parameter now: seconds of any clock that nobody sets.
    mutating func begin(user: String, now: Int) -> (token: String, login: Login) {
        removeExpired(now)
        if logins.count >= Self.countMax,
            let oldest = logins.min(by: { $0.value.turn < $1.value.turn })?.key
        {
            logins[oldest] = nil
        }
        turn += 1
        let token = Self.secret()
        let login = Login(
            user: user, formToken: Self.secret(), begun: now, used: now, turn: turn)
        logins[token] = login
        return (token, login)
    }

    /// Nothing for a token that nobody was given, or whose time is over.
    mutating func login(by token: String, now: Int) -> Login? {
        removeExpired(now)
        guard logins[token] != nil else { return nil }
        turn += 1
        logins[token]?.used = now
        logins[token]?.turn = turn
        return logins[token]
    }

    mutating func end(_ token: String) { logins[token] = nil }

    /// Other passwords: who was let in by the old ones shows the new one.
    mutating func endAll() { logins.removeAll() }

    private mutating func removeExpired(_ now: Int) {
        logins = logins.filter { _, login in
            now - login.used < Self.idleSeconds && now - login.begun < Self.lifeSeconds
        }
    }

    /// 256 bits that nobody guesses, in letters that go anywhere.
    static func secret() -> String {
        // Of the system's generator, whatever else is random here.
        var generator = SystemRandomNumberGenerator()
        let digits = (0..<4).map { _ in
            let word = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - word.count) + word
        }
        return digits.joined()
    }

    /// Whether two secrets are one; how much of them is equal has no part in the time that takes.
    static func areEqual(_ one: String, _ other: String) -> Bool {
        let (one, other) = (Array(one.utf8), Array(other.utf8))
        guard one.count == other.count, !one.isEmpty else { return false }
        var difference: UInt8 = 0
        for place in one.indices { difference |= one[place] ^ other[place] }
        return difference == 0
    }
}
