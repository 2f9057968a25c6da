/// Whose arena it is: the name of the space that has it, in the first page. An arena of nobody's has none.
///
///     byte 2048 bytes of the name (8) · check over the name (56), written last
///     byte 2056 name, then 0 (256)
package struct ArenaName: Equatable, Sendable {
    package static let byteCountMax = 32
    private static let offset = 2_048
    private static let checkSeed: UInt64 = 0x534F_4A4F_5552_4E4E

    package let text: String

    /// - Parameter text: not longer than `byteCountMax` bytes.
    package init(_ text: String) {
        precondition(text.utf8.count <= Self.byteCountMax, "a name that is too long")
        self.text = text
    }

    /// Nothing where there is none, or one that was not written to its end.
    package init?(_ page: UnsafeRawBufferPointer) {
        precondition(page.count >= ArenaHeader.byteCount)
        let word = page.load(fromByteOffset: Self.offset, as: UInt64.self)
        let count = Int(word & 0xFF)
        guard count > 0, count <= Self.byteCountMax else { return nil }
        let start = Self.offset + 8
        let bytes = UnsafeRawBufferPointer(rebasing: page[start..<start + count])
        guard Self.word(of: bytes) == word else { return nil }
        text = String(decoding: bytes, as: UTF8.self)
    }

    package func write(to page: UnsafeMutableRawPointer) {
        page.storeBytes(of: 0, toByteOffset: Self.offset, as: UInt64.self)
        Region.order()
        let bytes = Array(text.utf8)
        bytes.withUnsafeBytes { bytes in
            (page + Self.offset + 8).copyMemory(
                from: bytes.baseAddress ?? UnsafeRawPointer(page), byteCount: bytes.count)
            Region.order()
            page.storeBytes(of: Self.word(of: bytes), toByteOffset: Self.offset, as: UInt64.self)
        }
    }

    private static func word(of bytes: UnsafeRawBufferPointer) -> UInt64 {
        KeyHash(seed: checkSeed).hash(bytes) & ~0xFF | UInt64(bytes.count)
    }
}
