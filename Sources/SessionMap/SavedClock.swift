/// The node's clock beside two others, at one moment: what lets time go on after a restart.
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

    func write(to page: UnsafeMutableRawPointer) {
        var id: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &id) { $0.copyBytes(from: bootID.prefix(16)) }
        let isSameBoot =
            page.load(fromByteOffset: 64, as: UInt64.self) == id.0
            && page.load(fromByteOffset: 72, as: UInt64.self) == id.1
        // In between, the seconds of one start of the machine must not seem to be another's.
        if !isSameBoot { page.storeBytes(of: 0, toByteOffset: 64, as: UInt64.self) }
        Region.order()
        let node = UInt64(nodeSeconds) << 32
        page.storeBytes(of: node | UInt64(bootSeconds), toByteOffset: 48, as: UInt64.self)
        page.storeBytes(of: node | UInt64(wallSeconds), toByteOffset: 56, as: UInt64.self)
        Region.order()
        if !isSameBoot {
            page.storeBytes(of: id.1, toByteOffset: 72, as: UInt64.self)
            Region.order()
            page.storeBytes(of: id.0, toByteOffset: 64, as: UInt64.self)
        }
    }
}
