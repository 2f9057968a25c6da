import EventLoop
import Logging
import MemcacheProtocol
import SessionMap
import Synchronization

/// The connection to one of the predecessor's servers: orders go out in their order, and so come the replies. When it ends another
/// one is made, again and again. Confined to the thread that asks.
final class PredecessorLink {
    private enum Dialect {
        /// It tells how long an item has to live.
        case meta
        case classic
    }

    private let number: Int
    private let server: PredecessorConfiguration.Server
    private let predecessor: Predecessor
    private let space: Space
    private let loop: Loop
    private let logger: Logger
    private var dialling: Dialling?
    private var socket: Socket?
    /// Known once it has answered the first question.
    private var dialect: Dialect?
    private var reader: PredecessorReplyReader
    private var output: [UInt8] = []
    private var sentCount = 0
    /// Sent, or about to be, and not answered; from `firstUnanswered` on.
    private var unanswered: [Question] = []
    private var firstUnanswered = 0
    private var dialAgainAt: UInt64 = 0
    private var dialledAt: UInt64 = 0
    /// As it was told last.
    private var told = ""

    private struct Question {
        let order: PredecessorBook.Order
        /// In nanoseconds.
        let began: UInt64
        /// How often the same was asked before, for the sake of its time.
        var repeatCount = 0
    }

    private final class Socket {
        let stream: EventLoop.Stream
        var readable: DescriptorEvent?
        var writable: DescriptorEvent?
        init(_ descriptor: Int32) { stream = EventLoop.Stream(descriptor: descriptor) }
    }

    private static let dialMilliseconds = 1_000
    private static let dialAgainNanoseconds: UInt64 = 1_000_000_000
    /// A server that has been silent for so long has its connection made anew.
    private static let silenceNanosecondsMax: UInt64 = 5_000_000_000
    /// Often enough for a server that takes half a second for each answer to have given one in time.
    private static let repeatCountMax = 4
    private static let readByteCount = 64 << 10
    private static let readsPerTurn = 16

    init(
        _ number: Int, of predecessor: Predecessor, space: Space, loop: Loop, logger: Logger
    ) {
        self.number = number
        self.predecessor = predecessor
        self.space = space
        self.loop = loop
        self.logger = logger
        server = predecessor.configuration.servers[number]
        reader = Self.makeReader(space)
    }

    private static func makeReader(_ space: Space) -> PredecessorReplyReader {
        PredecessorReplyReader(
            valueByteCountMax: space.map.configuration.valueByteCountMax(keyByteCount: 1))
    }

    // MARK: Connecting

    /// As time goes by.
    func tick(at now: UInt64) {
        if socket == nil, dialling == nil, now >= dialAgainAt { dial(at: now) }
        guard socket != nil else { return }
        let oldest =
            dialect == nil
            ? dialledAt
            : firstUnanswered < unanswered.count ? unanswered[firstUnanswered].began : now
        let patience = dialect == nil ? Self.dialAgainNanoseconds : Self.silenceNanosecondsMax
        if now > oldest + patience { return end("it does not answer") }
        if dialect != nil { noteProgress(at: now) }
    }

    private func dial(at now: UInt64) {
        dialAgainAt = now + Self.dialAgainNanoseconds
        dialledAt = now
        let addresses: HostAddresses
        do throws(SocketError) {
            addresses = try HostAddresses(host: server.host, port: server.port)
        } catch {
            return end("its name is not known")
        }
        let dialling = Dialling(
            loop: loop, addresses: addresses, timeoutMilliseconds: Self.dialMilliseconds
        ) { [unowned self] in dialled($0) }
        self.dialling = dialling
        do { try dialling.start() } catch { end("no connection can be made: \(error)") }
    }

    private func dialled(_ descriptor: Int32?) {
        dialling = nil
        guard let descriptor else { return end("nobody listens there, or not in time") }
        let socket = Socket(descriptor)
        do {
            let readable = try DescriptorEvent(
                loop: loop, descriptor: descriptor, interest: .readable
            ) { [unowned self] _ in receive() }
            socket.writable = try DescriptorEvent(
                loop: loop, descriptor: descriptor, interest: .writable
            ) { [unowned self] _ in becameWritable() }
            socket.readable = readable
            try readable.enable()
        } catch {
            return end("its events failed: \(error)")
        }
        self.socket = socket
        // What it answers tells which commands it knows.
        output = Array("mn\r\n".utf8)
        send()
    }

    /// There is no connection, or none any more.
    private func end(_ reason: String) {
        dialling = nil
        hangUp()
        dialect = nil
        output = []
        sentCount = 0
        reader = Self.makeReader(space)
        let orders = unanswered[firstUnanswered...].map(\.order)
        unanswered = []
        firstUnanswered = 0
        let released = predecessor.state.withLock { $0.books[number].lost(unanswered: orders) }
        for settlement in released { settlement.endOne() }
        tell("is away: \(reason)", isTrouble: true)
    }

    /// Its events go first: they must not outlive its descriptor.
    private func hangUp() {
        socket?.readable = nil
        socket?.writable = nil
        socket = nil
    }

