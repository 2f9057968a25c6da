package import SessionMap

/// What is decided of a space before its node starts.
package struct SpaceConfiguration: Sendable {
    package var memoryByteCount = 64 << 20
    package var itemByteCountMax = 1 << 20
    /// The file that the items live in and that outlives the process; none is ordinary memory.
    package var memoryFile: String?
    package var damagedFileRule = NodeConfiguration.DamagedFileRule.refuse
    /// Whether items of a new memory file have checksums; by default those of one on disk do.
    package var checksums: Bool?
    package var eviction = EvictionPolicy.standard
    package var evicts = true
    package var assignsCASUniques = true
    package var locksPages = false
    package var tracksSizes = false
    package var prefixDelimiter: UInt8 = UInt8(ascii: ":")
    package var collectsPrefixDetail = false
    /// Whether `lru_crawler` does what it says from the start.
    package var isCrawlerEnabled = true
    package var locks = LockRules()

    var map: MapConfiguration {
        MapConfiguration(
            byteCount: memoryByteCount, itemByteCountMax: itemByteCountMax, eviction: eviction,
            evicts: evicts, assignsCASUniques: assignsCASUniques, locksPages: locksPages,
            tracksSizes: tracksSizes)
    }
}
