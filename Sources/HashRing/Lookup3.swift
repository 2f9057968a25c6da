/// Bob Jenkins's lookup3 (`hashlittle`) with libhashkit's initial value.
enum Lookup3 {
    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let start = 0xdead_beef &+ UInt32(truncatingIfNeeded: bytes.count) &+ 13
        var (a, b, c) = (start, start, start)
        var offset = 0
        while bytes.count - offset > 12 {
            a &+= bytes.word32(at: offset)
            b &+= bytes.word32(at: offset + 4)
            c &+= bytes.word32(at: offset + 8)
            mix(&a, &b, &c)
            offset += 12
        }
        guard offset < bytes.count else { return c }
        // One to twelve bytes are left; bytes that are not there are zeros.
        func word(_ number: Int) -> UInt32 {
            let first = offset + number * 4
            return bytes.partialWord32(at: first, count: max(0, min(4, bytes.count - first)))
        }
        a &+= word(0)
        b &+= word(1)
        c &+= word(2)
        finish(&a, &b, &c)
        return c
    }

    private static func mix(_ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32) {
        func step(_ x: inout UInt32, _ y: inout UInt32, _ z: UInt32, _ turn: UInt32) {
            x &-= y
            x ^= y.rotated(left: turn)
            y &+= z
        }
        step(&a, &c, b, 4)
        step(&b, &a, c, 6)
        step(&c, &b, a, 8)
        step(&a, &c, b, 16)
        step(&b, &a, c, 19)
        step(&c, &b, a, 4)
    }

    private static func finish(_ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32) {
        func step(_ x: inout UInt32, _ y: UInt32, _ turn: UInt32) {
            x ^= y
            x &-= y.rotated(left: turn)
        }
        step(&c, b, 14)
        step(&a, c, 11)
        step(&b, a, 25)
        step(&c, b, 16)
        step(&a, c, 4)
        step(&b, a, 14)
        step(&c, b, 24)
    }
}
