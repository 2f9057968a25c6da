import MemcacheProtocol

extension Connection {
    enum State {
        /// Nothing has arrived yet: the first byte chooses the protocol.
        case fresh
        /// The peer has to say who it is.
        case loggingIn(Login)
        case command
        /// The same in the binary protocol.
        case packet
        /// A request's header has been read, and its extras and key are not there in full. It is at the
        /// input's start.
        case awaitingKey(BinaryRequest)
        /// In the keys of a retrieval. The line may be longer than the input buffer.
        case retrieving(TextRetrieval)
        /// A line that is not wanted any more, up to its end.
        case swallowingLine
        /// A storage command's line or head has been read, and its data block is not there in full. Both
        /// are at the input's start.
        case awaitingBlock(TextStorage, DataBlock)
        /// A value that is larger than the input buffer arrives in the map; then its end must follow.
        case receivingValue(IncomingValue)
        /// A data block, or a packet, that is not wanted; then the reply, if any.
        case swallowing(byteCount: Int, then: OwedReply?)
        /// A long reply is being made; then commands, or packets, again.
        case listing(Listing)
        /// Events are told until the peer goes; its input is not read.
        case watching(Watching)
        /// A command that others may have to carry out, and that is not there as a whole.
        case gathering(GatheredCommand)
        /// The last command's outcome comes later. What is behind it in the input waits, too.
        case waiting(Waiting)
        case closed(CloseReason)
    }

    /// Where it is in a conversation, as far as every turn asks.
    enum Expectation {
        /// The next command.
        case command
        /// The next packet.
        case packet
        /// There is something to go on with.
        case rest

        @inline(__always)
        init(_ state: State) {
            switch state {
            case .command: self = .command
            case .packet: self = .packet
            default: self = .rest
            }
        }
    }

    /// What a command leads to, or whatever else a conversation goes on with: which state follows, if
    /// another one does, and whether the turn is over.
    ///
    /// The commands of each protocol end as one of these. What is done about it is `run`'s.
    enum Step {
        /// It is done with, and the state says what is next.
        case over
        case ends(Turn)
        // In a box of its own: a step is copied for each command, and these two are rare.
        indirect case leads(State)
        indirect case halts(State, Turn)

        static func awaits(_ storage: TextStorage, _ block: DataBlock) -> Step {
            .halts(.awaitingBlock(storage, block), .needsInput)
        }

        /// - Parameter reply: nothing where none is owed.
        static func swallows(byteCount: Int, then reply: OwedReply?) -> Step {
            .leads(.swallowing(byteCount: byteCount, then: reply))
        }

        static func waits(_ waiting: Waiting) -> Step { .halts(.waiting(waiting), .waiting) }
    }

    /// What a connection waits for after `run`.
    enum Turn: Equatable {
        case needsInput
        /// Replies must be sent before more is executed.
        case outputFull
        /// The turn's bound is reached and there is more to do: let others have a turn.
        case yielded
        /// The same after much work: others that have become ready meanwhile come first, too.
        case rested
        /// There will be more to send when others have done something.
        case watching
        /// A command's outcome comes later: `resume`.
        case waiting
        /// The conversation is over, once what is owed has been sent.
        case close
    }
}

extension Connection.State {
    /// Why the conversation is over, if it is.
    var closeReason: CloseReason {
        if case .closed(let reason) = self { reason } else { .error }
    }

    /// There while it tells of events.
    var watching: Watching? {
        if case .watching(let watching) = self { watching } else { nil }
    }

    /// There while a command's outcome is to come.
    var waiting: Waiting? {
        if case .waiting(let waiting) = self { waiting } else { nil }
    }

    /// What the conversation is about, as `stats conns` tells it.
    var phase: ConnectionRecord.Phase {
        switch self {
        case .awaitingBlock, .receivingValue, .gathering: .receivingValue
        case .swallowing, .swallowingLine: .swallowing
        case .closed: .closing
        case .listing, .watching: .watching
        case .waiting: .waiting
        case .fresh, .loggingIn, .command, .packet, .awaitingKey, .retrieving: .reading
        }
    }
}
