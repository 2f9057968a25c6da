import Glibc
import MemcacheProtocol

/// A memcached or a node: lists keys, reads items and stores them, many at a time.
final class CacheServer {
    let place: ItemPlace
    private let access: ItemAccess
    private let connection: ItemConnection
    /// Whether it has meta commands, and so tells how long an item has to live.
    let speaksMeta: Bool
    private var output: [UInt8] = []

    init(_ place: ItemPlace, _ access: ItemAccess) throws {
        self.place = place
        self.access = access
        connection = try ItemConnection(place, access)
        try connection.send(Array("mn\r\n".utf8))
        let line = try connection.line()
        switch ReplyLine(line.span) {
        case .metaNoop: speaksMeta = true
        // Before 1.6 there are meta commands of another syntax.
        case .error, .metaMiss: speaksMeta = false
        default: throw connection.unexpected(line, to: "mn")
        }
    }

    /// The values of `stats`.
    func statistics() throws -> [String: String] {
        try connection.send(Array("stats\r\n".utf8))
        var values: [String: String] = [:]
        while true {
            let line = try connection.line()
            if ReplyLine(line.span) == .end { return values }
            guard let statistic = StatisticLine(line.span), values.count < 10_000 else {
                throw connection.unexpected(line, to: "stats")
            }
            values[statistic.name] = statistic.value
        }
    }

    // MARK: Listing

    enum DumpStyle: String, CaseIterable {
        case metadump, mgdump
    }

    /// Hands over each key, on a connection of its own.
    func list(_ style: DumpStyle, _ body: ([UInt8], DumpLine.Time) throws -> Void) throws {
        let connection = try ItemConnection(place, access)
        try connection.send(Array("version\r\n".utf8))
        let version = connection.text(try connection.line())
        guard !version.hasPrefix("VERSION 1.4.") else {
            throw MovingTrouble(
                "\(place) is a memcached 1.4, whose list of keys has no end: use -o predecessor alone, "
                    + "sessions move over as they are used")
        }
        var attemptCount = 0
        while true {
            try connection.send(Array("lru_crawler \(style.rawValue) all\r\n".utf8))
            let first = try connection.line()
            guard connection.text(first).hasPrefix("BUSY") else {
                return try list(first, style, connection, body)
            }
            // Somebody else's dump, or the crawler's own work.
            attemptCount += 1
            guard attemptCount < Self.attemptCountMax else {
                throw MovingTrouble("\(place) is busy with another dump: \(connection.text(first))")
            }
            usleep(500_000)
        }
    }

    private static let attemptCountMax = 120

    private func list(
        _ first: [UInt8], _ style: DumpStyle, _ connection: ItemConnection,
        _ body: ([UInt8], DumpLine.Time) throws -> Void
    ) throws {
        // Newer ones say first that they are about to.
        var line = ReplyLine(first.span) == .ok ? try connection.line() : first
        var isFirst = true
        while true {
            let text = ReplyLine(line.span)
            if text == .end || text == .metaMiss { return }
            guard let found = DumpLine(line) else {
                throw isFirst
                    ? refusal(connection.text(line), style)
                    : connection.unexpected(line, to: style.rawValue)
            }
            isFirst = false
            try body(found.key, found.time)
            line = try connection.line()
        }
    }

    private func refusal(_ answer: String, _ style: DumpStyle) -> MovingTrouble {
        let advice =
            if answer.contains("disabled") {
                "switch its crawler on, by the command 'lru_crawler enable'"
            } else if answer.contains("not allowed") {
                "a node shows keys on a Unix socket (-s), or with -o show_keys; memcached unless it has -X"
            } else if style == .mgdump {
                "it does not know mgdump; leave --dump-command out"
            } else {
                "it takes a memcached from 1.5 on; without a list of keys, use -o predecessor alone: "
                    + "sessions move over as they are used"
            }
        return MovingTrouble("\(place) does not list its keys ('\(answer)'): \(advice)")
    }

    // MARK: Reading

    func read(_ keys: [ListedKey], now: Int64) throws -> [MovedItem.Reading] {
        output.removeAll(keepingCapacity: true)
        let lines = keys.map { LineKey($0.key) }
        for case let key? in lines where speaksMeta || !key.isEncoded {
            append(speaksMeta ? "mg " : "gets ", key.text)
            if key.isEncoded { append(" b") }
            append(speaksMeta ? " v t f\r\n" : "\r\n")
        }
        try connection.send(output)
        return try zip(keys, lines).map { key, line in
            guard let line else { return .unfit("its key is too long for memcached's protocol") }
            guard speaksMeta || !line.isEncoded else {
                return .unfit("its key has spaces, and the server has no meta commands")
            }
            return speaksMeta ? try readMeta() : try readClassic(key, now: now)
        }
    }

