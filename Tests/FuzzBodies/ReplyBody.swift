#if DEBUG || Fuzzing
    import MemcacheProtocol
    import NIOCore
    import TestSupport

    @testable import CacheNode
    @testable import SessionClient

    /// How an input is cut; it follows from the input, so that it is the same each time.
    private func cuts(of input: [UInt8]) -> Cuts {
        let choice = Int(input.last ?? 0) &+ input.count
        return choice & 1 == 0
            ? .pieces(byteCount: 1 + choice / 2 % 9) : .once(at: choice / 2 % (input.count + 1))
    }

    /// All that a decoder makes of an input which arrives in parts, and how it ends.
    private func decode<Decoder: NIOSingleStepByteToMessageDecoder>(
        _ input: [UInt8], _ cuts: Cuts, by decoder: Decoder
    ) -> (found: [Decoder.InboundOut], failure: (any Error)?) {
        let processor = NIOSingleStepByteToMessageProcessor(decoder)
        var found: [Decoder.InboundOut] = []
        do {
            var rest = ByteBuffer(bytes: input)
            for length in cuts.lengths(of: input.count) {
                let part = rest.readSlice(length: length) ?? ByteBuffer()
                try processor.process(buffer: part) { found.append($0) }
            }
            try processor.finishProcessing(seenEOF: true) { found.append($0) }
            return (found, nil)
        } catch {
            return (found, error)
        }
    }

    /// Takes any bytes as what a node answers: the same replies, and the same end, however they are cut.
    /// Returns what is wrong.
    func checkReplies(_ input: [UInt8]) -> String? {
        let whole = decode(input, .whole, by: NodeReplyDecoder(valueByteCountMax: 300))
        let cuts = cuts(of: input)
        let parts = decode(input, cuts, by: NodeReplyDecoder(valueByteCountMax: 300))
        guard whole.found == parts.found,
            whole.failure as? NodeReplyReader.Violation
                == parts.failure as? NodeReplyReader.Violation
        else { return "\(whole), and \(cuts): \(parts)" }
        if let failure = whole.failure, !(failure is NodeReplyReader.Violation) {
            return "another failure: \(failure)"
        }
        return checkPredecessor(input, cuts) ?? checkClassicLine(input)
    }

    /// The same of what a node reads of the memcached that it takes the place of.
    private func checkPredecessor(_ input: [UInt8], _ cuts: Cuts) -> String? {
        func read(_ cuts: Cuts) -> (found: [PredecessorReply], failure: String?) {
            var reader = PredecessorReplyReader(valueByteCountMax: 10)
            var found: [PredecessorReply] = []
            var start = 0
            do throws(PredecessorReplyReader.NotUnderstood) {
                for length in cuts.lengths(of: input.count) {
                    input[start..<(start + length)].withUnsafeBytes { reader.append($0) }
                    start += length
                    while let reply = try reader.next() { found.append(reply) }
                }
                return (found, nil)
            } catch {
                return (found, error.text)
            }
        }
        let whole = read(.whole)
        let parts = read(cuts)
        guard whole.found == parts.found, (whole.failure == nil) == (parts.failure == nil) else {
            return "of a predecessor: \(whole), and \(cuts): \(parts)"
        }
        let isTooLong = whole.found.contains {
            if case .item(let item) = $0 { item.value.count > 10 } else { false }
        }
        return isTooLong ? "of a predecessor: a value that is too long" : nil
    }

    /// The line of a classic reply names places within itself.
    private func checkClassicLine(_ input: [UInt8]) -> String? {
        let line = Array(input.prefix { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") })
        switch ReplyLine(line.span) {
        case .value(let key, _, let byteCount):
            return key.start > 5 && key.count > 0 && key.end <= line.count && byteCount >= 0
                ? nil : "a key at \(key)"
        case .metaValue(let byteCount, let start):
            return start <= line.count && byteCount >= 0 ? nil : "flags at \(start)"
        default: return nil
        }
    }

    /// Takes any bytes as what a node says of its cluster: the same however they are cut. Returns what is
    /// wrong.
    func checkConfiguration(_ input: [UInt8]) -> String? {
        let cuts = cuts(of: input)
        for subject in [ConfigSubject.cluster, .definition] {
            let whole = decode(input, .whole, by: ClusterConfigurationDecoder(subject: subject))
            let parts = decode(input, cuts, by: ClusterConfigurationDecoder(subject: subject))
            guard whole.found == parts.found,
                (whole.failure as? ClusterConfiguration.Mistake).map({ "\($0)" })
                    == (parts.failure as? ClusterConfiguration.Mistake).map({ "\($0)" })
            else { return "\(whole), and \(cuts): \(parts)" }
            if let failure = whole.failure, !(failure is ClusterConfiguration.Mistake) {
                return "another failure: \(failure)"
            }
            if whole.found.contains(where: { $0.version < 0 || $0.nodes.isEmpty }) {
                return "a cluster without nodes: \(whole.found)"
            }
        }
        return nil
    }

    /// Some replies to meta commands, and now and then something else.
    func randomReplies(using generator: inout SeededGenerator) -> [UInt8] {
        let codes = [
            "HD", "HD", "EN", "NF", "NS", "EX", "MN", "ME key exp=-1", "ERROR", "CLIENT_ERROR bad",
            "SERVER_ERROR: no", "VALUE k 0 1", "STORED", "hd", "",
        ]
        let flags = [
            "O0123456789abcdef", "O1", "c18446744073709551615", "c0", "f7", "f4294967296", "t-1",
            "t99999999999", "W", "Z", "X", "kfoo", "b", "s300", "h1", "l0", "c", "\u{0}",
        ]
        var replies: [UInt8] = []
        for _ in 0..<Int.random(in: 1...5, using: &generator) {
            var line = codes.randomElement(using: &generator) ?? ""
            var value: [UInt8]?
            if Int.random(in: 0..<3, using: &generator) == 0 {
                let bytes = randomBytes(atMost: 20, using: &generator)
                let excess = Int.random(in: 0..<8, using: &generator) == 0 ? 1 : 0
                line = "VA \(bytes.count + excess)"
                value = bytes
            }
            for _ in 0..<Int.random(in: 0...3, using: &generator) {
                line += " " + (flags.randomElement(using: &generator) ?? "")
            }
            replies += Array(line.utf8) + [13, 10]
            if let value { replies += value + [13, 10] }
        }
        return replies
    }

    /// What a node with a cluster answers, and now and then something else.
    func randomConfiguration(using generator: inout SeededGenerator) -> [UInt8] {
        let lists = [
            "a|b|1", "shop-1|10.0.0.1|11211 shop-2|10.0.0.2|11211", "|::1|11211", "a||65536 b|c|x",
            "a|b|-1\na|b|2", "||1", "\u{E9}|\u{1F600}|9", "",
        ]
        let isList = Bool.random(using: &generator)
        let version = ["1", "22", "0", "-1", "9223372036854775808", "x"]
            .randomElement(using: &generator)
        let text =
            isList
            ? lists.randomElement(using: &generator) ?? "" : randomDefinition(using: &generator)
        let body = "\(version ?? "")\n\(text)\n"
        let excess = Int.random(in: 0..<8, using: &generator) == 0 ? 1 : 0
        return Array(
            ("CONFIG \(isList ? "cluster" : "definition") 0 \(body.utf8.count + excess)\r\n"
                + "\(body)\r\nEND\r\n").utf8)
    }
#endif
