#if DEBUG || Fuzzing
    import MemcacheProtocol
    import SessionMap
    import TestSupport

    @testable import CacheNode
    @testable import NodeStage

    /// What a connection has answered to all that it was sent.
    struct Answers: Equatable {
        var replies: [UInt8]
        var hasEnded: Bool
    }

    /// A node's connection broke a promise.
    struct BrokenPromise: Error {
        var text: String
        init(_ text: String) { self.text = text }
    }

    /// Holds a conversation of one connection. Throws when memory is not within its bounds, or items do not
    /// hold together.
    func converse(
        _ input: [UInt8], cuts: Cuts, _ configuration: NodeConfiguration
    ) throws -> Answers {
        let node = try InProcessNode(configuration)
        let peer = node.open(cuts: cuts)
        try peer.send(input)
        while try peer.receivePart(of: 100_000) {
            let pending = peer.connection.output.pendingByteCount
            guard pending < OutputBuffer.highWaterByteCount + (2 << 20) else {
                throw BrokenPromise("\(pending) bytes of replies wait")
            }
        }
        guard peer.connection.input.capacity <= ProtocolLimits.retrievalLineByteCountMax else {
            throw BrokenPromise("an input buffer of \(peer.connection.input.capacity) bytes")
        }
        guard node.pool.lentCount <= 1 else {
            throw BrokenPromise("\(node.pool.lentCount) buffers")
        }
        if let sentence = node.map.brokenInvariants().first { throw BrokenPromise(sentence) }
        return Answers(replies: peer.received, hasEnded: peer.hasEnded)
    }

    extension NodeConfiguration {
        /// For conversations that evict nothing.
        static var conversation: NodeConfiguration {
            var configuration = NodeConfiguration.small
            configuration.memoryByteCount = 16 << 20
            return configuration
        }
    }

    /// Holds a conversation several times, cut in several ways. The answers must be the same each time.
    /// Returns what is wrong.
    func checkConversation(
        _ input: [UInt8], cuts: [Cuts], _ configuration: NodeConfiguration = .conversation
    ) throws -> String? {
        var whole: Answers?
        for cut in [Cuts.whole] + cuts {
            let answers: Answers
            do {
                answers = try converse(input, cuts: cut, configuration)
            } catch let broken as BrokenPromise {
                return "\(cut): \(broken.text)"
            }
            guard answers == whole ?? answers else {
                return
                    "\(cut): \(printable(answers.replies))\n"
                    + "      whole: \(printable(whole?.replies ?? []))"
            }
            whole = answers
        }
        return nil
    }

    /// The same of binary requests: nothing but whole replies besides.
    func checkPackets(_ input: [UInt8], cuts: [Cuts]) throws -> String? {
        if let problem = try checkConversation(input, cuts: cuts) { return problem }
        return wholePackets(
            of: input, in: try converse(input, cuts: .whole, .conversation).replies)
    }

    private func wholePackets(of input: [UInt8], in replies: [UInt8]) -> String? {
        input.first != 0x80 || BinaryReplyPacket.all(in: replies) != nil
            ? nil : "no replies: \(printable(replies))"
    }

    /// A conversation as a fuzzer keeps it: two bytes that choose the node and how the rest is cut, then the
    /// bytes that are sent, of which `0xFF n` stands for a run: so large values are small inputs.
    struct ConversationInput {
        private let choice: UInt8
        private let place: UInt8
        let sent: [UInt8]

        init(_ input: [UInt8]) {
            choice = input.first ?? 0
            place = input.dropFirst().first ?? 0
            sent = Self.unpacked(input.dropFirst(2))
        }

        /// Bytes that a run stands for: 0 is the byte `0xFF` itself.
        static func runByteCount(_ operand: UInt8) -> Int {
            operand < 128 ? Int(operand) : Int(operand - 127) * 8_192
        }

        static let escape: UInt8 = 0xFF
        private static let byteCountMax = 3 << 20

        private static func unpacked(_ input: ArraySlice<UInt8>) -> [UInt8] {
            var sent: [UInt8] = []
            var isEscaped = false
            for byte in input where sent.count < byteCountMax {
                if isEscaped {
                    isEscaped = false
                    let count = runByteCount(byte)
                    sent += count == 0 ? [escape] : numbersInLines(count)
                } else if byte == escape {
                    isEscaped = true
                } else {
                    sent.append(byte)
                }
            }
            return sent
        }

        /// Without runs, but for long ones, which become short.
        static func packed(_ sent: [UInt8]) -> [UInt8] {
            sent.prefix(3_000).flatMap { $0 == escape ? [escape, 0] : [$0] }
        }

        var cuts: Cuts {
            let isLarge = sent.count > 20_000
            return switch choice & 3 {
            case 0: .pieces(byteCount: isLarge ? 997 : 1)
            case 1: .random(seed: UInt64(place))
            case 2: .once(at: sent.count * Int(place) / 256)
            default: .pieces(byteCount: Int(place) + (isLarge ? 1_000 : 2))
            }
        }

        var configuration: NodeConfiguration {
            var configuration = NodeConfiguration.conversation
            configuration.assignsCASUniques = choice & 4 == 0
            configuration.showsKeys = choice & 8 == 0
            if choice & 16 != 0 { configuration.locks.keys = [LockKeys("b")].compactMap { $0 } }
            if choice & 32 != 0 { configuration.itemByteCountMax = 2_048 }
            if choice & 64 != 0 { configuration.exptimeRule = .classic }
            if choice & 128 != 0 {
                configuration.isFlushAllowed = false
                configuration.tracksSizes = true
            }
            return configuration
        }
    }

    /// What tells of times, counts of pieces, or the process: it is not the same twice.
    private let changingWords: [[UInt8]] = [
        "stat", "watch", "dump", "debugtime", "shutdown", "crawl",
    ].map { Array($0.utf8) }

    func checkConversationInput(_ bytes: [UInt8]) -> String? {
        let input = ConversationInput(bytes)
        let isTelling = changingWords.contains { holds(input.sent, $0) }
        return check(input, comparing: !isTelling && hasServableLines(input.sent))
    }

    /// A longer line is given up when it arrives in parts, and served when it does not.
    private func hasServableLines(_ sent: [UInt8]) -> Bool {
        sent.first == 0x80
            || sent.split(separator: UInt8(ascii: "\n"))
                .allSatisfy { $0.count < ProtocolLimits.unfinishedLineByteCountMax }
    }

    func checkPacketInput(_ bytes: [UInt8]) -> String? {
        let input = ConversationInput(bytes)
        let isTelling = holds(input.sent, [0x80, 0x10])
        let isComparable = !isTelling && hasServableLines(input.sent)
        if let problem = check(input, comparing: isComparable) { return problem }
        guard let answers = try? converse(input.sent, cuts: .whole, input.configuration) else {
            return "no answers"
        }
        return wholePackets(of: input.sent, in: answers.replies)
    }

    private func holds(_ bytes: [UInt8], _ word: [UInt8]) -> Bool {
        var rest = bytes[...]
        while let start = rest.firstIndex(of: word[0]) {
            rest = rest[start...]
            if rest.starts(with: word) { return true }
            rest = rest.dropFirst()
        }
        return false
    }

    /// How long a date is away depends on when it is asked for, so what differs has to do so again.
    private func check(_ input: ConversationInput, comparing: Bool) -> String? {
        var problem: String?
        for _ in 0..<3 {
            do {
                problem = try checkConversation(
                    input.sent, cuts: comparing ? [input.cuts] : [], input.configuration)
                if problem == nil, !comparing {
                    _ = try converse(input.sent, cuts: input.cuts, input.configuration)
                }
            } catch {
                return "\(error)"
            }
            if problem == nil { return nil }
        }
        return problem
    }
#endif
