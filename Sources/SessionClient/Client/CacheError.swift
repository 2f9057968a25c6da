/// Why a command has no result.
///
/// A miss, a conflict or an item that is already there are results, not errors.
public struct CacheError: Error, Hashable, Sendable {
    public enum Code: String, Hashable, Sendable {
        /// Not 1 to 250 bytes, or with a space or a control byte in it. Nothing was sent.
        case invalidKey
        /// Larger than the configuration's `valueByteCountMax`, or than the node takes.
        case valueTooLarge
        /// Client flags that the client needs for itself. Nothing was sent.
        case reservedClientFlags
        /// `increment` or `decrement` of an item that is no number.
        case notANumber
        /// No reply in time. The node may or may not have carried out the command.
        case deadlineExceeded
        /// As many commands as the configuration allows are under way. Nothing was sent.
        case overloaded
        /// The task was cancelled. The node may or may not have carried out the command.
        case cancelled
        /// The node cannot be reached, or is ejected because it could not be. Nothing was sent.
        case nodeUnavailable
        /// The connection broke. The node may or may not have carried out the command.
        case connectionLost
        /// The node sent what is no reply, or a reply to somebody else. The connection is closed.
        case protocolViolation
        /// The node answered with an error; `reason` has its text.
        case refused
        /// No node is known yet, or the membership's source names none.
        case noNodes
        /// The client was shut down.
        case shutDown
        /// Fewer copies were read or written than `Copies` requires. A write may have reached some.
        case tooFewCopies
        /// Other clients changed the item again and again meanwhile.
        case contended
    }

    public var code: Code
    /// The name of the node that it is about.
    public var node: String?
    /// In words, for logs. Never a key or a value.
    public var reason: String?

    public init(_ code: Code, node: String? = nil, reason: String? = nil) {
        self.code = code
        self.node = node
        self.reason = reason
    }
}

extension CacheError: CustomStringConvertible {
    public var description: String {
        var text = code.rawValue
        if let node { text += " at \(node)" }
        if let reason { text += ": \(reason)" }
        return text
    }
}
