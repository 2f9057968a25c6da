import Glibc

@testable import LoadGenerator

/// A conversation without a socket: what it sends is looked at, what it is answered is made up.
final class Talk {
    let tally = Tally()
    let conversation: Conversation
    let values: ValueMaker
    let keys: KeyFormat
    private(set) var sent: [UInt8] = []
    var now: UInt64 = 1_000_000_000
    var second: UInt32 = 2

    init(
        _ source: any RequestSource, wire: WireProtocol = .text, depth: Int = 16,
        keysPerGet: Int = 1, valueByteCounts: ByteCounts = .fixed(20),
        values: ValueMaker? = nil, toleratesMisses: Bool = false
    ) {
        self.values = values ?? ValueMaker(lengths: valueByteCounts, limit: 1 << 20)
        keys = KeyFormat(prefix: "k", lengths: .fixed(5))
        conversation = Conversation(
            context: ConversationContext(
                wire: wire, keys: keys, values: self.values, depth: depth, keysPerGet: keysPerGet,
                toleratesMisses: toleratesMisses),
            tally: tally, source: source)
        tally.start = now
    }

    /// Sends that many requests; returns the bytes.
    @discardableResult
    func ask(_ count: Int) -> String {
        conversation.ask(count, since: now, second: second)
        sent = []
        conversation.prepare(at: second)
        while !conversation.output.isEmpty {
            sent += conversation.output.pending
            conversation.output.noteSent(conversation.output.count)
            conversation.prepare(at: second)
        }
        return String(decoding: sent, as: UTF8.self)
    }

    func answer(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { conversation.receive($0, at: now, second: second) }
    }

    func answer(_ text: String) { answer(Array(text.utf8)) }

    /// `VALUE` line and data block of a key, classic.
    func hit(_ key: UInt64, _ revision: UInt32 = 0) -> [UInt8] {
        let value = values.value(key, revision)
        return Array("VALUE ".utf8) + keys.key(key) + Array(" 0 \(value.count)\r\n".utf8) + value
            + [13, 10]
    }

    func metaHit(_ key: UInt64, _ revision: UInt32 = 0, flags: String = "") -> [UInt8] {
        let value = values.value(key, revision)
        return Array("VA \(value.count)\(flags)\r\n".utf8) + value + [13, 10]
    }

    /// The faults there were, by kind.
    var faults: [Fault: Int] {
        var faults: [Fault: Int] = [:]
        for fault in Fault.allCases where tally.count(of: fault) > 0 {
            faults[fault] = tally.count(of: fault)
        }
        return faults
    }
}

/// Requests that a test says one by one.
final class ListedRequests: RequestSource {
    struct Listed {
        var operation: Operation
        var keys: [UInt64]
        var presence = Presence.always
        var revision: UInt32 = 0
        var isQuiet = false
    }

    private var list: [Listed]
    private(set) var missed: [UInt64] = []

    init(_ list: [Listed]) { self.list = list }

    func draw(at second: UInt32, into asked: inout RingBuffer<Asked>) -> Request? {
        guard !list.isEmpty else { return nil }
        let next = list.removeFirst()
        for key in next.keys {
            asked.append(
                Asked(key: key, place: 0, revision: next.revision, presence: next.presence))
        }
        return Request(operation: next.operation, exptime: 60, isQuiet: next.isQuiet)
    }

    func noteMiss(_ asked: Asked, _ operation: LoadGenerator.Operation, wasCertain: Bool) {
        missed.append(asked.key)
    }
}

func get(_ keys: UInt64..., presence: Presence = .always) -> ListedRequests.Listed {
    ListedRequests.Listed(operation: .get, keys: keys, presence: presence)
}

func set(_ key: UInt64, isQuiet: Bool = false) -> ListedRequests.Listed {
    ListedRequests.Listed(operation: .set, keys: [key], isQuiet: isQuiet)
}
