/// A value of Redis' protocol, as far as moving items takes: nothing is nested deeper than a list in a list.
enum RESPValue: Equatable {
    case simple(String)
    case error(String)
    case number(Int64)
    /// Nothing is `nil`.
    case bytes([UInt8]?)
    case list([RESPValue]?)
}

/// Reads RESP2, however it is cut. It trusts nothing: lengths are bounded before anything is kept.
struct RESPReader {
    struct NotUnderstood: Error, Equatable {
        let text: String
    }

    static let lineByteCountMax = 65_536
    /// Redis' own bound of a string.
    static let bytesCountMax = 512 << 20
    static let listCountMax = 1_000_000
    static let depthMax = 2

    private var bytes: [UInt8] = []
    private var start = 0

    mutating func append(_ new: some Sequence<UInt8>) {
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 20)
            start = 0
        }
        bytes.append(contentsOf: new)
    }

    /// The next whole value; nothing while more has to come.
    mutating func next() throws(NotUnderstood) -> RESPValue? {
        var place = start
        guard let value = try value(at: &place, depth: 0) else { return nil }
        start = place
        if start > 1 << 20 {
            bytes.removeFirst(start)
            start = 0
        }
        return value
    }

    private func value(at place: inout Int, depth: Int) throws(NotUnderstood) -> RESPValue? {
        guard let line = try line(at: &place) else { return nil }
        guard let kind = line.first else { throw NotUnderstood(text: "an empty line") }
        let text = String(decoding: line.dropFirst(), as: UTF8.self)
        switch kind {
        case UInt8(ascii: "+"): return .simple(text)
        case UInt8(ascii: "-"): return .error(text)
        case UInt8(ascii: ":"):
            guard let number = Int64(text) else {
                throw NotUnderstood(text: "the number '\(text)'")
            }
            return .number(number)
        case UInt8(ascii: "$"):
            guard let count = Int(text), count >= -1, count <= Self.bytesCountMax else {
                throw NotUnderstood(text: "the length '\(text)'")
            }
            if count == -1 { return .bytes(nil) }
            guard bytes.count - place >= count + 2 else { return nil }
            let end = place + count
            guard bytes[end] == UInt8(ascii: "\r"), bytes[end + 1] == UInt8(ascii: "\n") else {
                throw NotUnderstood(text: "a string without its end")
            }
            defer { place = end + 2 }
            return .bytes(Array(bytes[place..<end]))
        case UInt8(ascii: "*"):
            guard let count = Int(text), count >= -1, count <= Self.listCountMax,
                depth < Self.depthMax
            else { throw NotUnderstood(text: "the list '\(text)'") }
            if count == -1 { return .list(nil) }
            var values: [RESPValue] = []
            for _ in 0..<count {
                guard let value = try value(at: &place, depth: depth + 1) else { return nil }
                values.append(value)
            }
            return .list(values)
        default: throw NotUnderstood(text: "a line that begins with byte \(kind)")
        }
    }

    private func line(at place: inout Int) throws(NotUnderstood) -> ArraySlice<UInt8>? {
        var end = place
        while end < bytes.count, bytes[end] != UInt8(ascii: "\r") {
            end += 1
            guard end - place <= Self.lineByteCountMax else {
                throw NotUnderstood(text: "an endless line")
            }
        }
        guard end + 1 < bytes.count else { return nil }
        guard bytes[end + 1] == UInt8(ascii: "\n") else {
            throw NotUnderstood(text: "CR without LF")
        }
        defer { place = end + 2 }
        return bytes[place..<end]
    }
}
