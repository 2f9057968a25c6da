/// The node's clock beside two others, at one moment: what lets time go on after a restart.
///
/// In the header page:
///
///     byte 48   seconds of the node (32) · of the boot-time clock (32), by one store
///     byte 56   seconds of the node (32) · of the wall clock (32), by one store
///     byte 64   boot ID (128)
package struct SavedClock: Equatable, Sendable {
    package var nodeSeconds: UInt32
    /// Seconds since the machine started, its sleep included.
    package var bootSeconds: UInt32
    package var wallSeconds: UInt32
    /// Which start of the machine `bootSeconds` belong to.
    package var bootID: [UInt8]

    package init(
        nodeSeconds: UInt32, bootSeconds: UInt32, wallSeconds: UInt32, bootID: [UInt8]
    ) {
        self.nodeSeconds = nodeSeconds
        self.bootSeconds = bootSeconds
        self.wallSeconds = wallSeconds
        self.bootID = bootID
    }

    /// Reads the clock of a page. The node's seconds are those of the boot-time clock's pair.
    package init(_ page: UnsafeRawBufferPointer) {
        let boot = page.load(fromByteOffset: 48, as: UInt64.self)
        let wall = page.load(fromByteOffset: 56, as: UInt64.self)
        nodeSeconds = UInt32(truncatingIfNeeded: boot >> 32)
        bootSeconds = UInt32(truncatingIfNeeded: boot)
        wallSeconds = UInt32(truncatingIfNeeded: wall)
        // The pairs are a store apart: what passed on the node's clock between them passed on the
        // wall clock, too.
        wallSeconds &-= UInt32(truncatingIfNeeded: wall >> 32) &- nodeSeconds
        bootID = Array(page[64..<80])
    }

    /// What the node's clock shows later, on a start of the machine that is known by its ID. The
    /// boot-time clock knows how long the node was down, unless the machine has started again.
    package func nodeSeconds(
        bootID: [UInt8], bootSeconds: Int64, wallSeconds: Int64
    ) -> UInt32 {
        let elapsed =
            self.bootID == bootID
            ? bootSeconds - Int64(self.bootSeconds) : wallSeconds - Int64(self.wallSeconds)
        return UInt32(
            clamping: max(Int64(Deadline.clockStart), Int64(nodeSeconds) + max(0, elapsed)))
    }

    /// `willStore` is told before every store, for a test that looks at what a death would leave.
    func write(to page: UnsafeMutableRawPointer, willStore: () -> Void = {}) {
        func store(_ value: UInt64, _ offset: Int) {
            willStore()
            page.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
            Region.order()
        }
        var id: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &id) { $0.copyBytes(from: bootID.prefix(16)) }
        let isSameBoot =
            page.load(fromByteOffset: 64, as: UInt64.self) == id.0
            && page.load(fromByteOffset: 72, as: UInt64.self) == id.1
        // In between, the seconds of one start of the machine must not seem to be another's.
        if !isSameBoot { store(0, 64) }
        let node = UInt64(nodeSeconds) << 32
        store(node | UInt64(bootSeconds), 48)
        store(node | UInt64(wallSeconds), 56)
        if !isSameBoot {
            store(id.1, 72)
            store(id.0, 64)
        }
    }
}
