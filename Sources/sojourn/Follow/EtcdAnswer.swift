import FoundationEssentials

/// The value of the key, and the revision that put it there.
struct EtcdValue: Equatable, Sendable {
    var bytes: [UInt8]
    var revision: Int64
}

/// What was read: the key's value, if it has one, as of a revision of the whole store.
struct EtcdReading: Equatable, Sendable {
    var revision: Int64
    var value: EtcdValue?
}

/// What one line of a watch says.
enum EtcdNews: Equatable, Sendable {
    /// Nothing about the key: that the watch has begun, for instance.
    case nothing
    case put(EtcdValue)
    case deleted(revision: Int64)
}

/// What etcd's gateway answers, line by line. Nothing of it is believed: any bytes are an answer or a trouble.
enum EtcdAnswer {
    static func token(_ line: [UInt8]) throws(EtcdTrouble) -> String {
        guard let token = try message(line).token, !token.isEmpty,
            token.utf8.allSatisfy({ $0 > UInt8(ascii: " ") && $0 < 0x7f })
        else { throw nonsense(line) }
        return token
    }

    static func reading(_ line: [UInt8]) throws(EtcdTrouble) -> EtcdReading {
        let message = try message(line)
        guard let revision = message.header?.revision?.value else { throw nonsense(line) }
        guard let pair = message.kvs?.first else {
            return EtcdReading(revision: revision, value: nil)
        }
        return EtcdReading(revision: revision, value: try value(pair, line))
    }

    /// Of several changes the last one counts.
    static func news(_ line: [UInt8]) throws(EtcdTrouble) -> EtcdNews {
        let message = try message(line)
        if let error = message.reason { throw .unable(error.forLog) }
        guard let result = message.result else { throw nonsense(line) }
        if result.canceled == true {
            if let revision = result.compactRevision?.value, revision > 0 {
                throw .compacted(revision)
            }
            throw .refused((result.cancelReason ?? "the watch was cancelled").forLog)
        }
        guard let event = result.events?.last else { return .nothing }
        guard let pair = event.kv else { throw nonsense(line) }
        switch event.type {
        case nil, "PUT": return .put(try value(pair, line))
        case "DELETE":
            guard let revision = pair.modRevision?.value else { throw nonsense(line) }
            return .deleted(revision: revision)
        default: throw nonsense(line)
        }
    }

    /// What an answer says whose status is not 200.
    static func trouble(status: Int, _ line: [UInt8]) -> EtcdTrouble {
        let words =
            (try? message(line))?.reason ?? String(decoding: line.prefix(200), as: UTF8.self)
        let reason = "\(words.forLog) (HTTP \(status))"
        return (400..<500).contains(status) ? .refused(reason) : .unable(reason)
    }

    private static func value(
        _ pair: Message.Pair, _ line: [UInt8]
    ) throws(EtcdTrouble) -> EtcdValue {
        guard let revision = pair.modRevision?.value else { throw nonsense(line) }
        // Defaults are left out: this one is an empty value.
        return EtcdValue(bytes: Array(pair.value ?? Data()), revision: revision)
    }

    private static func message(_ line: [UInt8]) throws(EtcdTrouble) -> Message {
        do {
            return try JSONDecoder().decode(Message.self, from: Data(line))
        } catch {
            throw nonsense(line)
        }
    }

    private static func nonsense(_ line: [UInt8]) -> EtcdTrouble {
        .nonsense("'\(String(decoding: line.prefix(80), as: UTF8.self).forLog)'")
    }
}

/// Every message that is asked for. What it does not have is nil, and what is not known is not looked at.
private struct Message: Decodable {
    struct Header: Decodable { var revision: Number? }

    struct Pair: Decodable {
        var value: Data?
        var modRevision: Number?
        enum CodingKeys: String, CodingKey {
            case value
            case modRevision = "mod_revision"
        }
    }

    struct Event: Decodable {
        var type: String?
        var kv: Pair?
    }

    struct Result: Decodable {
        var canceled: Bool?
        var cancelReason: String?
        var compactRevision: Number?
        var events: [Event]?
        enum CodingKeys: String, CodingKey {
            case canceled
            case cancelReason = "cancel_reason"
            case compactRevision = "compact_revision"
            case events
        }
    }

    /// A text, or since 3.5 for streams an object.
    enum Failure: Decodable {
        struct Details: Decodable { var message: String? }
        case text(String)
        case details(Details)

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                self = .text(text)
            } else {
                self = .details(try Details(from: decoder))
            }
        }
    }

    /// A revision: a text, as the gateway writes 64-bit numbers. One more than it is a number, too.
    struct Number: Decodable {
        let value: Int64

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let number =
                if let text = try? container.decode(String.self) { Int64(text) } else {
                    try container.decode(Int64.self)
                }
            guard let number, (0..<Int64.max).contains(number) else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "no revision")
            }
            value = number
        }
    }

    var header: Header?
    var kvs: [Pair]?
    var token: String?
    var result: Result?
    var error: Failure?
    var message: String?

    /// Why there is nothing else.
    var reason: String? {
        switch error {
        case .text(let text): text
        case .details(let details): details.message ?? message ?? "no reason is given"
        case nil: message
        }
    }
}