    private func tell(_ sentence: String, isTrouble: Bool) {
        var sentence = sentence
        let standing = predecessor.state.withLock { $0.books[number].standing }
        if standing == .givenUp {
            sentence =
                "is given up: it has missed too much of what was done here; what is still there "
                + "can be brought by sojourn import"
        }
        guard sentence != told else { return }
        told = sentence
        let line = "space \(space.name): predecessor \(server) \(sentence)"
        if isTrouble || standing == .givenUp {
            logger.warning("\(line)")
        } else {
            logger.notice("\(line)")
        }
    }

    /// The node stops, or does not ask any more.
    func close() {
        dialling = nil
        hangUp()
        let released = predecessor.state.withLock { $0.books[number].giveUp() }
        for settlement in released { settlement.endOne() }
    }

    // MARK: Sending

    /// Sends what has been ordered since.
    func attend() {
        guard let dialect else { return }
        let orders = predecessor.state.withLock { $0.books[number].takeOrders() }
        guard !orders.isEmpty else { return }
        let now = NodeClock.nanoseconds()
        var asked: UInt64 = 0
        for order in orders {
            if case .ask = order { asked += 1 }
            unanswered.append(Question(order: order, began: now))
            append(order, in: dialect, at: now)
        }
        predecessor.state.withLock { $0.counts.asked += asked }
        send()
    }

    private func append(_ order: PredecessorBook.Order, in dialect: Dialect, at now: UInt64) {
        switch (order, dialect) {
        case (.ask(let key), .meta): append("mg", key, " v t f c h")
        case (.clear(let key), .meta): append("md", key, "")
        case (.ask(let key), .classic): append("gets ", text: key)
        case (.clear(let key), .classic): append("delete ", text: key)
        case (.flush(let time), _):
            let seconds = time > now ? (time - now) / 1_000_000_000 : 0
            output += Array(seconds > 0 ? "flush_all \(seconds)\r\n".utf8 : "flush_all\r\n".utf8)
        }
    }

    private func append(_ verb: String, _ key: [UInt8], _ flags: String) {
        output += Array("\(verb) ".utf8)
        if Self.isText(key) {
            output += key
        } else {
            Base64.encode(key.span) { output.append($0) }
            output += Array(" b".utf8)
        }
        output += Array("\(flags)\r\n".utf8)
    }

    /// A key that cannot be in a line is none that a client of the classic protocol has stored: the same number of replies come.
    private func append(_ verb: String, text key: [UInt8]) {
        output += Array((Self.isText(key) ? verb : "gets ").utf8)
        output += Self.isText(key) ? key : Self.nobodysKey
        output += Array("\r\n".utf8)
    }

    private static let nobodysKey = Array("sojourn:no-key-of-the-classic-protocol".utf8)

    private static func isText(_ key: [UInt8]) -> Bool { key.allSatisfy { $0 > 32 && $0 != 127 } }

    private func send() {
        guard let socket else { return }
        while sentCount < output.count {
            let result = output.withUnsafeBytes {
                socket.stream.write(UnsafeRawBufferPointer(rebasing: $0[sentCount...]))
            }
            switch result {
            case .bytes(let count): sentCount += count
            case .wouldBlock:
                do { try socket.writable?.enable() } catch { end("its events failed: \(error)") }
                return
            case .ended, .failed: return end("the connection broke")
            }
        }
        output.removeAll(keepingCapacity: output.capacity <= 1 << 18)
        sentCount = 0
    }

    private func becameWritable() {
        socket?.writable?.disable()
        send()
    }

    // MARK: Receiving

    private func receive() {
        for _ in 0..<Self.readsPerTurn {
            guard let socket else { return }
            var result = EventLoop.Stream.Transfer.wouldBlock
            withUnsafeTemporaryAllocation(byteCount: Self.readByteCount, alignment: 16) { room in
                result = socket.stream.read(into: room)
                if case .bytes(let count) = result {
                    reader.append(UnsafeRawBufferPointer(rebasing: room[..<count]))
                }
            }
            switch result {
            case .bytes(let count):
                takeReplies()
                if count < Self.readByteCount { return }
            case .wouldBlock: return
            case .ended: return end("it has closed the connection")
            case .failed: return end("the connection broke")
            }
        }
    }

    private func takeReplies() {
        do throws(PredecessorReplyReader.NotUnderstood) {
            while socket != nil, let reply = try reader.next() {
                if dialect == nil { begin(reply) } else { take(reply) }
            }
        } catch {
            return end("its answer cannot be understood: \(error.text)")
        }
        guard socket != nil, dialect != nil else { return }
        noteProgress(at: NodeClock.nanoseconds())
        attend()
        send()
    }

    /// What it has said to `mn`. Before 1.6 there are meta commands of another syntax, which say `EN`.
    private func begin(_ reply: PredecessorReply) {
        switch reply {
        case .noop: dialect = .meta
        case .unknownCommand, .missing: dialect = .classic
        case .refusal(let text): return end("it says '\(text)'")
        case .item, .tooLong, .done: return end("it does not speak memcached's protocol")
        }
        predecessor.state.withLock { $0.books[number].connected() }
        tell(
            dialect == .meta
                ? "is there"
                : "is there, and too old to tell how long its items have to live: they get "
                    + "\(predecessor.configuration.unknownSeconds) seconds", isTrouble: false)
        attend()
    }

