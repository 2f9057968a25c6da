import Cluster

/// A command as the model store understands it, in the fewest words.
struct ModelCommand: Equatable {
    enum Verb: UInt8 {
        case get, set, add, append, delete
        /// A read that lets the item live longer.
        case renew
        /// Of all keys; the store is not asked.
        case flush

        var isRead: Bool { self == .get || self == .renew }
    }

    var verb: Verb
    var value: [UInt8] = []

    init(_ verb: Verb, value: [UInt8] = []) {
        self.verb = verb
        self.value = value
    }

    init?(_ bytes: [UInt8]) {
        guard let first = bytes.first, let verb = Verb(rawValue: first) else { return nil }
        self.init(verb, value: Array(bytes.dropFirst()))
    }

    var bytes: [UInt8] { [verb.rawValue] + value }
}

/// What the model store answers.
struct ModelOutcome: Equatable {
    enum Result: UInt8 {
        case hit, miss, stored, notStored, notFound, deleted, refused
    }

    var result: Result
    var value: [UInt8]

    init(_ result: Result, value: [UInt8] = []) {
        self.result = result
        self.value = value
    }

    init?(_ outcome: Outcome) {
        guard let first = outcome.reply.first, let result = Result(rawValue: first) else {
            return nil
        }
        self.init(result, value: Array(outcome.reply.dropFirst()))
    }

    var outcome: Outcome { Outcome([result.rawValue] + value) }
}
