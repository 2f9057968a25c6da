import MemcacheProtocol

/// What a client is told whose change is refused, as this node hears no majority of the members: see `peers.partition`.
enum MinorityReply {
    /// - Parameter command: all of one, of either protocol.
    static func reply(to command: [UInt8]) -> [UInt8] {
        if let header = BinaryHeader(command.span) {
            return [UInt8](unsafeUninitializedCapacity: BinaryReply.errorByteCountMax) {
                room, count in
                var writer = ReplyWriter(UnsafeMutableRawBufferPointer(room))
                BinaryReply(
                    opcode: header.opcode, opaque: header.opaque, status: .temporaryFailure
                ).encodeError(to: &writer)
                count = writer.count
            }
        }
        return isSilent(command) ? [] : Array("\(ErrorReply.noMajority.line)".utf8)
    }

    /// A command that reads, and lets what it reads live for another time, without the latter: a page view goes on. Nil of
    /// any other.
    static func reading(of command: [UInt8], key: [UInt8]) -> [UInt8]? {
        if let header = BinaryHeader(command.span) {
            return Self.readings[header.opcode].map { packet($0, header, key: key) }
        }
        let words = command.prefix { $0 != 13 && $0 != 10 }.split(separator: 32)
        guard let verb = words.first else { return nil }
        switch String(decoding: verb, as: UTF8.self) {
        case "gat": return Array("get ".utf8) + key + [13, 10]
        case "gats": return Array("gets ".utf8) + key + [13, 10]
        case "mg":
            // Flags by which a miss makes an item, or a hit is somebody's to make anew.
            let changes = Set("NRE".utf8)
            let flags = words.dropFirst(2)
            guard flags.allSatisfy({ !changes.contains($0[$0.startIndex]) }) else { return nil }
            let rest = words.prefix(2) + flags.filter { $0[$0.startIndex] != UInt8(ascii: "T") }
            return Array(rest.joined(separator: [32])) + [13, 10]
        default: return nil
        }
    }

    /// By get and touch, of four kinds, the get.
    private static let readings: [UInt8: UInt8] = [0x1D: 0x00, 0x1E: 0x09, 0x23: 0x0C, 0x24: 0x0D]

    private static func packet(_ opcode: UInt8, _ header: BinaryHeader, key: [UInt8]) -> [UInt8] {
        let count = key.count
        let length = [UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
        let opaque = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: header.opaque >> $0) }
        return [BinaryHeader.requestMagic, opcode] + length + [0, 0, 0, 0, 0, 0] + length + opaque
            + [UInt8](repeating: 0, count: 8) + key
    }

    /// Whether its client reads no reply, whatever it is. Of meta commands errors are told.
    private static func isSilent(_ command: [UInt8]) -> Bool {
        let shape = CommandShape.of(command.span, isBinary: false, valueByteCountMax: .max)
        guard case .keyed(let keyed) = shape else { return false }
        let isMeta = command.count > 2 && command[0] == UInt8(ascii: "m") && command[2] == 32
        return keyed.isQuiet && !isMeta
    }
}
