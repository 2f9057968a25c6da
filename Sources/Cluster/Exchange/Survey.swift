/// What one member has of all that it owns together with a peer, in short: the later state of each key is found
/// by comparing two of them.
///
/// 32 bytes for each key; sorted, so that what is in one range of hashes is found without a search of all.
package struct Survey: Sendable {
    /// Keys fall into so many ranges by the top bits of their hashes.
    package static let rangeCount = 8_192
    private static let shift: UInt64 = 64 - 13

    /// By their hashes.
    let found: [SurveyedState]
    /// For each range the sum of its stamps: two members whose digests agree have the same there.
    let digests: [UInt64]
    /// Where each range starts among `found`, and where the last one ends.
    private let starts: [Int]

    package init(_ unsorted: [SurveyedState]) {
        found = Self.merged(unsorted.sorted { ($0.hash, $1.stamp) < ($1.hash, $0.stamp) })
        var digests = [UInt64](repeating: 0, count: Self.rangeCount)
        var starts = [Int](repeating: 0, count: Self.rangeCount + 1)
        for state in found {
            let range = Int(state.hash >> Self.shift)
            digests[range] ^= Self.mix(state)
            starts[range + 1] += 1
        }
        for range in 0..<Self.rangeCount { starts[range + 1] += starts[range] }
        self.digests = digests
        self.starts = starts
    }

    /// Of each key the latest state alone, of equal ones the first: what else there is of it is remembered only.
    private static func merged(_ sorted: [SurveyedState]) -> [SurveyedState] {
        var merged: [SurveyedState] = []
        merged.reserveCapacity(sorted.count)
        for state in sorted where merged.last?.hash != state.hash { merged.append(state) }
        return merged
    }

    private static func mix(_ state: SurveyedState) -> UInt64 {
        let stamp = state.stamp.version &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(state.stamp.birth)
        let mixed = (state.hash ^ stamp ^ stamp >> 29) &* 0xD6E8_FEB8_6659_FD93
        return mixed ^ mixed >> 32
    }

    func states(in range: Int) -> ArraySlice<SurveyedState> {
        guard (0..<Self.rangeCount).contains(range) else { return [] }
        return found[starts[range]..<starts[range + 1]]
    }

    /// Those of a range with one of these hashes.
    func states(in range: Int, hashes: [UInt64]) -> [SurveyedState] {
        let wanted = Set(hashes)
        return states(in: range).filter { wanted.contains($0.hash) }
    }
}

/// A key's state, as a survey finds it.
package struct SurveyedState: Hashable, Sendable {
    /// The same at all members.
    package var hash: UInt64
    /// Where the store finds it again. The store's own.
    package var place: UInt64
    package var stamp: Stamp

    package init(hash: UInt64, place: UInt64, stamp: Stamp) {
        self.hash = hash
        self.place = place
        self.stamp = stamp
    }
}

/// A key's state, as short as it can be told.
package struct ListedState: Hashable, Sendable {
    package var hash: UInt64
    package var stamp: Stamp

    package init(hash: UInt64, stamp: Stamp) {
        self.hash = hash
        self.stamp = stamp
    }
}
