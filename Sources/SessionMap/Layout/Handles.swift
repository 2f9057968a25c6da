/// A place in a region, counted in units of 8 bytes. 0 stands for "none": the first units of a
/// region hold no extent.
typealias Unit = UInt32

// What stands at a unit has a type of its own, so that nobody gives a segment back as an item or reads
// a deadline out of a free extent. Each is one number; all of it goes away when it is compiled.

/// Where an extent starts, whatever it holds: what the allocator hands out and takes back.
struct Extent: Hashable {
    let unit: Unit

    @inline(__always)
    init(_ unit: Unit) { self.unit = unit }

    @inline(__always)
    static var null: Extent { Extent(0) }
    @inline(__always)
    var isNull: Bool { unit == 0 }

    /// The extent behind one of that length.
    @inline(__always)
    static func + (extent: Extent, length: UInt32) -> Extent { Extent(extent.unit + length) }
    @inline(__always)
    static func - (extent: Extent, length: UInt32) -> Extent { Extent(extent.unit - length) }
}

/// An item, by its head extent: stored, held, or on its way to be either.
struct Item: Hashable {
    let unit: Unit

    @inline(__always)
    init(_ unit: Unit) { self.unit = unit }
    @inline(__always)
    init(_ head: Extent) { unit = head.unit }

    @inline(__always)
    static var null: Item { Item(0) }
    @inline(__always)
    var isNull: Bool { unit == 0 }
    @inline(__always)
    var head: Extent { Extent(unit) }
}

/// A segment of the index, by its extent.
struct Segment: Hashable {
    let unit: Unit

    @inline(__always)
    init(_ unit: Unit) { self.unit = unit }
    @inline(__always)
    var extent: Extent { Extent(unit) }
}

/// What a region starts with. There is one, so nobody has to say which.
enum Border {}