    private func readMeta() throws -> MovedItem.Reading {
        let line = try connection.line()
        switch ReplyLine(line.span) {
        case .metaValue(let byteCount, let flagsStart):
            var item = MovedItem(value: try connection.block(byteCount))
            let span = line.span
            if let word = ReplyLine.token(of: UInt8(ascii: "f"), in: span, from: flagsStart) {
                item.clientFlags = span.unsigned32(at: word) ?? 0
            }
            guard let word = ReplyLine.token(of: UInt8(ascii: "t"), in: span, from: flagsStart)
            else {
                throw connection.unexpected(line, to: "mg")
            }
            item.secondsLeft =
                span.holds("-1", at: word) ? nil : Int64(span.unsigned32(at: word) ?? 0)
            return .item(item)
        case .metaMiss: return .gone
        case .clientError: return .unfit(connection.text(line))
        default: throw connection.unexpected(line, to: "mg")
        }
    }

    private func readClassic(_ key: ListedKey, now: Int64) throws -> MovedItem.Reading {
        let line = try connection.line()
        switch ReplyLine(line.span) {
        case .value(_, let clientFlags, let byteCount):
            var item = MovedItem(value: try connection.block(byteCount), clientFlags: clientFlags)
            let end = try connection.line()
            guard ReplyLine(end.span) == .end else { throw connection.unexpected(end, to: "gets") }
            switch key.time {
            case .never: item.secondsLeft = nil
            case .at(let time): item.secondsLeft = max(1, time - now)
            case .unknown:
                return .unfit("the server does not tell how long it has to live; list by metadump")
            }
            return .item(item)
        case .end: return .gone
        case .clientError: return .unfit(connection.text(line))
        default: throw connection.unexpected(line, to: "gets")
        }
    }

    // MARK: Storing

    enum Storing: Equatable {
        case stored
        /// There is an item of that key already.
        case thereAlready
        case refused(String)
    }

    /// Adds items, and never takes the place of any.
    func add(_ items: [(key: LineKey, item: MovedItem)], now: Int64) throws -> [Storing] {
        var outcomes: [Storing] = []
        var sent: [Bool] = []
        output.removeAll(keepingCapacity: true)
        for (key, item) in items {
            let exptime = item.secondsLeft.map { Self.exptime($0, now: now) } ?? 0
            if key.isEncoded, !speaksMeta {
                sent.append(false)
                continue
            }
            if key.isEncoded {
                append("ms ", key.text)
                append(" \(item.value.count) b ME F\(item.clientFlags) T\(exptime)\r\n")
            } else {
                append("add ", key.text)
                append(" \(item.clientFlags) \(exptime) \(item.value.count)\r\n")
            }
            output += item.value
            append("\r\n")
            sent.append(true)
        }
        try connection.send(output)
        for isSent in sent {
            outcomes.append(
                isSent
                    ? try readOutcome()
                    : .refused("its key has spaces, and the server has no meta commands"))
        }
        return outcomes
    }

    private func readOutcome() throws -> Storing {
        let line = try connection.line()
        switch ReplyLine(line.span) {
        case .stored, .metaDone: return .stored
        case .notStored, .metaNotStored: return .thereAlready
        case .serverError, .clientError: return .refused(connection.text(line))
        default: throw connection.unexpected(line, to: "add")
        }
    }

    /// Beyond 30 days memcached wants a Unix time, and a node takes it.
    static func exptime(_ seconds: Int64, now: Int64) -> Int64 {
        let seconds = max(1, seconds)
        return seconds > 2_592_000 ? min(now + seconds, Int64(Int32.max)) : seconds
    }

    /// Whether there are items of these keys, which a node with a predecessor looks for there.
    func has(_ keys: [LineKey]) throws -> [Bool] {
        output.removeAll(keepingCapacity: true)
        for key in keys {
            append("mg ", key.text)
            append(key.isEncoded ? " b u\r\n" : " u\r\n")
        }
        try connection.send(output)
        return try keys.map { _ in
            let line = try connection.line()
            switch ReplyLine(line.span) {
            case .metaDone: return true
            case .metaMiss: return false
            default: throw connection.unexpected(line, to: "mg")
            }
        }
    }

    private func append(_ text: String, _ bytes: [UInt8] = []) {
        output += Array(text.utf8)
        output += bytes
    }
}

/// Unix time in seconds.
func wallClockSeconds() -> Int64 { Int64(time(nil)) }
