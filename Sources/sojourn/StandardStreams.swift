import Glibc

/// Standard input and output as bytes, read to the end and written without a loss that nobody notices.
enum StandardStreams {
    struct Trouble: Error, CustomStringConvertible {
        let description: String
    }

    static func write(_ text: String) throws(Trouble) { try write(Array(text.utf8)) }

    static func write(_ bytes: [UInt8]) throws(Trouble) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(1, $0.baseAddress, $0.count) }
            guard count >= 0 || errno == EINTR else {
                throw Trouble(description: "standard output: \(String(cString: strerror(errno)))")
            }
            rest = rest.dropFirst(max(0, count))
        }
    }

    /// - Throws: also for more than `byteCountMax` bytes.
    static func readAll(byteCountMax: Int) throws(Trouble) -> [UInt8] {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(0, &part, part.count)
            guard count >= 0 || errno == EINTR else {
                throw Trouble(description: "standard input: \(String(cString: strerror(errno)))")
            }
            if count == 0 { return bytes }
            bytes += part.prefix(max(0, count))
            guard bytes.count <= byteCountMax else {
                throw Trouble(description: "standard input: more than \(byteCountMax) bytes")
            }
        }
    }

    /// Hands over lines without their ends, CR LF or LF, until there are no more.
    ///
    /// - Throws: what `body` throws, and for a line of more than 65,536 bytes.
    static func eachLine(_ body: ([UInt8]) throws -> Void) throws {
        let newline = UInt8(ascii: "\n")
        var pending: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        func hand(_ line: some Sequence<UInt8>) throws {
            var line = Array(line)
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            try body(line)
        }
        while true {
            let count = read(0, &part, part.count)
            guard count >= 0 || errno == EINTR else {
                throw Trouble(description: "standard input: \(String(cString: strerror(errno)))")
            }
            if count == 0 { break }
            var rest = part.prefix(max(0, count))
            while let end = rest.firstIndex(of: newline) {
                try hand(pending + rest[..<end])
                pending = []
                rest = rest[(end + 1)...]
            }
            pending += rest
            guard pending.count <= part.count else {
                throw Trouble(description: "standard input: a line of more than 65,536 bytes")
            }
        }
        if !pending.isEmpty { try hand(pending) }
    }
}
