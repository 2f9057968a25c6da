#if DEBUG || Fuzzing
    /// Takes operations and their operands from an input. What the input does not have is 0.
    struct FuzzReader {
        private let bytes: [UInt8]
        private var place = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        var isAtEnd: Bool { place >= bytes.count }

        mutating func byte() -> UInt8 {
            guard place < bytes.count else { return 0 }
            defer { place += 1 }
            return bytes[place]
        }

        /// A number of 16 bits.
        mutating func number() -> Int { Int(byte()) << 8 | Int(byte()) }

        /// A number below a limit, of up to 24 bits.
        mutating func number(below limit: Int) -> Int { (Int(byte()) << 16 | number()) % limit }
    }
#endif
