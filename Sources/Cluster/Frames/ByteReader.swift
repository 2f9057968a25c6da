/// Takes numbers and bytes off the front of what a peer has sent, little endian, and never past its end.
struct ByteReader {
    /// For errors: what is read.
    private let subject: StaticString
    private let bytes: UnsafeRawBufferPointer
    /// Of the link: whoever decodes what earlier versions do not have asks for it.
    let version: WireVersion
    private var position = 0

    /// - Parameter bytes: all of the subject; they must outlive the reader.
    init(
        _ bytes: UnsafeRawBufferPointer, of subject: StaticString, in version: WireVersion
    ) {
        self.bytes = bytes
        self.version = version
        self.subject = subject
    }

    private var leftByteCount: Int { bytes.count - position }

    var isAtEnd: Bool { leftByteCount == 0 }

    @inline(__always)
    private func require(_ byteCount: Int) throws(FrameError) {
        guard byteCount <= leftByteCount else {
            throw endsEarly(needed: byteCount)
        }
    }

    @inline(never)
    private func endsEarly(needed: Int) -> FrameError {
        .endsEarly("\(subject)", needed: needed, left: leftByteCount)
    }

    @inline(__always)
    mutating func take<Number: FixedWidthInteger & BitwiseCopyable>(
        _ type: Number.Type = Number.self
    ) throws(FrameError) -> Number {
        try require(MemoryLayout<Number>.size)
        defer { position += MemoryLayout<Number>.size }
        return Number(
            littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Number.self))
    }

    mutating func take(byteCount: Int) throws(FrameError) -> [UInt8] {
        try require(byteCount)
        defer { position += byteCount }
        return [UInt8](UnsafeRawBufferPointer(rebasing: bytes[position..<position + byteCount]))
    }

    mutating func takeRest() throws(FrameError) -> [UInt8] { try take(byteCount: leftByteCount) }

    /// All that is left, of elements of one size each. What is less than one stays.
    mutating func takeRest<Element>(
        elementByteCount: Int, _ take: (inout ByteReader) throws(FrameError) -> Element
    ) throws(FrameError) -> [Element] {
        let count = leftByteCount / elementByteCount
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try take(&self)) }
        return elements
    }

    mutating func takeNumbers() throws(FrameError) -> [UInt64] {
        try takeRest(elementByteCount: 8) { (reader) throws(FrameError) in try reader.take() }
    }

    /// Microseconds, since whenever. So few that any span of time can be added: 146,000 years are enough.
    mutating func takeMoment(_ field: String) throws(FrameError) -> UInt64 {
        let moment = try take(UInt64.self)
        guard moment < 1 << 62 else { throw bad(field, moment, expected: "less than 2^62") }
        return moment
    }

    /// What is not used yet: a later version may mean something by it.
    mutating func takeZero<Number: FixedWidthInteger & BitwiseCopyable>(
        _ type: Number.Type
    ) throws(FrameError) {
        let number = try take(type)
        guard number == 0 else { throw bad("reserved bytes", UInt64(number), expected: "0") }
    }

    mutating func takeBool(_ field: String) throws(FrameError) -> Bool {
        switch try take(UInt8.self) {
        case 0: return false
        case 1: return true
        case let number: throw bad(field, UInt64(number), expected: "0 or 1")
        }
    }

    mutating func takeCase<Choice: RawRepresentable>(
        _ field: String
    ) throws(FrameError) -> Choice where Choice.RawValue == UInt8 {
        let number = try take(UInt8.self)
        guard let choice = Choice(rawValue: number) else {
            throw bad(field, UInt64(number), expected: "a known one")
        }
        return choice
    }

    func bad(_ field: String, _ came: UInt64, expected: String) -> FrameError {
        .badField(field, of: "\(subject)", came: came, expected: expected)
    }

    /// To be called when everything was taken.
    func end() throws(FrameError) {
        guard leftByteCount == 0 else { throw .goesOn("\(subject)", left: leftByteCount) }
    }
}
