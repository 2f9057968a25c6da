/// What a node answers to a meta command.
struct NodeReply: Equatable, Sendable {
    enum Status: Equatable, Sendable {
        /// `HD`, and `VA` with its value.
        case done
        /// `EN`: `mg` found nothing.
        case miss
        /// `NF`: there is nothing to change.
        case notFound
        /// `NS`: the mode forbids it.
        case notStored
        /// `EX`: another CAS unique.
        case exists
        /// `MN`.
        case noop
        /// STORED, the answer to a login.
        case stored
        /// `ME`, and its line.
        case description(String)
        /// ERROR: the node does not know the command.
        case unknownCommand(String)
        case clientError(String)
        case serverError(String)
    }

    var status: Status
    var value: [UInt8]?
    /// The request's token. Errors have none.
    var opaque: UInt64?
    var casUnique: UInt64?
    var clientFlags: UInt32?
    /// Seconds; -1 for an item that never expires.
    var timeLeft: Int64?

    init(
        _ status: Status, value: [UInt8]? = nil, opaque: UInt64? = nil,
        casUnique: UInt64? = nil, clientFlags: UInt32? = nil, timeLeft: Int64? = nil
    ) {
        self.status = status
        self.value = value
        self.opaque = opaque
        self.casUnique = casUnique
        self.clientFlags = clientFlags
        self.timeLeft = timeLeft
    }

    /// Whether it is an error line, which carries no opaque token.
    var isError: Bool {
        switch status {
        case .unknownCommand, .clientError, .serverError: true
        default: false
        }
    }
}
