/// An arena of this layout or an earlier one, by its first page.
package struct FoundArena: Equatable, Sendable {
    package let layoutVersion: UInt32
    package let header: ArenaHeader

    init(layoutVersion: UInt32, header: ArenaHeader) {
        self.layoutVersion = layoutVersion
        self.header = header
    }

    /// One of this build's layout.
    package init(present header: ArenaHeader) {
        self.init(layoutVersion: ArenaHeader.layoutVersion, header: header)
    }

    /// Reads a page; whatever layout it has, the numbers that cut the arena into regions make sense.
    /// `bootID` is this start of the machine; without it, whether the arena fits together is not asked.
    package static func read(
        _ page: UnsafeRawBufferPointer, bootID: [UInt8]? = nil
    ) -> Result<FoundArena, ArenaHeader.Mismatch> {
        switch ArenaHeader.read(page, bootID: bootID) {
        case .success(let header):
            return .success(FoundArena(present: header))
        case .failure(.otherVersion(Layout3.version)):
            guard let header = Layout3.header(page) else { return .failure(.foreign) }
            // It does not tell whether it was closed in order, and has nothing to tell damage by.
            if let bootID, SavedClock(page).bootID != bootID { return .failure(.interrupted) }
            return .success(FoundArena(layoutVersion: Layout3.version, header: header))
        case .failure(let mismatch): return .failure(mismatch)
        }
    }

    /// Why its items must move to another arena before a map of this configuration can have them.
    package func reasonToMove(for configuration: MapConfiguration) -> String? {
        if layoutVersion != ArenaHeader.layoutVersion {
            return "layout \(layoutVersion) becomes \(ArenaHeader.layoutVersion)"
        }
        let byteCount = SessionMap.arenaByteCount(forMapOf: configuration.byteCount)
        let isOther =
            header.room == nil
            ? header.arenaByteCount != byteCount
            : header.limitByteCount
                != SessionMap.share(of: configuration.byteCount, shardCount: header.regionCount)
        if isOther {
            return "\(header.usedByteCount >> 20) MB become \(byteCount >> 20)"
        }
        if configuration.itemByteCountMax > header.limitByteCount / 2 {
            return "\(header.regionCount) shards become \(configuration.shardCount) for -I"
        }
        let (old, new) = (header.features, configuration.features)
        if old.contains(.checksums) != new.contains(.checksums) {
            return "its items \(new.contains(.checksums) ? "get" : "lose their") checksums"
        }
        if old.contains(.births) != new.contains(.births) {
            return "its items \(new.contains(.births) ? "get" : "lose") the time of their birth"
        }
        return nil
    }
}
