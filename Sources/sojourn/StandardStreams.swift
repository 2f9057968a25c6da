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
}
