/// The slots of one segment: an open-addressing table.
struct IndexSlots {
    static let slotByteCount = 8
    /// An extent's header, then how many items and slots there are.
    static let headerByteCount = 16

    private let memory: UnsafeMutablePointer<UInt64>
    let count: UInt32

    init(region: Region, segment: Segment) {
        self.init(region: region, segment: segment, count: region[segment, .segmentShape] >> 8)
    }

    /// - Parameter count: what the segment's header says, known without reading it.
    @inline(__always)
    init(region: Region, segment: Segment, count: UInt32) {
        self.count = count
        let bytes = region.bytes(
            segment.extent, offset: Self.headerByteCount, count: Int(count) * Self.slotByteCount)
        memory = bytes.assumingMemoryBound(to: UInt64.self).baseAddress.unsafelyUnwrapped
    }

    @inline(__always)
    subscript(number: UInt32) -> UInt64 {
        get {
            precondition(number < count)
            return memory[Int(number)]
        }
        nonmutating set {
            precondition(number < count)
            memory[Int(number)] = newValue
        }
    }

    @inline(__always)
    func home(_ tag: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: (UInt64(tag) * UInt64(count)) >> 32)
    }

    @inline(__always)
    func after(_ number: UInt32) -> UInt32 { number + 1 == count ? 0 : number + 1 }

    func insert(_ slot: UInt64, tag: UInt32) {
        var number = home(tag)
        while self[number] != 0 { number = after(number) }
        self[number] = slot
    }

    /// Empties a slot and moves later ones of the same run back, so that no probe breaks off.
    func remove(_ number: UInt32) {
        var hole = number
        var probe = after(hole)
        while self[probe] != 0 {
            let home = home(UInt32(truncatingIfNeeded: self[probe] >> 32))
            let staysBehindHole =
                hole <= probe
                ? hole < home && home <= probe : hole < home || home <= probe
            if !staysBehindHole {
                self[hole] = self[probe]
                hole = probe
            }
            probe = after(probe)
        }
        self[hole] = 0
    }
}

extension Region.Field where Place == Segment {
    static var segmentItemCount: Self { Self(offset: 8) }
    /// Slots in the upper 24 bits, depth in the lower 8.
    static var segmentShape: Self { Self(offset: 12) }
}