    private func take(_ reply: PredecessorReply) {
        guard firstUnanswered < unanswered.count else { return end("it answers unasked") }
        let question = unanswered[firstUnanswered]
        let released: [Settlement]
        switch (question.order, reply) {
        case (.ask, .item(let item)) where isTimeUnclear(of: item, question):
            askAgain(question)
            released = []
        case (.ask(let key), .item(let item)): released = found(key, item)
        case (.ask(let key), .tooLong): released = found(key, nil)
        case (.ask(let key), .missing):
            released = predecessor.state.withLock {
                $0.counts.misses += 1
                return $0.books[number].missing(key)
            }
        case (.clear(let key), .done), (.clear(let key), .missing):
            released = predecessor.state.withLock {
                $0.counts.cleared += 1
                return $0.books[number].missing(key)
            }
        case (.flush, .done): released = predecessor.state.withLock { $0.books[number].flushed() }
        case (.ask(let key), .refusal(let text)) where text.hasPrefix("CLIENT_ERROR"),
            (.clear(let key), .refusal(let text)) where text.hasPrefix("CLIENT_ERROR"):
            // No item there can have such a key.
            released = predecessor.state.withLock { $0.books[number].missing(key) }
        case (_, .refusal(let text)): return end("it says '\(text)'")
        default: return end("it has answered something else than it was asked")
        }
        firstUnanswered += 1
        if firstUnanswered == unanswered.count {
            unanswered.removeAll(keepingCapacity: true)
            firstUnanswered = 0
        } else if firstUnanswered > 4_096 {
            unanswered.removeFirst(firstUnanswered)
            firstUnanswered = 0
        }
        for settlement in released { settlement.endOne() }
    }

    /// Seconds that are left are counted from the moment of the answer, which is known only as one between question and reply. If a
    /// second of this clock ends there, the item's end would be more than one second off.
    private func isTimeUnclear(of item: PredecessorReply.Item, _ question: Question) -> Bool {
        guard case .seconds = item.time, !item.isStale, question.repeatCount < Self.repeatCountMax
        else { return false }
        return space.clock.isSecondOver(between: question.began, and: NodeClock.nanoseconds())
    }

    private func askAgain(_ question: Question) {
        let now = NodeClock.nanoseconds()
        unanswered.append(
            Question(
                order: question.order, began: now, repeatCount: question.repeatCount + 1))
        append(question.order, in: .meta, at: now)
    }

    /// - Parameter item: none if it is too long to be stored here.
    private func found(_ key: [UInt8], _ item: PredecessorReply.Item?) -> [Settlement] {
        let now = space.clock.now()
        return predecessor.state.withLock { state in
            state.counts.hits += 1
            state.counts.lastHitNanoseconds = NodeClock.nanoseconds()
            var outcome = PredecessorBook.Storing.superseded
            let released = state.books[number].found(key) {
                outcome = item.map { store(key, $0, now: now) } ?? .impossible
                return outcome
            }
            switch outcome {
            case .stored: state.counts.stored += 1
            case .superseded: state.counts.superseded += 1
            case .impossible: state.counts.notStored += 1
            }
            return released
        }
    }

    private func store(
        _ key: [UInt8], _ item: PredecessorReply.Item, now: Moment
    ) -> PredecessorBook.Storing {
        // Somebody there was to make it anew.
        if item.isStale { return .superseded }
        let deadline: Deadline =
            switch item.time {
            case .never: .never
            // The last second has begun.
            case .seconds(let seconds): .at(UInt64(now.seconds) + UInt64(max(seconds, 1)))
            case .unknown:
                .at(UInt64(now.seconds) + UInt64(predecessor.configuration.unknownSeconds))
            }
        var request = StoreRequest(
            mode: .add, clientFlags: item.clientFlags, deadline: deadline)
        if item.casUnique != 0 { request.casUnique = item.casUnique }
        request.hasEncodedKey = !Self.isText(key)
        switch space.map.store(
            key.span, request, value: item.value.span, now: now.seconds, fraction: now.fraction)
        {
        case .stored:
            if item.wasFetched {
                space.map.prove(key.span, now: now.seconds, fraction: now.fraction)
            }
            return .stored
        case .notStored, .exists, .notFound: return .superseded
        case .tooLarge, .outOfMemory: return .impossible
        }
    }

    private func noteProgress(at now: UInt64) {
        let isFast =
            firstUnanswered == unanswered.count
            || unanswered[firstUnanswered].began + predecessor.timeoutNanoseconds / 2 > now
        let wasLate = predecessor.state.withLock { state in
            let wasLate = state.books[number].isLate
            if isFast, wasLate { state.books[number].catchUp() }
            return wasLate
        }
        guard wasLate || told.hasPrefix("is slow") else { return }
        tell(isFast ? "is there" : "is slow: nobody waits for it at the moment", isTrouble: !isFast)
    }
}
