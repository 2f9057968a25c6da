/// Why a command has no result.
///
/// A miss, a conflict or an item that is already there are results, not errors.
public struct CacheError: Error, Hashable, Sendable {
    /// What went wrong, for programs to compare. There may be further codes later: a `switch` has a `default`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name, as in logs and in the dimension of `sojourn_client_errors`.
        public let description: String

        private init(_ name: String) { description = name }

        /// Not 1 to 250 bytes, or with a space or a control byte in it. Nothing was sent.
        public static let invalidKey = Code("invalidKey")
        /// Larger than the configuration's `valueByteCountMax`, or than the node takes.
        public static let valueTooLarge = Code("valueTooLarge")
        /// Client flags that the client needs for itself. Nothing was sent.
        public static let reservedClientFlags = Code("reservedClientFlags")
        /// `increment` or `decrement` of an item that is no number.
        public static let notANumber = Code("notANumber")
        /// No reply in time. The node may or may not have carried out the command.
        public static let deadlineExceeded = Code("deadlineExceeded")
        /// As many commands as the configuration allows are under way. Nothing was sent.
        public static let overloaded = Code("overloaded")
        /// The task was cancelled. The node may or may not have carried out the command.
        public static let cancelled = Code("cancelled")
        /// The node cannot be reached, or is ejected because it could not be. Nothing was sent.
        public static let nodeUnavailable = Code("nodeUnavailable")
        /// The connection broke. The node may or may not have carried out the command.
        public static let connectionLost = Code("connectionLost")
        /// The node sent what is no reply, or a reply to somebody else. The connection is closed.
        public static let protocolViolation = Code("protocolViolation")
        /// The node answered with an error; `reason` has its text.
        public static let refused = Code("refused")
        /// The node does not know the user, or the password is another, or there are no credentials and it
        /// asks for some; `reason` has its words. Nothing was sent. It is not asked again for
        /// `ejectionMin`, and then longer, up to `ejectionMax`: commands fail with the same error meanwhile.
        public static let authenticationFailed = Code("authenticationFailed")
        /// No node is known yet, or the membership's source names none.
        public static let noNodes = Code("noNodes")
        /// The client was shut down.
        public static let shutDown = Code("shutDown")
        /// Fewer copies were read or written than `Copies` asks for. A write may have reached some.
        public static let tooFewCopies = Code("tooFewCopies")
        /// Other clients changed the item again and again meanwhile.
        public static let contended = Code("contended")
    }

    /// What went wrong.
    public var code: Code
    /// The name of the node that it is about.
    public var node: String?
    /// In words, for logs. Never a key or a value.
    public var reason: String?

    /// An error as the client throws it, for tests of an application.
    public init(_ code: Code, node: String? = nil, reason: String? = nil) {
        self.code = code
        self.node = node
        self.reason = reason
    }
}

extension CacheError: CustomStringConvertible {
    /// Code, node and reason in one line, for logs.
    public var description: String {
        var text = code.description
        if let node { text += " at \(node)" }
        if let reason { text += ": \(reason)" }
        return text
    }
}
