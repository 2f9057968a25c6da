import Glibc

/// The memory that holds every item of a node, cut into one region per shard.
///
/// It is either the process's own, or somebody else's that outlives the process: a file's mapping,
/// which begins with an `ArenaHeader`.
///
/// Of its own memory, each region has address space for more than it begins with, so that an operator
/// can raise the limit later. Address space costs nothing: memory is taken page by page as items fill
/// it.
package struct Arena: ~Copyable {
    private let base: UnsafeMutableRawPointer
    /// To be unmapped in the end; empty for somebody else's memory.
    private let owned: UnsafeMutableRawBufferPointer
    /// What a region may grow to.
    let regionByteCountMax: Int
    /// What of it may come into use: not more than began, where memory is locked.
    let limitByteCountMax: Int
    /// From one region to the next.
    private let stride: Int
    let regionCount: Int
    private let features: ArenaFeatures

    /// Maps memory for `regionCount` regions that begin with `regionByteCount` bytes each and may
    /// grow to `growth` times that; fails with the system's `errno`.
    init(
        regionByteCount: Int, growth: Int, regionCount: Int, features: ArenaFeatures = [],
        locksPages: Bool
    ) throws(MapError) {
        let byteCount = regionByteCount * regionCount
        let limit = Int(Region.unitCountMax) * Region.unitByteCount
        // Locked memory is all there from the start.
        let regionByteCountMax =
            locksPages
            ? regionByteCount : max(regionByteCount, min(limit, regionByteCount * growth))
        // So that large pages are of one region each.
        let alignment = locksPages ? 1 : Self.largePageByteCount
        let stride = (regionByteCountMax + alignment - 1) / alignment * alignment
        // A spare row behind the last region: a header field of the last unit can be read with the
        // unit's number alone checked.
        let mapped = stride * regionCount + Region.guardByteCount + alignment - 1
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let start = mmap(nil, mapped, PROT_READ | PROT_WRITE, flags, -1, 0),
            start != MAP_FAILED
        else { throw .cannotMap(byteCount: byteCount, errno: errno) }
        do {
            try Self.advise(start, mapped, locksPages: locksPages)
        } catch {
            munmap(start, mapped)
            throw error
        }
        owned = UnsafeMutableRawBufferPointer(start: start, count: mapped)
        base = start.alignedUp(toMultipleOf: alignment)
        growsByUse = !locksPages
        pages = locksPages ? .kept : .own
        self.regionByteCountMax = regionByteCountMax
        limitByteCountMax = regionByteCountMax
        self.regionCount = regionCount
        self.stride = stride
        self.features = features
        if growsByUse {
            for number in 0..<regionCount {
                Self.keepEndsSmall(base + number * stride, regionByteCount: regionByteCount)
            }
        }
    }

    /// A region's ends are marked when it is laid out, before items come there: that shall not take large pages, of
    /// which an empty node would have one for each of many regions.
    private static func keepEndsSmall(_ region: UnsafeMutableRawPointer, regionByteCount: Int) {
        let last = (regionByteCount - 1) / largePageByteCount * largePageByteCount
        for start in Set([0, last]) {
            _ = madvise(region + start, largePageByteCount, MADV_NOHUGEPAGE)
        }
    }

    /// On x86, and on ARM with pages of 4 KiB; elsewhere it is as good as any.
    static let largePageByteCount = 2 << 20

    /// Takes `memory`, which outlives the arena, for the regions that its header tells of.
    init(
        memory: UnsafeMutableRawBufferPointer, header: ArenaHeader, locksPages: Bool
    ) throws(MapError) {
        let needed =
            ArenaHeader.byteCount + header.regionByteCount * header.regionCount
            + Region.guardByteCount
        guard let base = memory.baseAddress, memory.count >= needed else {
            preconditionFailure("memory that does not hold the regions")
        }
        try Self.advise(base, memory.count, locksPages: false)
        if locksPages {
            // Not the room, which has no memory.
            for range in header.usedRanges {
                try Self.lock(base + range.lowerBound, range.count)
            }
        }
        self.base = base + ArenaHeader.byteCount
        owned = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        growsByUse = false
        pages = locksPages ? .kept : .shared
        regionByteCountMax = header.regionByteCount
        limitByteCountMax = locksPages ? header.limitByteCount : header.regionByteCount
        stride = header.regionByteCount
        features = header.features
        regionCount = header.regionCount
    }

    private static func advise(
        _ base: UnsafeMutableRawPointer, _ byteCount: Int, locksPages: Bool
    ) throws(MapError) {
        // Large pages took a third off a look-up in a big map; a kernel without them says no, and
        // nothing depends on the answer.
        _ = madvise(base, byteCount, MADV_HUGEPAGE)
        if locksPages { try lock(base, byteCount) }
    }

    private static func lock(
        _ base: UnsafeMutableRawPointer, _ byteCount: Int
    ) throws(MapError) {
        if mlock(base, byteCount) != 0 {
            throw .cannotLock(byteCount: byteCount, errno: errno)
        }
    }

    /// Whether pages come into use one by one.
    let growsByUse: Bool

    /// Makes pages present that nobody has touched yet, and leaves alone those that are. Another
    /// thread may use the memory meanwhile. A kernel older than 5.14 does not know this.
    static func makePresent(_ memory: UnsafeMutableRawBufferPointer) {
        guard let base = memory.baseAddress, memory.count > 0 else { return }
        _ = madvise(base, memory.count, populateWrite)
    }

    /// `MADV_POPULATE_WRITE`, which Glibc's module leaves out.
    private static let populateWrite: Int32 = 23

    /// Whose pages a region's memory has, and so how they go back.
    package enum Pages {
        /// They stay: they are locked, or nobody knows.
        case kept
        /// The process's own.
        case own
        /// Of a file's mapping: the file gets a hole there.
        case shared

        /// `MADV_REMOVE`, which Glibc's module leaves out.
        private static let remove: Int32 = 9

        /// The whole pages inside of `memory`.
        package static func whole(
            in memory: UnsafeMutableRawBufferPointer
        ) -> UnsafeMutableRawBufferPointer {
            guard let base = memory.baseAddress else { return memory }
            let pageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))
            let start = base.alignedUp(toMultipleOf: pageByteCount)
            let end = (base + memory.count).alignedDown(toMultipleOf: pageByteCount)
            return UnsafeMutableRawBufferPointer(start: start, count: max(0, end - start))
        }

        /// Gives back pages whose bytes nobody needs; whether that worked. Where they are used again,
        /// they are empty, and have to be had anew.
        @discardableResult
        package func giveBack(_ pages: UnsafeMutableRawBufferPointer) -> Bool {
            guard self != .kept, pages.count > 0 else { return false }
            let advice = self == .own ? MADV_DONTNEED : Self.remove
            return madvise(pages.baseAddress, pages.count, advice) == 0
        }
    }

    /// How its regions' pages go back.
    let pages: Pages

    deinit {
        if let start = owned.baseAddress { munmap(start, owned.count) }
    }

    /// Where a part of a region lies, from the beginning of memory that outlives the map.
    func bytes(_ number: Int, _ part: Range<Int>) -> Range<Int> {
        let start = ArenaHeader.byteCount + number * stride
        return start + part.lowerBound..<start + part.upperBound
    }

    func region(_ number: Int) -> Region {
        precondition(number >= 0 && number < regionCount, "no such region")
        return Region(
            base: base + number * stride,
            unitCount: UInt32(regionByteCountMax / Region.unitByteCount), features: features)
    }
}

/// Why a map could not be made.
package enum MapError: Error, Equatable {
    case cannotMap(byteCount: Int, errno: Int32)
    case cannotLock(byteCount: Int, errno: Int32)
    /// An arena that was left behind in a state that no death of a process explains.
    case damaged(DamagedRegion)
}
