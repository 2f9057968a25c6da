/// What has become of a state without its becoming another one: it was read, or is to live longer.
///
/// Many of them go together, and nobody waits for them: what is lost with a member is the last second of them.
package struct Note: Equatable, Sendable {
    package var key: [UInt8]
    /// A note on any other state means nothing.
    package var stamp: Stamp
    /// Nil is never.
    package var secondsLeft: UInt32?
    package var marks: UInt8

    package init(key: [UInt8], stamp: Stamp, secondsLeft: UInt32?, marks: UInt8) {
        self.key = key
        self.stamp = stamp
        self.secondsLeft = secondsLeft
        self.marks = marks
    }
}

/// Keys of which a peer is to be told, together.
struct Notes: Sendable {
    private(set) var waiting: [[UInt8]] = []
    /// Those of the last time: it may not have come.
    private(set) var sent: [[UInt8]] = []

    /// So many go by one frame.
    static let countMax = 256

    /// Of somebody who is away, so many are kept.
    private static let waitingCountMax = 65_536

    mutating func add(_ key: [UInt8]) {
        if waiting.count < Self.waitingCountMax { waiting.append(key) }
    }
    var areMany: Bool { waiting.count >= Self.countMax }

    mutating func send() -> [[UInt8]] {
        sent = waiting
        waiting = []
        return sent
    }

    /// All that the peer may not have been told.
    mutating func takeUntold() -> [[UInt8]] {
        defer { (waiting, sent) = ([], []) }
        return sent + waiting
    }
}
