extension Stamp {
    /// Version (8) · birth (4).
    static let byteCount = 12

    init(decoding reader: inout ByteReader) throws(FrameError) {
        let version = try reader.take(UInt64.self)
        self.init(birth: try reader.take(), version: version)
    }

    func encode(to writer: inout ByteWriter) {
        writer.put(version)
        writer.put(birth)
    }
}

extension ListedState {
    /// Hash (8) · stamp (12).
    static let byteCount = 8 + Stamp.byteCount

    init(decoding reader: inout ByteReader) throws(FrameError) {
        let hash = try reader.take(UInt64.self)
        self.init(hash: hash, stamp: try Stamp(decoding: &reader))
    }

    func encode(to writer: inout ByteWriter) {
        writer.put(hash)
        stamp.encode(to: &writer)
    }
}

extension Note {
    private static let fixedByteCount = Stamp.byteCount + 8

    var byteCount: Int { Self.fixedByteCount + key.count }

    init(decoding reader: inout ByteReader) throws(FrameError) {
        let stamp = try Stamp(decoding: &reader)
        let secondsLeft = try reader.take(UInt32.self)
        let keyByteCount = try KeyState.takeKeyByteCount(&reader)
        let marks = try reader.take(UInt8.self)
        try reader.takeZero(UInt16.self)
        self.init(
            key: try reader.take(byteCount: keyByteCount), stamp: stamp,
            secondsLeft: KeyState.secondsLeft(of: secondsLeft), marks: marks)
    }

    func encode(to writer: inout ByteWriter) {
        stamp.encode(to: &writer)
        writer.put(KeyState.bytes(ofSecondsLeft: secondsLeft))
        KeyState.putByteCount(of: key, to: &writer)
        writer.put(marks)
        writer.put(0 as UInt16)
        writer.put(key)
    }
}

/// A key's state in a frame:
///
///     stamp (12) · seconds left (4), all ones: never · client flags (4) · value's length (4)
///     key's length · kind · marks · 0
///     key · value
extension KeyState {
    package static let keyByteCountMax = 250
    private static let fixedByteCount = Stamp.byteCount + 16
    private static let never = UInt32.max

    var byteCount: Int { Self.fixedByteCount + key.count + value.count }

    init(decoding reader: inout ByteReader) throws(FrameError) {
        let stamp = try Stamp(decoding: &reader)
        let secondsLeft = try reader.take(UInt32.self)
        let clientFlags = try reader.take(UInt32.self)
        let valueByteCount = Int(try reader.take(UInt32.self))
        let keyByteCount = try Self.takeKeyByteCount(&reader)
        let kind: Kind = try reader.takeCase("kind")
        let marks = try reader.take(UInt8.self)
        try reader.takeZero(UInt8.self)
        let key = try reader.take(byteCount: keyByteCount)
        self.init(
            key: key, stamp: stamp, kind: kind, clientFlags: clientFlags,
            secondsLeft: Self.secondsLeft(of: secondsLeft), marks: marks,
            value: try reader.take(byteCount: valueByteCount))
    }

    func encode(to writer: inout ByteWriter) {
        stamp.encode(to: &writer)
        writer.put(Self.bytes(ofSecondsLeft: secondsLeft))
        writer.put(clientFlags)
        writer.put(UInt32(value.count))
        Self.putByteCount(of: key, to: &writer)
        writer.put(kind.rawValue)
        writer.put(marks)
        writer.put(0 as UInt8)
        writer.put(key)
        writer.put(value)
    }

    static func secondsLeft(of bytes: UInt32) -> UInt32? { bytes == never ? nil : bytes }

    /// As many seconds as mean never are one second less: 136 years.
    static func bytes(ofSecondsLeft seconds: UInt32?) -> UInt32 {
        seconds.map { min($0, never - 1) } ?? never
    }

    static func takeKeyByteCount(_ reader: inout ByteReader) throws(FrameError) -> Int {
        let byteCount = Int(try reader.take(UInt8.self))
        guard (1...keyByteCountMax).contains(byteCount) else {
            throw reader.bad("key length", UInt64(byteCount), expected: "1 to \(keyByteCountMax)")
        }
        return byteCount
    }

    static func putByteCount(of key: [UInt8], to writer: inout ByteWriter) {
        precondition((1...keyByteCountMax).contains(key.count), "a key has 1 to 250 bytes")
        writer.put(UInt8(key.count))
    }
}
