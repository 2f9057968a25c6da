/// A client's command on one key, as it goes to whoever decides about the key.
///
/// The command itself is the store's business, in whichever words: whoever it was sent to need not understand it,
/// and the answer goes back to the client as it is.
package struct Request: Equatable, Sendable {
    /// One of a client's commands, wherever it is carried out, and however often it is sent.
    package var number: OperationNumber
    /// Whether it changes nothing, so that whoever has the key's present state may answer it.
    package var isRead: Bool
    package var key: [UInt8]
    /// As the client has worded it, to its end.
    package var command: [UInt8]

    package init(number: OperationNumber, isRead: Bool, key: [UInt8], command: [UInt8]) {
        self.number = number
        self.isRead = isRead
        self.key = key
        self.command = command
    }
}

/// Who was asked (8 bits), by which of its threads (8), and the how-manieth it was (48).
package struct OperationNumber: Hashable, Sendable {
    package let bits: UInt64

    package init(bits: UInt64) { self.bits = bits }

    package init(member: UInt8, worker: UInt8, count: UInt64) {
        bits = UInt64(member) << 56 | UInt64(worker) << 48 | count & 0xFFFF_FFFF_FFFF
    }
}

/// What has come of a request: all that its client is to be sent, which may be nothing.
package struct Outcome: Equatable, Sendable {
    package var reply: [UInt8]

    package init(_ reply: [UInt8]) { self.reply = reply }

    /// What is longer is not remembered: it has a value in it, and to get that once more does no harm.
    static let rememberedByteCountMax = 512
    var isRemembered: Bool { reply.count <= Self.rememberedByteCountMax }
}
