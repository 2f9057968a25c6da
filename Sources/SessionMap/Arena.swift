import Glibc

/// The one mapping that holds every item of a node, cut into one region per shard.
///
/// Each region has address space for more than it begins with, so that an operator can raise the
/// limit later. Address space costs nothing: memory is taken page by page as items fill it.
struct Arena: ~Copyable {
    private let base: UnsafeMutableRawPointer
    private let mappedByteCount: Int
    /// What a region may grow to.
    let regionByteCountMax: Int
    let regionCount: Int

    /// Maps `regionCount` regions that begin with `regionByteCount` bytes each and may grow to
    /// `growth` times that; fails with the system's `errno`.
    init(
        regionByteCount: Int, growth: Int, regionCount: Int, locksPages: Bool
    ) throws(MapError) {
        let byteCount = regionByteCount * regionCount
        let limit = Int(Region.unitCountMax) * Region.unitByteCount
        // Locked memory is all there from the start.
        let regionByteCountMax =
            locksPages
            ? regionByteCount : max(regionByteCount, min(limit, regionByteCount * growth))
        // A spare row behind the last region: a header field of the last unit can be read with the
        // unit's number alone checked.
        let mapped = regionByteCountMax * regionCount + Region.guardByteCount
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let base = mmap(nil, mapped, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED
        else { throw .cannotMap(byteCount: byteCount, errno: errno) }
        // Large pages took a third off a look-up in a big map; a kernel without them says no, and
        // nothing depends on the answer.
        _ = madvise(base, mapped, MADV_HUGEPAGE)
        if locksPages, mlock(base, mapped) != 0 {
            let reason = errno
            munmap(base, mapped)
            throw .cannotLock(byteCount: byteCount, errno: reason)
        }
        self.base = base
        self.mappedByteCount = mapped
        self.regionByteCountMax = regionByteCountMax
        self.regionCount = regionCount
    }

    deinit { munmap(base, mappedByteCount) }

    func region(_ number: Int) -> Region {
        precondition(number >= 0 && number < regionCount, "no such region")
        return Region(
            base: base + number * regionByteCountMax,
            unitCount: UInt32(regionByteCountMax / Region.unitByteCount))
    }
}

/// Why a map could not be made.
package enum MapError: Error, Equatable {
    case cannotMap(byteCount: Int, errno: Int32)
    case cannotLock(byteCount: Int, errno: Int32)
}
