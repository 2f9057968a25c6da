#if DEBUG || Fuzzing
    import TestSupport

    /// Some requests of any kind, with keys that meet, and now and then a wrong one.
    func randomPackets(using generator: inout SeededGenerator) -> [UInt8] {
        let count = Int.random(in: 1...40, using: &generator)
        return (0..<count).flatMap { _ in randomPacket(using: &generator) }
    }

    func randomPacket(using generator: inout SeededGenerator) -> [UInt8] {
        let keys = ["a", "b", "c", "a b", "n", "\r\n", String(repeating: "k", count: 250)]
        let key = keys.randomElement(using: &generator) ?? "a"
        var packet = BinaryPacket(
            0, key: key, opaque: UInt32.random(in: 0...9, using: &generator),
            casUnique: Int.random(in: 0..<5, using: &generator) == 0
                ? UInt64.random(in: 0...6, using: &generator) : 0)
        let exptimes: [UInt32] = [0, 0, 0, 1, 100, 2_678_400, 1_000_000_000, 0xffff_ffff]
        let exptime = bigEndian(exptimes.randomElement(using: &generator) ?? 0)
        let counts = [0, 1, 2, 10, 500, 16_340, 16_352, 20_000, 40_000, 600_000, 1_100_000]
        let bound = Int.random(in: 0..<6, using: &generator) == 0 ? counts.count : 5
        let value = [UInt8](
            repeating: UInt8(ascii: "7"),
            count: counts[Int.random(in: 0..<bound, using: &generator)])
        switch Int.random(in: 0..<16, using: &generator) {
        case 0...4:
            packet.opcode =
                [0x01, 0x02, 0x03, 0x11, 0x12, 0x13].randomElement(using: &generator) ?? 1
            packet.extras = bigEndian(UInt32(3)) + exptime
            packet.value = value
        case 5, 6:
            packet.opcode = [0x0e, 0x0f, 0x19, 0x1a].randomElement(using: &generator) ?? 0x0e
            packet.value = value
        case 7...9:
            packet.opcode = [0x00, 0x09, 0x0c, 0x0d].randomElement(using: &generator) ?? 0
        case 10:
            packet.opcode = [0x1c, 0x1d, 0x1e, 0x23, 0x24].randomElement(using: &generator) ?? 0x1c
            packet.extras = exptime
        case 11, 12:
            packet.opcode = [0x05, 0x06, 0x15, 0x16].randomElement(using: &generator) ?? 5
            packet.extras =
                bigEndian(UInt64.random(in: 0...20, using: &generator)) + bigEndian(UInt64(5))
                + exptime
        case 13: packet.opcode = [0x04, 0x14].randomElement(using: &generator) ?? 4
        case 14: return randomPlainPacket(using: &generator)
        default:
            packet.opcode = UInt8.random(in: 0x25 ... .max, using: &generator)
            packet.value = Array(value.prefix(100))
        }
        return spoiled(packet, using: &generator)
    }

    private func randomPlainPacket(using generator: inout SeededGenerator) -> [UInt8] {
        let opcode: UInt8 =
            [0x0a, 0x0b, 0x08, 0x18, 0x20].randomElement(using: &generator) ?? 0x0a
        return BinaryPacket(opcode, opaque: UInt32.random(in: 0...9, using: &generator)).bytes
    }

    /// One in thirty is wrong somewhere.
    private func spoiled(
        _ packet: BinaryPacket, using generator: inout SeededGenerator
    ) -> [UInt8] {
        var packet = packet
        guard Int.random(in: 0..<30, using: &generator) == 0 else { return packet.bytes }
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: packet.magic = UInt8.random(in: .min ... .max, using: &generator)
        case 1: packet.extras.append(0)
        case 2: packet.bodyByteCount = Int.random(in: 0...2_000, using: &generator)
        case 3: packet.keyByteCount = Int.random(in: 0...300, using: &generator)
        default:
            let count = Int.random(in: 1...60, using: &generator)
            return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        }
        return packet.bytes
    }
#endif
