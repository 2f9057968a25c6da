extension UnsafeRawBufferPointer {
    /// The four bytes at `offset` as a number, wherever they are aligned.
    @inline(__always) func word32(at offset: Int) -> UInt32 {
        UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// The eight bytes at `offset` as a number.
    @inline(__always) func word64(at offset: Int) -> UInt64 {
        UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The `count` bytes at `offset`, at most four, as a number.
    @inline(__always) func partialWord32(at offset: Int, count: Int) -> UInt32 {
        var word: UInt32 = 0
        for byte in 0..<count { word |= UInt32(self[offset + byte]) << UInt32(byte * 8) }
        return word
    }
}

// Not for all integers at once: where nothing is optimized, as in tests, a generic rotation takes most of
// a hash's time.
extension UInt32 {
    /// - Parameter count: 0 to 31.
    @inline(__always) func rotated(left count: UInt32) -> UInt32 {
        self &<< count | self &>> (32 &- count)
    }
}

extension UInt64 {
    /// - Parameter count: 0 to 63.
    @inline(__always) func rotated(left count: UInt64) -> UInt64 {
        self &<< count | self &>> (64 &- count)
    }
}
