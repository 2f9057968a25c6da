#if DEBUG || Fuzzing
    import TestSupport

    /// A binary request as a `ConversationInput` keeps it: 24 bytes, and what they announce.
    private struct FuzzPacket {
        var header: [UInt8]
        var body: [UInt8]

        var bytes: [UInt8] { ConversationInput.packed(header) + body }

        private static let headerByteCount = 24

        static func all(in input: [UInt8]) -> [FuzzPacket] {
            var packets: [FuzzPacket] = []
            var place = 0
            while place < input.count {
                let header = take(headerByteCount, of: input, from: &place)
                var packet = FuzzPacket(
                    header: ConversationInput([0, 0] + header).sent, body: [])
                packet.body = take(packet.announcedByteCount, of: input, from: &place)
                packets.append(packet)
            }
            return packets
        }

        /// As much of the input as stands for so many bytes, or for some more.
        private static func take(
            _ byteCount: Int, of input: [UInt8], from place: inout Int
        ) -> [UInt8] {
            let start = place
            var left = byteCount
            while left > 0, place < input.count {
                let isRun = input[place] == ConversationInput.escape && place + 1 < input.count
                left -= isRun ? max(1, ConversationInput.runByteCount(input[place + 1])) : 1
                place += isRun ? 2 : 1
            }
            return Array(input[start..<place])
        }

        private var isWhole: Bool { header.count >= Self.headerByteCount }

        private var announcedByteCount: Int {
            isWhole ? header[8..<12].reduce(0) { $0 << 8 | Int($1) } : 0
        }

        /// Announces as many bytes as the body has, or some that it has not.
        mutating func announce(wrongBy excess: Int) {
            guard isWhole else { return }
            let byteCount = ConversationInput([0, 0] + body).sent.count + excess
            header.replaceSubrange(8..<12, with: bigEndian(UInt32(truncatingIfNeeded: byteCount)))
        }

        /// A field of the header: opcode, lengths, opaque or CAS unique.
        mutating func changeField(using generator: inout SeededGenerator) {
            guard isWhole else { return }
            let opcodes = Array(0x00...0x26 as ClosedRange<UInt8>)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0, 1: header[1] = opcodes.randomElement(using: &generator) ?? 0
            case 2: header[3] = [0, 1, 2, 250, 251, 255].randomElement(using: &generator) ?? 0
            case 3: header[4] = [0, 4, 8, 20, 21, 255].randomElement(using: &generator) ?? 0
            case 4: header[23] = UInt8.random(in: 0...6, using: &generator)
            default:
                let place = Int.random(in: 0..<Self.headerByteCount, using: &generator)
                header[place] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &generator) ?? 0
            }
        }

        mutating func changeBody(using generator: inout SeededGenerator) {
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: body += randomBytes(atMost: 8, using: &generator).filter { $0 != 0xFF }
            case 1: body.removeLast(min(body.count, Int.random(in: 1...8, using: &generator)))
            case 2: body += [ConversationInput.escape, .random(in: 120...160, using: &generator)]
            default:
                guard let place = body.indices.randomElement(using: &generator) else { return }
                body[place] = [0, 1, 0x80, 0x30, 0x39].randomElement(using: &generator) ?? 0
            }
            announce(wrongBy: 0)
        }
    }

    /// Changes a binary conversation: its packets, their fields and bodies, with lengths that are right again,
    /// but for some.
    func mutatePackets(of input: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
        func random(_ generator: inout SeededGenerator) -> FuzzPacket {
            let bytes = ConversationInput.packed(randomPacket(using: &generator))
            return FuzzPacket.all(in: Array(bytes.prefix(600))).first
                ?? FuzzPacket(header: [], body: [])
        }
        var packets = FuzzPacket.all(in: input)
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            guard !packets.isEmpty, Bool.random(using: &generator) else {
                rearrange(&packets, using: &generator, making: random)
                continue
            }
            let place = Int.random(in: 0..<packets.count, using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: packets[place].announce(wrongBy: Int.random(in: -2...2, using: &generator))
            case 1, 2: packets[place].changeBody(using: &generator)
            default: packets[place].changeField(using: &generator)
            }
        }
        return packets.flatMap(\.bytes)
    }
#endif
