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

    package static func tombstone(of key: [UInt8], _ stamp: Stamp) -> KeyState {
        KeyState(key: key, stamp: stamp, kind: .tombstone)
    }
}

/// What a request has made of a key.
package enum Change: Equatable, Sendable {
    case none
    case state(KeyState)
    /// The same state as before, which is to live longer, or was proven: see `Note`.
    case note
}

/// One member's copies. The rules of commands are the store's; which member carries them out is not.
package protocol ReplicaStore: AnyObject {
    /// Carries a request out. What it changes gets a stamp above everything that is known of the key.
    func perform(_ request: Request) -> (outcome: Outcome, change: Change)

    /// The same request without what it says of how long what it reads is to live; nil of one that does more than that.
    func reading(of request: Request) -> Request?

    /// What a client is told whose request is not carried out, as others may not hear of it.
    func refusal(of request: Request) -> Outcome

    /// Takes a state over if it is the later one. Nil if it was, or is there; else what is there.
    func apply(_ state: KeyState) -> Stamp?

    /// The same of a key that is others', for as long as these are away. The first to go if room is wanted.
    func keep(_ state: KeyState) -> Stamp?

    /// The same of a note.
    func keep(_ note: Note)

    /// Lets a copy go that is not valid any more: nothing is known of the key then.
    func discard(_ key: [UInt8])

    /// Whether a request depends on what there is of its key, of which nothing is known here.
    func lacks(whatIsNeededBy request: Request) -> Bool

    /// Whether a deletion is remembered of what is not here: it may be at others, who are away.
    var isStandIn: Bool { get set }

    /// Whether something may be here that is others'.
    var mayHaveGuests: Bool { get }

    /// A change was acknowledged without the other owner, who may come back.
    func released(_ state: KeyState)

    /// Whether a read of this key is a change, which whoever decides has to make.
    func changesByReading(_ key: [UInt8]) -> Bool

    /// Whether a request depends on what may be at the other owner alone: it was evicted here.
    func mayLack(whatIsNeededBy request: Request) -> Bool

    /// Of what is known of a key, `none` of nothing.
    func stamp(of key: [UInt8]) -> Stamp

    func state(of key: [UInt8]) -> KeyState?

    func note(of key: [UInt8]) -> Note?

    /// Lets a state that is here live longer, if that is what a note says.
    func apply(_ note: Note)

    /// Whether what a note is about is not here, and is to be here as long as it is at the other owner.
    func lacks(_ note: Note) -> Bool

    /// Gives a key's present state a stamp above another.
    func raise(_ key: [UInt8], above stamp: Stamp) -> KeyState?

    /// From now on until `settle` a change of this key may be here that is not at both owners: whoever reads
    /// without asking the member must ask now.
    func unsettle(_ key: [UInt8])
    func settle(_ key: [UInt8])

    /// What its clock has come to, in microseconds since 2025, and never to fall behind this from now on.
    var clock: UInt64 { get }
    func follow(clock: UInt64)

    /// Everything with an earlier stamp is gone: what `flush` was told last, `none` if it never was.
    var flushed: Stamp { get }

    /// Lets everything go that has an earlier stamp, and takes nothing with one from now on.
    func flush(_ stamp: Stamp)

    /// By when deletions were made that are not remembered any more, though somebody was away who may have what was
    /// deleted; 0 for none. On the clock of versions.
    var forgotten: UInt64 { get }

    /// Somebody whose place this member takes has forgotten deletions up to then.
    func noteForgotten(until time: UInt64)

    /// Lets all copies go of which somebody says that they are not this member's any more: no deletions, they are at others.
    /// False if that takes longer: the member is told by `dropped` when it is over.
    func drop(where isForeign: @escaping ([UInt8]) -> Bool) -> Bool

    /// A deletion of what somebody else has, and may have been deleted here: it is here from now on.
    func end(_ state: KeyState) -> KeyState

    /// Whether this member compares what it has with another one: what was surveyed is not forgotten meanwhile.
    var isComparing: Bool { get set }

    /// The states of what a survey has found: one, as a rule, and none if it has gone.
    func states(of found: SurveyedState) -> [KeyState]
}

extension ReplicaStore {
    package func keep(_ state: KeyState) -> Stamp? { apply(state) }
    package func keep(_ note: Note) { apply(note) }
    package func reading(of request: Request) -> Request? { nil }
    package func released(_ state: KeyState) {}
    package func changesByReading(_ key: [UInt8]) -> Bool { false }
    package func mayLack(whatIsNeededBy request: Request) -> Bool { false }
    package func note(of key: [UInt8]) -> Note? { nil }
    package func apply(_ note: Note) {}
    package func lacks(_ note: Note) -> Bool { false }
    package func noteForgotten(until time: UInt64) {}
}
