extension Ring {
    /// Two characters around the part of a key that alone decides its node: twemproxy's `hash_tag`.
    ///
    /// With `{}`, `user:{42}:cart` and `user:{42}:session` are on one node. A key without both characters,
    /// or with nothing between them, counts as a whole.
    public struct HashTag: Hashable, Sendable {
        let opening: UInt8
        let closing: UInt8

        /// Nil unless the text is exactly two bytes.
        public init?(_ text: String) {
            let bytes = Array(text.utf8)
            guard bytes.count == 2 else { return nil }
            (opening, closing) = (bytes[0], bytes[1])
        }

        /// The part of the key that is hashed.
        func part(of key: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
            guard let start = key.firstIndex(of: opening) else { return key }
            let rest = key[(start + 1)...]
            guard let end = rest.firstIndex(of: closing), end > rest.startIndex else { return key }
            return UnsafeRawBufferPointer(rebasing: rest[..<end])
        }
    }
}

extension Ring.HashTag: CustomStringConvertible {
    /// Both characters, such as `{}`.
    public var description: String { String(decoding: [opening, closing], as: UTF8.self) }
}
