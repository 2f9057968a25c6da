import Glibc
import HashRing

/// The values of a load: length and bytes follow from a key's number and from how often the load has
/// rewritten it, so that a reply can be compared whole and an older value is seen as wrong.
///
/// A value begins with eight bytes that no other number and revision has; from there on it is a
/// stretch of one fixed block of random bytes, where every byte occurs, CR and LF too. So neither
/// making nor comparing it costs more than the copy.
package final class ValueMaker: Sendable {
    private let lengths: QuantileTable
    private let variesWithRevision: Bool
    private let block = ValueMaker.randomBytes
    package let byteCountMax: Int

    private static let blockByteCount = 1 << 18
    private static let stampByteCount = 8
    private static let randomBytes = {
        var numbers = SeededNumbers(seed: 1)
        return [UInt8](unsafeUninitializedCapacity: blockByteCount) { bytes, count in
            for start in stride(from: 0, to: blockByteCount, by: 8) {
                UnsafeMutableRawBufferPointer(bytes).storeBytes(
                    of: numbers.next(), toByteOffset: start, as: UInt64.self)
            }
            count = blockByteCount
        }
    }()

    /// - Parameters:
    ///   - limit: the longest value.
    ///   - variesWithRevision: whether a rewritten value has another length, 0.6 to 1.6 times the
    ///     first one's, as the same person's shopping cart has.
    package init(lengths: ByteCounts, limit: Int, variesWithRevision: Bool = false) {
        self.lengths = QuantileTable(lengths, limit: limit)
        self.variesWithRevision = variesWithRevision
        byteCountMax = limit
    }

    package var meanByteCount: Double { lengths.mean * (variesWithRevision ? 1.1 : 1) }

    @inline(__always)
    private func stamp(_ key: UInt64, _ revision: UInt32) -> UInt64 {
        SplitMix64.mixed(SplitMix64.mixed(key) ^ UInt64(revision) &* 0xD6E8_FEB8_6659_FD93)
    }

    @inline(__always)
    package func byteCount(_ key: UInt64, _ revision: UInt32) -> Int {
        let count = lengths.count(of: SplitMix64.mixed(key))
        guard variesWithRevision else { return count }
        let share = 154 + Int(stamp(key, revision) >> 56)  // of 256: 0.6 to 1.6
        return min(byteCountMax, max(1, count * share / 256))
    }

    /// Writes the bytes of the value from `offset` on that fit into `target`, which ends where the
    /// value does or before.
    func write(
        _ key: UInt64, _ revision: UInt32, from offset: Int,
        to target: UnsafeMutableRawBufferPointer
    ) {
        guard let base = target.baseAddress else { return }
        eachPiece(key, revision, from: offset, count: target.count) { place, piece, count in
            memcpy(base + place, piece, count)
            return true
        }
    }

    /// Whether `bytes` are those of the value from `offset` on.
    func matches(
        _ key: UInt64, _ revision: UInt32, from offset: Int, _ bytes: UnsafeRawBufferPointer
    ) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        return eachPiece(key, revision, from: offset, count: bytes.count) { place, piece, count in
            memcmp(base + place, piece, count) == 0
        }
    }

    /// Calls `body` with the stretches of memory that make up a part of the value, until it says no.
    @inline(__always)
    @discardableResult
    private func eachPiece(
        _ key: UInt64, _ revision: UInt32, from offset: Int, count: Int,
        _ body: (_ place: Int, _ piece: UnsafeRawPointer, _ count: Int) -> Bool
    ) -> Bool {
        let stamp = stamp(key, revision)
        var place = 0
        if offset < Self.stampByteCount {
            place = min(count, Self.stampByteCount - offset)
            guard place > 0 else { return true }
            let isRight = withUnsafeBytes(of: stamp) { bytes in
                guard let base = bytes.baseAddress else { return false }
                return body(0, base + offset, place)
            }
            guard isRight else { return false }
        }
        let start = Int(truncatingIfNeeded: stamp & UInt64(Self.blockByteCount - 1))
        return block.withUnsafeBytes { block in
            guard let base = block.baseAddress else { return false }
            while place < count {
                let from = (start + offset + place) & (Self.blockByteCount - 1)
                let end = min(Self.blockByteCount, from + count - place)
                guard body(place, base + from, end - from) else { return false }
                place += end - from
            }
            return true
        }
    }

    package func value(_ key: UInt64, _ revision: UInt32) -> [UInt8] {
        let byteCount = byteCount(key, revision)
        return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            write(key, revision, from: 0, to: UnsafeMutableRawBufferPointer(buffer))
            count = byteCount
        }
    }
}
