/// A binary request as a client sends it, or a wrong one: each length is the true one unless it is said
/// otherwise.
package struct BinaryPacket {
    package var magic: UInt8 = 0x80
    package var opcode: UInt8
    package var key: [UInt8]
    package var extras: [UInt8]
    package var value: [UInt8]
    package var opaque: UInt32
    package var casUnique: UInt64
    package var keyByteCount: Int?
    package var extrasByteCount: Int?
    package var bodyByteCount: Int?

    package init(
        _ opcode: UInt8, key: String = "", extras: [UInt8] = [], value: [UInt8] = [],
        opaque: UInt32 = 0, casUnique: UInt64 = 0
    ) {
        self.opcode = opcode
        self.key = Array(key.utf8)
        self.extras = extras
        self.value = value
        self.opaque = opaque
        self.casUnique = casUnique
    }

    /// All of it.
    package var bytes: [UInt8] {
        let keyByteCount = UInt16(truncatingIfNeeded: self.keyByteCount ?? key.count)
        let extrasByteCount = UInt8(truncatingIfNeeded: self.extrasByteCount ?? extras.count)
        let bodyByteCount = UInt32(
            truncatingIfNeeded: self.bodyByteCount ?? extras.count + key.count + value.count)
        var bytes = [magic, opcode]
        bytes += bigEndian(keyByteCount)
        bytes += [extrasByteCount, 0, 0, 0]
        bytes += bigEndian(bodyByteCount)
        bytes += bigEndian(opaque)
        bytes += bigEndian(casUnique)
        return bytes + extras + key + value
    }

    /// `set` and its like.
    package static func store(
        _ opcode: UInt8 = 0x01, _ key: String, _ value: [UInt8], clientFlags: UInt32 = 0,
        exptime: UInt32 = 0, opaque: UInt32 = 0, casUnique: UInt64 = 0
    ) -> [UInt8] {
        BinaryPacket(
            opcode, key: key, extras: bigEndian(clientFlags) + bigEndian(exptime), value: value,
            opaque: opaque, casUnique: casUnique
        ).bytes
    }
}

/// A number's bytes, the highest first.
package func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
}

/// One binary reply, taken apart.
package struct BinaryReplyPacket: Equatable, CustomStringConvertible {
    package var opcode: UInt8
    package var status: UInt16
    package var extras: [UInt8]
    package var key: [UInt8]
    package var value: [UInt8]
    package var opaque: UInt32
    package var casUnique: UInt64

    package init(
        opcode: UInt8, status: UInt16, extras: [UInt8] = [], key: [UInt8] = [],
        value: [UInt8] = [], opaque: UInt32 = 0, casUnique: UInt64 = 0
    ) {
        self.opcode = opcode
        self.status = status
        self.extras = extras
        self.key = key
        self.value = value
        self.opaque = opaque
        self.casUnique = casUnique
    }

    package var description: String {
        "0x\(String(opcode, radix: 16)) \(status) opaque \(opaque) cas \(casUnique) "
            + "[\(printable(extras))] [\(printable(key))] [\(printable(value))]"
    }

    /// The replies in `bytes`; nothing when these are anything else.
    package static func all(in bytes: [UInt8]) -> [BinaryReplyPacket]? {
        var packets: [BinaryReplyPacket] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let start = rest.startIndex
            func number(_ place: Int, _ count: Int) -> Int {
                rest[(start + place)..<(start + place + count)].reduce(0) { $0 << 8 | Int($1) }
            }
            guard rest.count >= 24, rest[start] == 0x81, rest[start + 5] == 0 else { return nil }
            let (keyCount, extrasCount, bodyCount) = (number(2, 2), number(4, 1), number(8, 4))
            guard rest.count >= 24 + bodyCount, keyCount + extrasCount <= bodyCount else {
                return nil
            }
            let key = start + 24 + extrasCount
            let value = key + keyCount
            let end = start + 24 + bodyCount
            packets.append(
                BinaryReplyPacket(
                    opcode: rest[start + 1], status: UInt16(number(6, 2)),
                    extras: Array(rest[(start + 24)..<key]), key: Array(rest[key..<value]),
                    value: Array(rest[value..<end]), opaque: UInt32(number(12, 4)),
                    casUnique: UInt64(bitPattern: Int64(number(16, 8)))))
            rest = rest[end...]
        }
        return packets
    }
}
