#if DEBUG || Fuzzing
    import MemcacheProtocol
    import SessionMap
    import Synchronization
    import TestSupport

    @testable import CacheNode

    /// A node without sockets, threads and timers: what a worker and its sockets do with a connection,
    /// done in a function call. Its clock stands still unless it is moved.
    final class InProcessNode {
        let context: NodeContext
        /// One for each space; connections come by the first unless another is named.
        let listeners: [ListenerIdentity]
        let pool = BufferPool()
        private let cuts: Cuts
        private var connections: [InProcessPeer] = []

        init(
            _ configuration: NodeConfiguration = .small, cuts: Cuts = .whole, spaceCount: Int = 1,
            workerCount: Int = 1, authentication: NodeAuthentication? = nil
        ) throws {
            var configuration = configuration
            configuration.threadCount = workerCount
            self.cuts = cuts
            let spaces = try (0..<spaceCount).map { number in
                let clock = NodeClock()
                clock.pause()
                var space = configuration.space
                if number > 0 { space.name = "space\(number)" }
                return Space(
                    space,
                    map: try SessionMap(
                        space.map,
                        now: clock.now().seconds),
                    clock: clock, workerCount: workerCount, authentication: authentication)
            }
            let rules = configuration.space.listener
            listeners = spaces.map {
                ListenerIdentity(space: $0, rules: rules, isUnixSocket: false)
            }
            context = NodeContext(configuration: configuration, spaces: spaces)
        }

        var listener: ListenerIdentity { listeners[0] }
        var space: Space { listener.space }
        var map: SessionMap { space.map }
        var worker: WorkerRecord { context.workers[0] }
        var now: Moment { space.clock.now() }

        func count(_ counter: Counter) -> UInt64 { space.counters[0].value(counter) }

        /// Its descriptor is a number that no socket has.
        func makeConnection(by listener: ListenerIdentity? = nil) -> Connection {
            let descriptor = 1_000_000 + Int32(connections.count)
            let login = (listener ?? self.listener).space.authentication.map {
                Login($0, descriptor: descriptor, now: now)
            }
            return Connection(
                context: context, listener: listener ?? self.listener, worker: worker, pool: pool,
                now: now, descriptor: descriptor, login: login)
        }

        func open(cuts: Cuts? = nil, by listener: ListenerIdentity? = nil) -> InProcessPeer {
            (listener ?? self.listener).space.acceptance.openCount.add(1, ordering: .relaxed)
            let peer = InProcessPeer(node: self, cuts: cuts ?? self.cuts, listener: listener)
            peer.connection.counters.add(.totalConnections)
            connections.append(peer)
            return peer
        }

        /// Sends an input on a fresh connection and reads until nothing more comes.
        func reply(to input: [UInt8], cuts: Cuts? = nil) throws -> [UInt8] {
            let peer = open(cuts: cuts)
            try peer.send(input)
            try peer.receiveAll()
            return peer.received
        }

        func reply(to input: String) throws -> String {
            String(decoding: try reply(to: Array(input.utf8)), as: UTF8.self)
        }

        /// What workers do for what waits, at the end of a turn and when they are woken up; until there is
        /// nothing more to do.
        func attendWaits() throws {
            while true {
                space.locks?.callNext()
                let resumptions = worker.takeResumptions()
                if resumptions.isEmpty { return }
                for resumption in resumptions { try resume(resumption.ticket, resumption.ending) }
            }
        }

        /// Lets whoever waits under a ticket end, as a worker does it.
        func resume(_ ticket: Ticket, _ ending: WaitEnding) throws {
            guard let peer = connections.first(where: { $0.descriptor == ticket.descriptor }) else {
                return
            }
            try peer.resume(ticket, ending)
        }
    }

    extension InProcessNode: TranscriptNode {
        func connect() -> InProcessPeer { open() }

        // It stands still already.
        func pauseClock(through control: InProcessPeer) {}

        func advanceClock(seconds: Int, through control: InProcessPeer) {
            space.clock.advance(seconds: Int64(seconds))
            // As a worker does it, but not to the end: what is over must be over before it is removed.
            for shard in 0..<map.shardCount {
                for _ in 0..<8 where map.maintain(shard: shard, now: now.seconds, itemBudget: 64) {}
            }
        }

        func problem() -> String? {
            if let sentence = map.brokenInvariants().first {
                return "a broken invariant: \(sentence)"
            }
            return pool.lentCount == 0 ? nil : "\(pool.lentCount) buffers are held at the end"
        }
    }

    /// A peer of an in-process node: it takes replies only when it wants more, as a network without
    /// buffers would.
    final class InProcessPeer: TranscriptPeer {
        private unowned let node: InProcessNode
        private let cuts: Cuts
        let connection: Connection
        /// Sent and not received by the connection yet, in the pieces in which it arrives.
        private var arriving: [ArraySlice<UInt8>] = []
        private var arrivedCount = 0
        private var hasEndedSending = false
        /// The conversation is over, but for what is owed.
        private var isClosing = false
        /// What `run` said last.
        private(set) var turn = Connection.Turn.needsInput
        var received: [UInt8] = []

        private static let bytesPerReceive = 256 << 10

        init(node: InProcessNode, cuts: Cuts, listener: ListenerIdentity? = nil) {
            self.node = node
            self.cuts = cuts
            connection = node.makeConnection(by: listener)
        }

        var hasEnded: Bool { isClosing && connection.output.isEmpty }

        /// Whether what is sent reaches the connection.
        var takesBytes: Bool { !isClosing }

        /// A number that no socket has.
        var descriptor: Int32 { connection.record.descriptor }

        func resume(_ ticket: Ticket, _ ending: WaitEnding) throws {
            guard connection.resume(ticket, ending, now: node.now) else { return }
            try work()
        }

        /// The connection has gone.
        func close() {
            connection.giveUp()
            isClosing = true
        }

        func send(_ bytes: [UInt8]) throws {
            guard !isClosing else { return }
            var cuts = cuts
            // Byte by byte a large value takes minutes and shows nothing more.
            if case .pieces(let size) = cuts, bytes.count > 20_000 {
                cuts = .pieces(byteCount: max(size, 1_021))
            }
            var start = 0
            for length in cuts.lengths(of: bytes.count) {
                arriving.append(bytes[start..<(start + length)])
                start += length
            }
            try work()
        }

        func endSending() throws {
            hasEndedSending = true
            try work()
        }

        func receive(isUnexpected: Bool) throws -> Bool {
            // A watcher may have something to tell by now.
            if connection.output.isEmpty { try work() }
            guard !connection.output.isEmpty else { return false }
            pull(Self.bytesPerReceive)
            try work()
            return true
        }

        /// Throws when the connection takes no more of what arrives, and does not go on without.
        func receiveAll() throws {
            while try receive(isUnexpected: false) {}
        }

        /// Takes at most so many bytes of the replies, and lets the node go on.
        func receivePart(of byteCount: Int) throws -> Bool {
            guard !connection.output.isEmpty else { return false }
            pull(byteCount)
            try send([])
            return true
        }

        /// Takes at most `limit` bytes of the replies.
        func pull(_ limit: Int) {
            var left = limit
            connection.output.send { pieces in
                let all =
                    switch pieces {
                    case .one(let bytes): [bytes]
                    case .several(let several): several
                    }
                var taken = 0
                for piece in all {
                    let count = min(piece.count, left)
                    received.append(contentsOf: piece[..<count])
                    left -= count
                    taken += count
                }
                return taken
            }
            connection.counters.add(.bytesWritten, limit - left)
        }

        /// What a worker does for a socket: turns, and receiving between them.
        private func work() throws {
            let tally = connection.space.requests[0]
            defer { if tally.hasAny { tally.finishTurn(nanoseconds: 0) } }
            while !isClosing {
                turn = connection.run(
                    commandLimit: node.context.rules.commandsPerTurn, now: node.now)
                switch turn {
                case .yielded, .rested: continue
                case .outputFull: return
                case .close: isClosing = true
                case .waiting:
                    connection.input.releaseIfEmpty()
                    if !connection.input.isFull, try receivePiece() { continue }
                    return
                case .needsInput, .watching:
                    connection.input.releaseIfEmpty()
                    if try receivePiece() { continue }
                    // A watcher is told what happens all the same.
                    guard hasEndedSending, turn != .watching else { return }
                    isClosing = true
                }
            }
            dropArriving()
            connection.input.use(connection.input.count)
            connection.input.releaseIfEmpty()
        }

        private func dropArriving() {
            arriving.removeAll()
            arrivedCount = 0
        }

        private struct NoRoom: Error {}

        private func receivePiece() throws -> Bool {
            guard arrivedCount < arriving.count else {
                dropArriving()
                return false
            }
            let piece = arriving[arrivedCount]
            let direct = connection.directTarget
            let directCount = min(direct.count, piece.count)
            direct.copyBytes(from: piece.prefix(directCount))
            var bufferedCount = 0
            if directCount < piece.count {
                let room = connection.input.room()
                bufferedCount = min(room.count, piece.count - directCount)
                room.copyBytes(from: piece.dropFirst(directCount).prefix(bufferedCount))
            }
            let count = directCount + bufferedCount
            guard count > 0 else { throw NoRoom() }
            if count < piece.count {
                arriving[arrivedCount] = piece.dropFirst(count)
            } else {
                arrivedCount += 1
            }
            connection.noteReceived(direct: directCount, buffered: bufferedCount, now: node.now)
            return true
        }
    }

    extension NodeConfiguration {
        /// Little memory, so that many nodes can be made. They show keys.
        static var small: NodeConfiguration {
            var configuration = NodeConfiguration()
            configuration.memoryByteCount = 4 << 20
            configuration.showsKeys = true
            return configuration
        }
    }

    /// The bytes of a text.
    func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A data block's value that shows where a byte is missing or moved.
    func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var generator = SeededGenerator(seed: seed)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) }
        }
        return Array(bytes.prefix(count))
    }

    /// `set KEY 0 0 N` and the data block.
    func setCommand(_ key: String, _ value: [UInt8], verb: String = "set") -> [UInt8] {
        bytes("\(verb) \(key) 0 0 \(value.count)\r\n") + value + bytes("\r\n")
    }

    /// What `get` answers for one key that is there, without the END.
    func valueReply(_ key: String, _ value: [UInt8]) -> [UInt8] {
        bytes("VALUE \(key) 0 \(value.count)\r\n") + value + bytes("\r\n")
    }
#endif
