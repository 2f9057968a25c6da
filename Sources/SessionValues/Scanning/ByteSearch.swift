#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Looking for bytes, as fast as the C library does.
package enum ByteSearch {
    @inline(__always)
    static func first(_ byte: UInt8, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress, bytes.count > 0,
            let found = memchr(base, Int32(byte), bytes.count)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// Where `needle` begins for the first time.
    ///
    /// Eight places are looked at together: whether the needle's first byte and, so much further on, its last one may
    /// be there.
    static func first(_ needle: [UInt8], in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let head = needle.first, let last = needle.last else { return 0 }
        guard bytes.count >= needle.count else { return nil }
        let reach = needle.count - 1
        let heads = ones &* UInt64(head)
        let lasts = ones &* UInt64(last)
        var place = 0
        while place &+ reach &+ 8 <= bytes.count {
            let differing =
                (word(bytes, at: place) ^ heads) | (word(bytes, at: place &+ reach) ^ lasts)
            var hits = (differing &- ones) & ~differing & tops
            while hits != 0 {
                let found = place &+ hits.trailingZeroBitCount / 8
                if areEqual(UnsafeRawBufferPointer(rebasing: bytes[found...]), needle) {
                    return found
                }
                hits &= hits &- 1
            }
            place &+= 8
        }
        while place &+ reach < bytes.count {
            if bytes[place] == head,
                areEqual(UnsafeRawBufferPointer(rebasing: bytes[place...]), needle)
            {
                return place
            }
            place &+= 1
        }
        return nil
    }

    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let tops: UInt64 = 0x8080_8080_8080_8080

    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, at place: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
    }

    /// Whether `bytes` begin with what is wanted, which is not more than there is.
    @inline(__always)
    static func areEqual(_ bytes: UnsafeRawBufferPointer, _ wanted: [UInt8]) -> Bool {
        wanted.withUnsafeBytes { wanted in
            guard let left = bytes.baseAddress, let right = wanted.baseAddress else { return true }
            return memcmp(left, right, wanted.count) == 0
        }
    }

    /// Where a string of JSON ends, or goes on with an escape; the count of bytes if neither is there.
    @inline(__always)
    static func quoteOrBackslash(in bytes: UnsafeRawBufferPointer) -> Int {
        var place = 0
        while place &+ 8 <= bytes.count {
            let word = word(bytes, at: place)
            let quotes = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
            let backslashes = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
            let hits =
                (((quotes &- ones) & ~quotes) | ((backslashes &- ones) & ~backslashes)) & tops
            if hits != 0 { return place &+ hits.trailingZeroBitCount / 8 }
            place &+= 8
        }
        while place < bytes.count {
            if bytes[place] == UInt8(ascii: "\"") || bytes[place] == UInt8(ascii: "\\") {
                return place
            }
            place &+= 1
        }
        return place
    }

    /// Whether `needle` is somewhere in a value, also where that lies in several pieces.
    package static func contains(
        _ needle: [UInt8], in pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>
    ) -> Bool {
        guard !needle.isEmpty else { return true }
        // The end of what came before, which may be the needle's beginning.
        var tail: [UInt8] = []
        for piece in pieces where piece.count > 0 {
            if first(needle, in: piece) != nil { return true }
            guard pieces.count > 1, needle.count > 1 else { continue }
            let seam = tail + piece.prefix(needle.count - 1)
            if seam.withUnsafeBytes({ first(needle, in: $0) }) != nil { return true }
            tail =
                piece.count >= needle.count - 1
                ? Array(piece.suffix(needle.count - 1))
                : Array((tail + piece).suffix(needle.count - 1))
        }
        return false
    }
}
