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
    private var waiting: [[UInt8]] = []
    /// Those of this second and of the one before: they may not have come.
    private var sent: [[UInt8]] = []
    private var sentBefore: [[UInt8]] = []
    /// So many different ones wait that there is no place for more.
    private var isFull = false

    /// So many go by one frame.
    static let countMax = 256

    /// Of somebody who is away, so many are kept.
    static let waitingCountMax = 65_536

    /// False if there is no place for it.
    mutating func add(_ key: [UInt8]) -> Bool {
        guard !isFull else { return false }
        waiting.append(key)
        if waiting.count == Self.waitingCountMax {
            // The same session is renewed again and again.
            waiting = Array(Set(waiting))
            isFull = waiting.count > Self.waitingCountMax * 3 / 4
        }
        return true
    }

    var areMany: Bool { waiting.count >= Self.countMax }

    /// What waits.
    mutating func send() -> [[UInt8]] {
        defer { (waiting, isFull) = ([], false) }
        sent += waiting
        return waiting
    }

    /// To be called every second: what was sent before the last time has come.
    mutating func settle() { (sentBefore, sent) = (sent, []) }

    /// The link has ended: all that may not have come waits again.
    mutating func takeBack() {
        let untold = sentBefore + sent
        (sentBefore, sent) = ([], [])
        for key in untold where !isFull { _ = add(key) }
    }
}
