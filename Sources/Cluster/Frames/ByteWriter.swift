/// Puts numbers, little endian, and bytes into room that was made for exactly these.
struct ByteWriter {
    private let room: UnsafeMutableRawBufferPointer
    /// Of the link: whoever encodes what earlier versions do not have asks for it.
    let version: WireVersion
    fileprivate private(set) var byteCount = 0

    fileprivate init(_ room: UnsafeMutableRawBufferPointer, in version: WireVersion) {
        self.room = room
        self.version = version
    }

    @inline(__always)
    mutating func put<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
        room.storeBytes(
            of: number.littleEndian, toByteOffset: advance(by: MemoryLayout<Number>.size),
            as: Number.self)
    }

    mutating func put(_ bytes: [UInt8]) {
        let start = advance(by: bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: room[start..<byteCount]).copyBytes(from: bytes)
    }

    @inline(__always)
    private mutating func advance(by count: Int) -> Int {
        precondition(count <= room.count - byteCount, "more is written than was counted")
        defer { byteCount += count }
        return byteCount
    }
}

extension [UInt8] {
    /// Appends exactly this many bytes, with at most one allocation.
    mutating func append(
        byteCount: Int, in version: WireVersion, _ write: (inout ByteWriter) -> Void
    ) {
        append(addingCapacity: byteCount) { (room: inout OutputSpan<UInt8>) in
            room.withUnsafeMutableBufferPointer { buffer, initializedCount in
                var writer = ByteWriter(UnsafeMutableRawBufferPointer(buffer), in: version)
                write(&writer)
                precondition(writer.byteCount == byteCount, "less is written than was counted")
                initializedCount = byteCount
            }
        }
    }
}
