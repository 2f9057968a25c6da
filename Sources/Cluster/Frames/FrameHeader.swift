/// The first 16 bytes of a frame, little endian; the body follows.
///
///     body's length (4) · type · flags 0 · hops · reserved 0
///     sequence (4) · round (4)
///
/// Hops, sequence and round are 0 in frames that have none: every message has one form only.
struct FrameHeader {
    static let byteCount = 16

    var bodyByteCount: Int
    var type: FrameType
    var hops: UInt8 = 0
    var sequence: UInt32 = 0
    var round: UInt32 = 0

    init(
        _ type: FrameType, bodyByteCount: Int, hops: UInt8 = 0, sequence: UInt32 = 0,
        round: UInt32 = 0
    ) {
        self.bodyByteCount = bodyByteCount
        self.type = type
        self.hops = hops
        self.sequence = sequence
        self.round = round
    }

    /// - Parameters:
    ///   - bytes: exactly a header's.
    ///   - bodyByteCountMax: more must not be announced.
    ///   - version: the link's.
    init(
        decoding bytes: UnsafeRawBufferPointer, bodyByteCountMax: Int, in version: WireVersion
    ) throws(FrameError) {
        var reader = ByteReader(bytes, of: "header", in: version)
        let announced = Int(try reader.take(UInt32.self))
        let typeNumber = try reader.take(UInt8.self)
        guard let type = FrameType(rawValue: typeNumber), type.first <= version else {
            throw .unknownType(typeNumber)
        }
        guard announced <= bodyByteCountMax else {
            throw .tooLong(announced: announced, byteCountMax: bodyByteCountMax)
        }
        let flags = try reader.take(UInt8.self)
        guard flags == 0 else { throw reader.bad("flags", UInt64(flags), expected: "0") }
        let hops = try reader.take(UInt8.self)
        try reader.takeZero(UInt8.self)
        self.init(
            type, bodyByteCount: announced, hops: hops, sequence: try reader.take(),
            round: try reader.take())
        try requireZero(hops, unless: type.hasHops, "hops", reader)
        try requireZero(sequence, unless: type.hasSequence, "sequence", reader)
        try requireZero(round, unless: type.hasRound, "round", reader)
    }

    private func requireZero(
        _ number: some FixedWidthInteger, unless isUsed: Bool, _ field: String, _ reader: ByteReader
    ) throws(FrameError) {
        guard isUsed || number == 0 else {
            throw reader.bad(field, UInt64(number), expected: "0")
        }
    }

    func encode(to writer: inout ByteWriter) {
        // More than 4 GiB is no frame of ours: whoever makes frames has limits far below.
        writer.put(UInt32(bodyByteCount))
        writer.put(type.rawValue)
        writer.put(0 as UInt8)
        writer.put(hops)
        writer.put(0 as UInt8)
        writer.put(sequence)
        writer.put(round)
    }
}
