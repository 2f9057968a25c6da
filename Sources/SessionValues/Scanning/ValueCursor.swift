/// Reads the bytes of a value from the front to the back, also those of one that lies in several pieces.
///
/// It believes no length that stands in the value: every step says whether there was so much left. Nothing is
/// copied but what is asked for.
///
/// The pieces must stay where they are as long as it is in use.
struct ValueCursor {
    private let pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>
    /// Of all pieces.
    let byteCount: Int
    /// Of the piece that is being read.
    private var number = 0
    private var pieceStart = 0
    private var piece: UnsafeRawBufferPointer
    private var place = 0

    init(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) {
        self.pieces = pieces
        byteCount = pieces.reduce(0) { $0 + $1.count }
        piece = pieces.first ?? UnsafeRawBufferPointer(start: nil, count: 0)
    }

    /// How many bytes were read.
    @inline(__always)
    var offset: Int { pieceStart &+ place }
    @inline(__always)
    var bytesLeft: Int { byteCount &- offset }

    /// Goes on in the next piece that has bytes; false at the end.
    @inline(never)
    private mutating func enterNextPiece() -> Bool {
        while number + 1 < pieces.count {
            pieceStart += piece.count
            number += 1
            place = 0
            piece = pieces[number]
            if piece.count > 0 { return true }
        }
        return false
    }

    /// The next byte, which is not read by that; nil at the end.
    @inline(__always)
    mutating func peek() -> UInt8? {
        guard place < piece.count || enterNextPiece() else { return nil }
        return piece[place]
    }

    @inline(__always)
    mutating func next() throws(ValueTrouble) -> UInt8 {
        guard place < piece.count || enterNextPiece() else { throw .cutOff }
        let byte = piece[place]
        place &+= 1
        return byte
    }

    /// Steps over what `peek` has shown.
    @inline(__always)
    mutating func step() { place &+= 1 }

    @inline(__always)
    mutating func skip(_ amount: Int) throws(ValueTrouble) {
        if amount >= 0, amount <= piece.count &- place {
            place &+= amount
        } else {
            try skipOver(amount)
        }
    }

    @inline(never)
    private mutating func skipOver(_ amount: Int) throws(ValueTrouble) {
        guard amount >= 0, amount <= bytesLeft else { throw .cutOff }
        var left = amount
        while left > piece.count - place {
            left -= piece.count - place
            place = piece.count
            guard enterNextPiece() else { throw .cutOff }
        }
        place += left
    }

    /// What is left of the piece that is being read; empty at the end.
    @inline(__always)
    mutating func window() -> UnsafeRawBufferPointer {
        guard place < piece.count || enterNextPiece() else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(rebasing: piece[place...])
    }

    /// Steps over `amount` bytes of what `window` has shown.
    @inline(__always)
    mutating func step(over amount: Int) { place &+= amount }

    /// Steps up to the next byte of this value, which is not read yet.
    mutating func skip(to byte: UInt8) throws(ValueTrouble) {
        while true {
            let rest = window()
            guard rest.count > 0 else { throw .cutOff }
            if let found = ByteSearch.first(byte, in: rest) {
                place += found
                return
            }
            place = piece.count
        }
    }

    /// Whether the next `amount` bytes are these; they are read in any case.
    @inline(__always)
    mutating func take(_ amount: Int, equals bytes: [UInt8]) throws(ValueTrouble) -> Bool {
        guard amount == bytes.count else {
            try skip(amount)
            return false
        }
        if amount <= piece.count &- place {
            defer { place &+= amount }
            return ByteSearch.areEqual(UnsafeRawBufferPointer(rebasing: piece[place...]), bytes)
        }
        var isEqual = true
        for byte in bytes where try next() != byte { isEqual = false }
        return isEqual
    }

    /// Reads `amount` bytes and appends them; the caller has seen to it that they are few.
    mutating func take(_ amount: Int, into target: inout [UInt8]) throws(ValueTrouble) {
        guard amount >= 0, amount <= bytesLeft else { throw .cutOff }
        var left = amount
        while left > 0 {
            let rest = window()
            guard rest.count > 0 else { throw .cutOff }
            let part = min(left, rest.count)
            target.append(contentsOf: rest.prefix(part))
            place += part
            left -= part
        }
    }

    /// Goes to a place that was read before.
    mutating func seek(to offset: Int) {
        precondition(offset >= 0 && offset <= byteCount, "a place outside of the value")
        if offset < pieceStart {
            (number, pieceStart) = (0, 0)
            piece = pieces[0]
        }
        place = 0
        while offset > pieceStart + piece.count {
            guard enterNextPiece() else { break }
        }
        place = offset - pieceStart
    }

    // MARK: Numbers

    /// An unsigned number of `byteCount` bytes, the first of which counts most.
    @inline(__always)
    mutating func bigEndian(_ byteCount: Int) throws(ValueTrouble) -> Int {
        var number: UInt64 = 0
        for _ in 0..<byteCount { number = number << 8 | UInt64(try next()) }
        guard let number = Int(exactly: number) else { throw .malformed }
        return number
    }

    /// The last of which counts most.
    @inline(__always)
    mutating func littleEndian(_ byteCount: Int) throws(ValueTrouble) -> UInt64 {
        var number: UInt64 = 0
        for place in 0..<byteCount { number |= UInt64(try next()) << UInt64(8 * place) }
        return number
    }
}
