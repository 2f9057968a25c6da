#if DEBUG || Fuzzing
    import TestSupport

    extension FrameRecord {
        /// At which something changes.
        private static let numbers: [UInt64] = [
            0, 1, 2, 3, 5, 6, 7, 250, 251, 255, 512, 513, 4_095, 4_096, 0xFFFF, 1 << 31,
            0xFFFF_FFFE, 0xFFFF_FFFF, 1 << 61, 1 << 62 - 1, 1 << 62, .max - 1 << 14, .max,
        ]

        private static func number(_ byteCount: Int, using generator: inout SeededGenerator)
            -> [UInt8]
        {
            Array(littleEndian(numbers.randomElement(using: &generator) ?? 0).prefix(byteCount))
        }

        /// A field of the header: type, flags, hops, sequence or round.
        mutating func changeField(using generator: inout SeededGenerator) {
            guard isWhole else { return }
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: header[4] = UInt8.random(in: 4...26, using: &generator)
            case 1:
                header[4] = FrameEvent.allCases.randomElement(using: &generator)?.rawValue ?? 0
            case 2: header[6] = Self.number(1, using: &generator)[0]
            case 3:
                let place = Bool.random(using: &generator) ? 8 : 12
                header.replaceSubrange(
                    place..<place + 4, with: Self.number(4, using: &generator))
            default:
                let place = Int.random(in: 5..<Self.headerByteCount, using: &generator)
                header[place] = Self.number(1, using: &generator)[0]
            }
        }

        /// A field of the body, wherever one may be, or its end; the header announces what is there then.
        mutating func changeBody(using generator: inout SeededGenerator) {
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: body += randomBytes(atMost: 12, using: &generator)
            case 1: body.removeLast(min(body.count, Int.random(in: 1...12, using: &generator)))
            default:
                let byteCount = [1, 1, 2, 4, 8].randomElement(using: &generator) ?? 1
                guard body.count >= byteCount else { return }
                let place = Int.random(in: 0...body.count - byteCount, using: &generator)
                body.replaceSubrange(
                    place..<place + byteCount, with: Self.number(byteCount, using: &generator))
            }
            announce()
        }
    }

    /// Changes what members send: its frames and what happens beside them, their fields and bodies, with lengths
    /// that are right again, but for some.
    func mutateFrames(of input: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
        var records = FrameRecord.all(in: Array(input.dropFirst(2)))
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            guard !records.isEmpty, Bool.random(using: &generator) else {
                rearrange(&records, using: &generator) { randomFrameRecord(using: &$0) }
                continue
            }
            let place = Int.random(in: 0..<records.count, using: &generator)
            switch Int.random(in: 0..<8, using: &generator) {
            case 0: records[place].announce(wrongBy: Int.random(in: -2...2, using: &generator))
            case 1...4: records[place].changeBody(using: &generator)
            default: records[place].changeField(using: &generator)
            }
        }
        return Array(input.prefix(2)) + records.flatMap(\.bytes)
    }
#endif
