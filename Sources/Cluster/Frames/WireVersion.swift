/// A version of what members say to each other. A link has one, on which its two ends settle as they greet each other.
///
/// The next version begins with a case here, and with `newest`. What it adds is written and read only where a
/// `ByteWriter` or a `ByteReader` is of that version, a new type of frame says since when there is one, and the bytes
/// that earlier versions' messages have stay what they are: `WireVersionTests` keeps them.
package struct WireVersion: RawRepresentable, Comparable, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Statements tell up to when two members agree. Who speaks it refuses every other one.
    package static let two = WireVersion(rawValue: 2)
    /// Members change from one generation of the definition to the next. Versions are negotiated from this one on.
    package static let three = WireVersion(rawValue: 3)

    package static let newest = three

    package static func < (one: WireVersion, other: WireVersion) -> Bool {
        one.rawValue < other.rawValue
    }
}

extension WireVersion: CustomStringConvertible {
    package var description: String { "\(rawValue)" }
}

/// The versions that a node speaks: its newest, and the one before, so that nodes can be upgraded one at a time.
package struct WireVersions: Equatable, Sendable {
    package let newest: WireVersion

    /// - Parameter newest: another one than this build's in tests only.
    package init(newest: WireVersion = .newest) {
        precondition(newest >= .two, "there is no earlier version")
        self.newest = newest
    }

    package var oldest: WireVersion {
        WireVersion(rawValue: max(newest.rawValue - 1, WireVersion.two.rawValue))
    }

    /// What is offered to a peer that has refused the newest without a word on its own. Later versions than 2 answer with
    /// an earlier one themselves.
    ///
    /// Nobody has proven that it was the peer who refused: who is in between can have a link speak 2. He cannot do more
    /// in it, and could as well cut it.
    package var fallback: WireVersion? { oldest == .two && newest > .two ? .two : nil }

    /// The version of a link with who offers this one, if there can be one: the lower of both sides' newest.
    func common(with offered: WireVersion) -> WireVersion? {
        guard newest > .two else { return offered == newest ? newest : nil }
        let common = min(newest, offered)
        return common >= oldest ? common : nil
    }
}

extension WireVersions: CustomStringConvertible {
    package var description: String { oldest < newest ? "\(oldest) or \(newest)" : "\(newest)" }
}
