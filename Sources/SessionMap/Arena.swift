import Glibc

/// The one mapping that holds every item of a node, cut into one region per shard.
///
/// Purpose: memory of exactly the configured size, reserved at start and touched as it fills.
/// Not a goal: growing. The regions are laid out once.
struct Arena: ~Copyable {
    private let base: UnsafeMutableRawPointer
    private let mappedByteCount: Int
    let regionByteCount: Int
    let regionCount: Int

    /// Maps `regionCount` regions of `regionByteCount` bytes each; fails with the system's `errno`.
    init(regionByteCount: Int, regionCount: Int, locksPages: Bool) throws(MapError) {
        let byteCount = regionByteCount * regionCount
        // One spare unit row behind the last region: a header field of the last unit can be read
        // with the unit's number alone checked.
        let mapped = byteCount + Region.guardByteCount
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
        self.regionByteCount = regionByteCount
        self.regionCount = regionCount
    }

    deinit { munmap(base, mappedByteCount) }

    func region(_ number: Int) -> Region {
        precondition(number >= 0 && number < regionCount, "no such region")
        return Region(
            base: base + number * regionByteCount,
            unitCount: UInt32(regionByteCount / Region.unitByteCount))
    }
}

/// Why a map could not be made.
package enum MapError: Error, Equatable {
    case cannotMap(byteCount: Int, errno: Int32)
    case cannotLock(byteCount: Int, errno: Int32)
}
