import Glibc
import HashRing
import MemcacheProtocol

/// The text of a key: a prefix, zeros, and its number. Its length follows from the number.
package struct KeyFormat: Sendable {
    private let prefix: [UInt8]
    private let lengths: QuantileTable
    package let byteCountMax: Int

    /// - Parameter lengths: none may be below what the prefix and the highest number take.
    package init(prefix: String, lengths: ByteCounts) {
        self.prefix = Array(prefix.utf8)
        self.lengths = QuantileTable(lengths, limit: ProtocolLimits.keyByteCountMax)
        byteCountMax = self.lengths.longest
    }

    /// The shortest key it makes.
    package var byteCountMin: Int { lengths.shortest }

    /// Writes the key at `target`, which has room for `byteCountMax`; returns its length.
    @inline(__always)
    package func write(_ number: UInt64, to target: UnsafeMutablePointer<UInt8>) -> Int {
        let count = lengths.count(of: SplitMix64.mixed(~number))
        prefix.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            memcpy(target, base, bytes.count)
        }
        var rest = number
        var place = count
        while rest > 0, place > prefix.count {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            place -= 1
            target[place] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: digit)
            rest = quotient
        }
        memset(target + prefix.count, Int32(UInt8(ascii: "0")), place - prefix.count)
        return count
    }

    @inline(__always)
    func write(_ number: UInt64, to writer: inout ReplyWriter) {
        let room = writer.skip(lengths.count(of: SplitMix64.mixed(~number)))
        guard let start = room.baseAddress else { return }
        _ = write(number, to: start.assumingMemoryBound(to: UInt8.self))
    }

    package func key(_ number: UInt64) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCountMax) { buffer, count in
            if let base = buffer.baseAddress { count = write(number, to: base) }
        }
    }
}
