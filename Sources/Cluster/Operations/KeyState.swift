/// All that a copy of a key is, in one node as in another.
package struct KeyState: Equatable, Sendable {
    package enum Kind: UInt8, Sendable, CaseIterable {
        case item = 1
        /// It was deleted.
        case tombstone = 6
    }

    package var key: [UInt8]
    package var stamp: Stamp
    package var kind: Kind
    package var clientFlags: UInt32
    /// Nil is never. Nodes have clocks of their own.
    package var secondsLeft: UInt32?
    package var marks: UInt8
    package var value: [UInt8]

    package init(
        key: [UInt8], stamp: Stamp, kind: Kind, clientFlags: UInt32 = 0, secondsLeft: UInt32? = nil,
        marks: UInt8 = 0, value: [UInt8] = []
    ) {
        self.key = key
        self.stamp = stamp
        self.kind = kind
        self.clientFlags = clientFlags
        self.secondsLeft = secondsLeft
        self.marks = marks
        self.value = value
    }
}

/// One member's copies. The rules of commands are the store's; which member carries them out is not.
package protocol ReplicaStore {
    /// Carries a request out. What it changes gets a stamp above everything that is known of the key.
    mutating func perform(_ request: Request) -> (outcome: Outcome, changed: KeyState?)

    /// Takes a state over if it is the later one. Nil if it was, or is there; else what is there.
    mutating func apply(_ state: KeyState) -> Stamp?

    /// Of what is known of a key, `none` of nothing.
    func stamp(of key: [UInt8]) -> Stamp

    /// Gives a key's present state a stamp above another.
    mutating func raise(_ key: [UInt8], above stamp: Stamp) -> KeyState?

    /// What its clock has come to, in microseconds since 2025, and never to fall behind this from now on.
    var clock: UInt64 { get }
    mutating func follow(clock: UInt64)

    /// By range of the keys' hashes: what the stamps of all keys that these two own come to.
    func digests(sharedWith peer: Int) -> [UInt64]
    /// Hash and stamp of each in one range.
    func list(range: Int, sharedWith peer: Int) -> [ListedState]
    /// The states of keys with this hash that are shared with a peer: one, as a rule.
    func states(hash: UInt64, sharedWith peer: Int) -> [KeyState]
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
