/// People and bots on one connection, in the ratios of a large wiki's session store.
///
/// People have a session each. They look at pages, now and then their session gets another value
/// (the cart), and some log out: their session is deleted, the old cookie is tried once more, and they
/// log in again with a new session when their turn comes. Bots are given sessions that they seldom
/// come back for.
///
/// A person's session that is gone, though it was neither deleted nor due, is a lost session: that
/// person was logged out. A bot's session may be gone.
///
/// Source of the ratios: Wikimedia, one week of October 2025, per second: authenticated GET 1,350,
/// SET 200, DELETE 8; anonymous GET 150, SET 300, DELETE 20.
final class SessionSource: RequestSource {
    private let people: KeyBook
    private let exptime: Int32
    private let mix: OperationMix
    private let noteLost: () -> Void
    private var sessions: SessionNumbers
    private var numbers: SeededNumbers
    private var oldCookie: UInt64?
    private var recentBots: [UInt64] = []

    /// Bots whose cookies are kept, to be tried again.
    private static let recentBotCountMax = 64

    /// - Parameters:
    ///   - bots: how many times as many bots there are as people's traffic calls for.
    ///   - noteLost: is called once for each lost session.
    init(
        people: KeyBook, exptime: Int32, bots: Int, seed: UInt64, numbers: SessionNumbers,
        noteLost: @escaping () -> Void
    ) {
        self.people = people
        self.exptime = exptime
        self.noteLost = noteLost
        sessions = numbers
        self.numbers = SeededNumbers(seed: seed)
        mix = OperationMix([
            (.view, 1_350), (.save, 192), (.logout, 8),
            (.botSet, 300 * bots), (.botRead, 150 * bots), (.botDelete, 20 * bots),
        ])
    }

    func draw(at second: UInt32, into asked: inout RingBuffer<Asked>) -> Request? {
        if let key = oldCookie {
            oldCookie = nil
            asked.append(Asked(key: key, presence: .absent))
            return Request(operation: .oldCookie)
        }
        switch mix.pick(&numbers) {
        case .botSet: return botSet(&asked)
        case .botRead: return bot(.botRead, &asked)
        case .botDelete: return bot(.botDelete, &asked)
        case let operation: return person(operation, second, &asked)
        }
    }

    private func person(
        _ operation: Operation, _ second: UInt32, _ asked: inout RingBuffer<Asked>
    ) -> Request {
        let place = numbers.below(people.count)
        var state = people[place]
        guard state.presence != .absent else {
            state.key = sessions.next(after: state.key)
            state.revision = 0
            state.presence = Presence(exptime: exptime, now: second)
            people[place] = state
            asked.append(people.asked(place))
            return Request(operation: .login, exptime: exptime)
        }
        switch operation {
        case .save:
            state.revision &+= 1
            state.presence = Presence(exptime: exptime, now: second)
            people[place] = state
            asked.append(people.asked(place))
        case .logout:
            asked.append(people.asked(place))
            state.presence = .absent
            people[place] = state
            oldCookie = state.key
        default:
            asked.append(people.asked(place))
            state.presence = state.presence.renewed(exptime: exptime, now: second)
            people[place] = state
        }
        return Request(operation: operation, exptime: exptime)
    }

    private func botSet(_ asked: inout RingBuffer<Asked>) -> Request {
        let key = sessions.nextBot()
        if recentBots.count < Self.recentBotCountMax {
            recentBots.append(key)
        } else {
            recentBots[numbers.below(recentBots.count)] = key
        }
        asked.append(Asked(key: key))
        return Request(operation: .botSet, exptime: exptime)
    }

    private func bot(_ operation: Operation, _ asked: inout RingBuffer<Asked>) -> Request {
        guard !recentBots.isEmpty else { return botSet(&asked) }
        let place = numbers.below(recentBots.count)
        asked.append(Asked(key: recentBots[place]))
        if operation == .botDelete { recentBots.remove(at: place) }
        return Request(operation: operation)
    }

    func noteMiss(_ asked: Asked, _ operation: Operation, wasCertain: Bool) {
        // Who logs out does not miss the session.
        guard operation == .view, people.noteMiss(asked), wasCertain else { return }
        noteLost()
    }
}
