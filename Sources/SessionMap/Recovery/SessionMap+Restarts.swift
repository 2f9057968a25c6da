/// How often a map's memory has been taken over, which it says itself.
extension SessionMap {
    /// Since the memory was made, this process's included; 0 where it does not outlive the process.
    package var takeoverCount: UInt64 {
        page?.load(fromByteOffset: ArenaHeader.takeoverCount, as: UInt64.self) ?? 0
    }

    /// Called once, by the process that has taken it over.
    package func noteTakeover() {
        page?.storeBytes(
            of: takeoverCount &+ 1, toByteOffset: ArenaHeader.takeoverCount, as: UInt64.self)
    }
}
