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
    /// Made step by step, after an OK if so announced.
    case listing(Listing, isAnnounced: Bool)
    /// From here on the connection tells of events.
    case watching(Watching)
    /// Nothing more: the conversation is over.
    case close(CloseReason)
}
