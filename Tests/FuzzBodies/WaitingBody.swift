#if DEBUG || Fuzzing
    import SessionMap
    import TestSupport

    @testable import CacheNode
    @testable import NodeStage

    /// Takes any bytes as what happens to a node with locks and to five of its peers: commands, whole and in
    /// parts, time that passes, peers that hang up or end their sending, and calls that come late. Returns
    /// what is wrong.
    ///
    /// The first byte's lowest bit restricts the commands to `add` and `delete`. Then of each lock there must
    /// never be more than one holder.
    func checkWaiting(_ input: [UInt8]) -> String? {
        do {
            var run = try WaitingRun(isPlain: (input.first ?? 0) & 1 == 0)
            var reader = FuzzReader(bytes: Array(input.dropFirst()))
            while !reader.isAtEnd {
                if let problem = try run.step(&reader) { return problem }
            }
            return try run.finish()
        } catch {
            return "\(error)"
        }
    }

    private struct WaitingRun {
        private let node: InProcessNode
        private let isPlain: Bool
        private var peers: [InProcessPeer] = []
        /// Waits that may have ended since: whoever is called by their tickets is called late.
        private var tickets: [Ticket] = []
        /// By peer: the locks of its plain commands that have no reply yet.
        private var asked = [[Int]](repeating: [], count: peerCount)
        /// By lock: how often it was got, less how often it was given back.
        private var holderCounts = [0, 0]

        private static let peerCount = 5

        init(isPlain: Bool) throws {
            var configuration = NodeConfiguration.small
            configuration.memoryByteCount = 1 << 20
            configuration.locks.keys = ["lock.", "*.lock"].compactMap { LockKeys($0) }
            configuration.locks.waiterCountMaxPerKey = 3
            node = try InProcessNode(configuration)
            self.isPlain = isPlain
            for _ in 0..<Self.peerCount { peers.append(node.open()) }
        }

        private static let plainCommands = [
            "add lock.0 0 0 1\r\n1\r\n", "delete lock.0\r\n", "add lock.1 0 0 1\r\n1\r\n",
            "delete lock.1\r\n",
        ]

        private static let commands: [[UInt8]] =
            [
                "add lock.0 0 2 1\r\n1\r\n", "ms lock.0 1 ME T1\r\n1\r\n", "delete lock.0\r\n",
                "md lock.0 q\r\n", "set lock.0 0 0 1\r\n0\r\n", "flush_all\r\n", "get lock.0\r\n",
                "incr s.lock 1\r\nadd s.lock 0 15 1\r\n1\r\nget s\r\n",
                "set s.lock 0 15 1\r\n0\r\n",
                "add s.lock 0 1 1 noreply\r\n1\r\n", "touch lock.0 1\r\n", "mn\r\n",
                "decr s.lock 1\r\n",
                "ma s.lock N15 J1 v\r\n", "delete s.lock\r\nmn\r\n", "add lock.0 0 0 600\r\n",
                "ms lock.0 1 ME q k O1\r\n1\r\n", "add lock.", "0 0 0 1\r\n", "1\r\n", "quit\r\n",
                "append s.lock 0 0 1\r\n1\r\n", "cas lock.0 0 0 1 1\r\n1\r\n", "flush_all 1\r\n",
            ].map { Array($0.utf8) } + [
                BinaryPacket.store(0x02, "lock.0", [49]), BinaryPacket.store(0x12, "lock.0", [49]),
                BinaryPacket(0x04, key: "lock.0").bytes, BinaryPacket(0x0a).bytes,
                Array(BinaryPacket.store(0x02, "s.lock", [49]).prefix(30)),
            ]

        mutating func step(_ reader: inout FuzzReader) throws -> String? {
            let word = reader.byte()
            let place = Int(word >> 4) % Self.peerCount
            switch word & 15 {
            case 0...7: try send(Int(reader.byte()), by: place)
            case 8: try node.attendWaits()
            case 9, 10: try end(place, .ready)
            case 11: try end(place, .overdue)
            case 12:
                peers[place].close()
                if !isPlain { peers[place] = node.open() }
            case 13: if !isPlain { try peers[place].endSending() }
            case 14:
                if !isPlain { node.advanceClock(seconds: Int(word >> 4), through: peers[place]) }
            default: if !tickets.isEmpty { try node.resume(tickets[place % tickets.count], .ready) }
            }
            if let waiting = peers[place].connection.state.waiting {
                tickets.append(waiting.ticket)
            }
            return try take()
        }

        private mutating func send(_ number: Int, by place: Int) throws {
            if isPlain {
                let kind = number % Self.plainCommands.count
                let bytes = Array(Self.plainCommands[kind].utf8)
                if peers[place].takesBytes { asked[place].append(kind / 2) }
                let cut = number / 4 % bytes.count
                try peers[place].send(Array(bytes[..<cut]))
                try peers[place].send(Array(bytes[cut...]))
            } else {
                try peers[place].send(Self.commands[number % Self.commands.count])
            }
        }

        private func end(_ place: Int, _ ending: WaitEnding) throws {
            guard let waiting = peers[place].connection.state.waiting else { return }
            try node.resume(waiting.ticket, ending)
        }

        /// Takes what has been answered, and counts who has which lock.
        private mutating func take() throws -> String? {
            if tickets.count > 20 { tickets.removeFirst(10) }
            for (place, peer) in peers.enumerated() {
                try peer.receiveAll()
                defer { peer.received = [] }
                guard isPlain else { continue }
                for line in peer.received.split(separator: 10) {
                    guard !asked[place].isEmpty else { return "a reply to nothing" }
                    let lock = asked[place].removeFirst()
                    switch line.first {
                    case UInt8(ascii: "S"): holderCounts[lock] += 1
                    case UInt8(ascii: "D"): holderCounts[lock] -= 1
                    case UInt8(ascii: "N"): break
                    default: return "a reply of another kind: \(printable(line))"
                    }
                }
            }
            return holderCounts.allSatisfy { (0...1).contains($0) }
                ? nil : "\(holderCounts) holders"
        }

        /// Everybody hangs up.
        mutating func finish() throws -> String? {
            let counts = { [node] in node.space.locks?.counts ?? LockQueues.Counts() }
            guard counts().waiting == peers.count(where: { $0.connection.state.waiting != nil })
            else {
                return "\(counts().waiting) wait"
            }
            for peer in peers { peer.close() }
            try node.attendWaits()
            let found = counts()
            guard found.waiting == 0,
                found.waits == found.handOvers + found.timeouts + found.cancellations
            else { return "\(found)" }
            if let sentence = node.map.brokenInvariants().first { return sentence }
            return nil
        }
    }
#endif
