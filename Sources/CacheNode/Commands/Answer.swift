import MemcacheProtocol

/// What is answered to a command that shows no item: a value, which the conversation encodes.
enum Answer {
    case reply(Reply)
    case number(UInt64)
    case error(ErrorReply)
    case refusal(OperatorReply)
    /// A whole reply.
    case bytes([UInt8])
    case version
    /// `MN`
    case noop
    /// A page of `stats`.
    case page([Statistic])
    /// A page of `stats` that grows with what is there.
    case pageInParts(StatisticsInParts)
    /// What `stats detail dump` shows.
    case prefixes([PrefixStatistics.Entry])
    /// Made step by step, after an OK if so announced.
    case listing(Listing, isAnnounced: Bool)
    /// It comes later.
    case waiting(Waiting)
    /// From here on the connection tells of events.
    case watching(Watching)
    /// Nothing more: the conversation is over.
    case close(CloseReason)
}

/// A page of `stats` that is read part by part, each in its turn: all of it may be too long for one.
final class StatisticsInParts {
    /// The next part; nothing when there is none.
    let next: (Moment) -> [Statistic]?

    init(_ next: @escaping (Moment) -> [Statistic]?) { self.next = next }
}
