/// The rules by which extents follow on each other in a region, and the walk from border to border by
/// them. Recovery walks by them what it does not believe, and invariants what a shard has made: what the
/// one takes for whole is what the other promises.
struct RegionWalk {
    /// A rule that does not hold.
    enum Fault: String {
        /// Nobody knows where the next extent starts: the walk ends, and what is left counts as this one.
        case length = "an extent of an impossible length"
        case kind = "an extent of an unknown kind"
        case key = "an item without a key"

        func damage(at extent: Extent) -> DamagedRegion {
            DamagedRegion(reason: "\(rawValue) at unit \(extent.unit)")
        }
    }

    struct Step {
        let extent: Extent
        let length: UInt32
        /// Of an extent without fault it is known.
        var kind = Region.Kind.held
        var fault: Fault?
    }

    private let region: Region
    private let last: Extent
    private var extent: Extent

    init(_ region: Region, end: Unit, from start: Unit = ExtentAllocator.headUnitCount) {
        self.region = region
        last = Extent(end - 1)
        extent = Extent(start)
    }

    var hasBorders: Bool {
        region.length(.null) == ExtentAllocator.headUnitCount
            && region.kindIfKnown(.null) == .border && region.length(last) == 1
            && region.kindIfKnown(last) == .border
    }

    mutating func next() -> Step? {
        guard extent.unit < last.unit else { return nil }
        let left = last.unit - extent.unit
        let length = region.length(extent)
        var step = Step(extent: extent, length: length)
        guard length > 0, length <= left else {
            step = Step(extent: extent, length: left, fault: .length)
            extent = last
            return step
        }
        switch region.kindIfKnown(extent) {
        case .item:
            step.kind = .item
            if !holdsKey(Item(extent), length) { step.fault = .key }
        case .free: step.kind = .free
        case .continuation: step.kind = .continuation
        case .index: step.kind = .index
        case .held: break
        case .border, .tombstone, .guest, .guestTombstone, nil: step.fault = .kind
        }
        extent = extent + length
        return step
    }

    @inline(__always)
    private func holdsKey(_ item: Item, _ length: UInt32) -> Bool {
        region[item, .keyByteCount] > 0
            && Int(length) * Region.unitByteCount >= region.valueOffset(item)
    }
}

/// A rule about an item's extents that does not hold.
enum ChainFault: String {
    case missing = "an item in pieces that misses one"
    case tooMany = "an item with an extent too many"

    func damage(of item: Item) -> DamagedRegion {
        DamagedRegion(reason: "\(rawValue), unit \(item.unit)")
    }
}

extension Region {
    /// Walks an item's extents: as many as hold its bytes, each of which `claim` takes for the item's and
    /// nobody else's, and no more.
    func walkChain(
        _ item: Item, valueByteCount: Int, claim: (Extent) -> Bool
    ) -> ChainFault? {
        var extent = item.head
        var bytesLeft = valueOffset(item) + valueByteCount
        while claim(extent) {
            bytesLeft -= Int(length(extent)) * Region.unitByteCount
            let next = next(after: extent)
            if bytesLeft <= 0 { return next.isNull ? nil : .tooMany }
            extent = next
            bytesLeft += Region.continuationHeaderByteCount
        }
        return .missing
    }
}
