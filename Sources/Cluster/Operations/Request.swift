/// A command on one key, as it goes to whoever decides about the key.
package struct Request: Equatable, Sendable {
    package enum Verb: UInt8, Sendable, CaseIterable {
        case get, getAndTouch, touch
        case set, add, replace, append, prepend, compareAndSwap
        case increment, decrement
        case delete

        package var isRead: Bool { self == .get }
    }

    /// One of a client's commands, wherever it is carried out, and however often it is sent.
    package var number: OperationNumber
    package var verb: Verb
    package var key: [UInt8]
    package var value: [UInt8]
    package var clientFlags: UInt32
    /// Until it expires; nil is never.
    package var secondsLeft: UInt32?
    /// What the version must be, of `compareAndSwap`, and of others if it is not 0.
    package var comparison: UInt64
    package var delta: UInt64

    package init(
        _ verb: Verb, key: [UInt8], number: OperationNumber, value: [UInt8] = [],
        clientFlags: UInt32 = 0, secondsLeft: UInt32? = nil, comparison: UInt64 = 0,
        delta: UInt64 = 0
    ) {
        self.verb = verb
        self.key = key
        self.number = number
        self.value = value
        self.clientFlags = clientFlags
        self.secondsLeft = secondsLeft
        self.comparison = comparison
        self.delta = delta
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

/// What has come of a request.
package struct Outcome: Equatable, Sendable {
    package enum Result: UInt8, Sendable, CaseIterable {
        case hit, miss
        case stored, notStored, exists, notFound
        case deleted, touched
        case number, notANumber
        case tooLarge, outOfMemory
    }

    package var result: Result
    package var version: UInt64
    package var clientFlags: UInt32
    package var secondsLeft: UInt32?
    package var number: UInt64
    package var value: [UInt8]

    package init(
        _ result: Result, version: UInt64 = 0, clientFlags: UInt32 = 0, secondsLeft: UInt32? = nil,
        number: UInt64 = 0, value: [UInt8] = []
    ) {
        self.result = result
        self.version = version
        self.clientFlags = clientFlags
        self.secondsLeft = secondsLeft
        self.number = number
        self.value = value
    }
}
