/// Binary packets in a transcript: `>b set k=a e4=7 e4=0 v=abc` sends a request, `<b get e4=7 v=abc` expects
/// a reply. Fields, in this order where they are there at all:
///
///     NAME or 0xNN         the opcode
///     status=N             of a reply; 0 unless it is said
///     cas=N cas={name}     8 bytes, captured as a number where it is not known; `cas={*}` is any
///     opaque=N
///     e4=N e8=N            extras, one number each
///     k=TEXT               the key, up to a space
///     v=TEXT               the value, up to the line's end
///
/// N is decimal, or hexadecimal with 0x. A wrong packet is written with `>>`.
struct TranscriptPacket {
    private static let opcodes: [String: UInt8] = [
        "get": 0x00, "set": 0x01, "add": 0x02, "replace": 0x03, "delete": 0x04,
        "increment": 0x05, "decrement": 0x06, "quit": 0x07, "flush": 0x08, "getq": 0x09,
        "noop": 0x0a, "version": 0x0b, "getk": 0x0c, "getkq": 0x0d, "append": 0x0e,
        "prepend": 0x0f, "stat": 0x10, "setq": 0x11, "addq": 0x12, "replaceq": 0x13,
        "deleteq": 0x14, "incrementq": 0x15, "decrementq": 0x16, "quitq": 0x17, "flushq": 0x18,
        "appendq": 0x19, "prependq": 0x1a, "verbosity": 0x1b, "touch": 0x1c, "gat": 0x1d,
        "gatq": 0x1e, "gatk": 0x23, "gatkq": 0x24, "listmechs": 0x20, "auth": 0x21, "step": 0x22,
    ]

    private var opcode: UInt8 = 0
    private var status: UInt16 = 0
    private var unique: Transcript.Segment = .literal(bigEndian(UInt64(0)))
    private var opaque: UInt32 = 0
    private var extras: [UInt8] = []
    private var key: [UInt8] = []
    private var value: [UInt8] = []

    /// The segments of a packet that is written as `text`; nothing when it is not understood.
    ///
    /// - Parameter bytes: reads a text with escapes and repetitions.
    static func segments(
        _ text: [UInt8], isSent: Bool, bytes: ([UInt8]) throws(TranscriptFailure) -> [UInt8]
    ) throws(TranscriptFailure) -> [Transcript.Segment]? {
        var packet = TranscriptPacket()
        var rest = text[...]
        guard packet.readOpcode(word(&rest)) else { return nil }
        while !rest.isEmpty {
            if rest.starts(with: "v=".utf8) {
                packet.value = try bytes(Array(rest.dropFirst(2)))
                break
            }
            let word = word(&rest)
            guard let equals = word.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let name = String(decoding: word[..<equals], as: UTF8.self)
            let field = Array(word[(equals + 1)...])
            if name == "k" {
                packet.key = try bytes(field)
            } else {
                guard packet.read(name, String(decoding: field, as: UTF8.self), isSent: isSent)
                else { return nil }
            }
        }
        return packet.segments(isSent: isSent)
    }

    private static func word(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
        let word = rest.prefix { $0 != UInt8(ascii: " ") }
        rest = rest.dropFirst(word.count + 1)
        return Array(word)
    }

    private mutating func readOpcode(_ word: [UInt8]) -> Bool {
        let name = String(decoding: word, as: UTF8.self)
        guard let number = Self.opcodes[name] ?? Self.number(name) else { return false }
        opcode = number
        return true
    }

    private static func number<Number: FixedWidthInteger>(_ text: String) -> Number? {
        text.hasPrefix("0x") ? Number(text.dropFirst(2), radix: 16) : Number(text)
    }

    private mutating func read(_ name: String, _ field: String, isSent: Bool) -> Bool {
        switch name {
        case "status" where !isSent: return Self.take(field, into: &status)
        case "opaque": return Self.take(field, into: &opaque)
        case "e4":
            guard let number: UInt32 = Self.number(field) else { return false }
            extras += bigEndian(number)
        case "e8":
            guard let number: UInt64 = Self.number(field) else { return false }
            extras += bigEndian(number)
        case "cas":
            if field == "{*}", !isSent {
                unique = .anything(byteCount: 8)
            } else if field.hasPrefix("{"), field.hasSuffix("}") {
                unique = .bigEndian(String(field.dropFirst().dropLast()))
            } else if let number: UInt64 = Self.number(field) {
                unique = .literal(bigEndian(number))
            } else {
                return false
            }
        default: return false
        }
        return true
    }

    private static func take<Number: FixedWidthInteger>(
        _ field: String, into place: inout Number
    ) -> Bool {
        guard let value: Number = number(field) else { return false }
        place = value
        return true
    }

    private func segments(isSent: Bool) -> [Transcript.Segment] {
        var head: [UInt8] = [isSent ? 0x80 : 0x81, opcode]
        head += bigEndian(UInt16(key.count))
        head += [UInt8(extras.count), 0]
        head += bigEndian(status)
        head += bigEndian(UInt32(extras.count + key.count + value.count))
        head += bigEndian(opaque)
        let body = extras + key + value
        return [.literal(head), unique] + (body.isEmpty ? [] : [.literal(body)])
    }
}
