/// The resolved moment at which an item expires, in seconds of the node's clock: 68 years of them.
///
/// Public for the reason that `HitUse` is.
public struct Deadline: Equatable, Sendable {
    /// As the layout has it: the seconds, and in the highest bit whether it slides. Earlier builds had seconds there,
    /// too, for what was to live for more than 68 years: such an item loses those.
    @usableFromInline let word: UInt32

    @usableFromInline static var secondsMax: UInt32 { 0x7FFF_FFFF }

    /// 0 stands for "never": the node's clock starts later than that.
    @inlinable @inline(__always)
    public var seconds: UInt32 { word & Self.secondsMax }

    /// Whether each access puts it off, see `Lifetimes`.
    @inlinable @inline(__always)
    package var slides: Bool { word > Self.secondsMax }

    /// The same moment, put off by each access.
    package var sliding: Deadline { Deadline(stored: word | ~Self.secondsMax) }

    @inlinable @inline(__always)
    init(stored word: UInt32) { self.word = word }

    @inlinable public static var never: Deadline { Deadline(stored: 0) }
    /// A moment that has passed already.
    @inlinable public static var past: Deadline { Deadline(stored: 1) }
    /// The node's clock must not show less than this.
    @inlinable public static var clockStart: UInt32 { 2 }

    /// `seconds` on the node's clock; what the clock cannot show any more is its last second.
    @inlinable @inline(__always)
    public static func at(_ seconds: UInt64) -> Deadline {
        Deadline(stored: UInt32(clamping: min(max(seconds, 1), UInt64(secondsMax))))
    }

    @inline(__always)
    package func isPassed(at now: UInt32) -> Bool { seconds != 0 && seconds <= now }

    /// None for never.
    package func secondsLeft(at now: UInt32) -> UInt32? {
        seconds == 0 ? nil : seconds - min(seconds, now)
    }
}

/// What a store command does with the item that is there.
public enum StoreMode: Equatable, Sendable {
    case set
    case add
    case replace
    case append
    case prepend
}

/// Everything about a new item but its bytes.
///
/// Public for the reason that `HitUse` is.
public struct StoreRequest: Equatable, Sendable {
    public var mode: StoreMode
    public var clientFlags: UInt32
    public var deadline: Deadline
    /// What the CAS unique of the item that is there must be. `add` does not look at it; `append`
    /// and `prepend` take 0 as no wish.
    public var comparison: UInt64?
    /// A lower comparison than the item's unique stores the value nevertheless, as a stale one that
    /// keeps the item's deadline. For `set` and `replace`.
    public var storesStale = false
    /// `append` and `prepend` make an item where there is none.
    public var createsMissing = false
    /// The item's own unique, instead of a fresh one.
    public var casUnique: UInt64?
    public var hasEncodedKey = false
    /// A value that cannot be stored, too large or for want of memory, takes the old one with it,
    /// which is out of date. Not so with the conditional commands.
    public var dropsOldWhenRefused: Bool

    @inlinable @inline(__always)
    public init(
        mode: StoreMode, clientFlags: UInt32, deadline: Deadline, comparison: UInt64? = nil
    ) {
        self.mode = mode
        self.clientFlags = clientFlags
        self.deadline = deadline
        self.comparison = comparison
        dropsOldWhenRefused = if case .set = mode { comparison == nil } else { false }
    }

    /// Whether this is a compare-and-swap, which is counted as one and finds no item missing.
    @inlinable @inline(__always)
    public var isCompareAndSwap: Bool {
        switch mode {
        case .set, .replace: comparison != nil
        case .add, .append, .prepend: false
        }
    }
}

package enum StoreOutcome: Equatable, Sendable {
    case stored
    case notStored
    /// The CAS unique differs.
    case exists
    case notFound
    case tooLarge
    case outOfMemory
}

/// What comes of an `add` in turn.
package enum ClaimOutcome: Equatable, Sendable {
    case stored
    /// The key has an item, which goes by itself at this time, if nobody touches it; or others are first.
    case held(until: Deadline)
    /// Too large, or no memory: waiting does not help.
    case refused(StoreOutcome)
}

/// Public for the reason that `HitUse` is.
public enum RetrievalOutcome: Equatable, Sendable {
    case hit
    case miss
    /// There was an item, but its deadline has passed: a miss of its own kind.
    case expired
    /// There was an item, but a flush came after it: a miss of its own kind.
    case flushed
    /// There is an item, but too much memory is pinned already for its value to be sent.
    case outOfMemory

    /// As `==`, which in another module is a call through a witness table.
    @inlinable @inline(__always)
    public var isHit: Bool {
        if case .hit = self { true } else { false }
    }
}

/// What a retrieval stores where it finds nothing: an empty item, for the client to fill.
package struct Vivification: Equatable, Sendable {
    package var deadline: Deadline
    package var casUnique: UInt64?
    package var hasEncodedKey = false

    package init(deadline: Deadline) { self.deadline = deadline }
}

/// How a number in an item is changed.
package struct ArithmeticRequest: Equatable, Sendable {
    /// The item that is made where there is none.
    package struct Initial: Equatable, Sendable {
        package var number: UInt64
        package var deadline: Deadline

        package init(number: UInt64, deadline: Deadline) {
            self.number = number
            self.deadline = deadline
        }
    }

    package var delta: UInt64
    package var increments: Bool
    /// What the item's CAS unique must be; 0 is no wish.
    package var comparison: UInt64 = 0
    package var initial: Initial?
    /// The item's new unique, instead of a fresh one.
    package var casUnique: UInt64?
    package var hasEncodedKey = false

    package init(delta: UInt64, increments: Bool) {
        self.delta = delta
        self.increments = increments
    }
}

package enum ArithmeticOutcome: Equatable, Sendable {
    case value(UInt64)
    /// There was no item; one was made.
    case created
    /// The CAS unique differs.
    case exists
    case notFound
    case notANumber
    case outOfMemory
}

/// How an item is made useless without being deleted.
package struct Invalidation: Equatable, Sendable {
    /// Replaces the item by an empty one, with these client flags.
    package var emptyClientFlags: UInt32?
    /// Marks it as stale, for the next reader to make a new value.
    package var marksStale: Bool
    /// Nothing leaves it; an empty item has none then.
    package var deadline: Deadline?
    /// The item's new unique, instead of a fresh one.
    package var casUnique: UInt64?
    package var hasEncodedKey = false

    package init(emptyClientFlags: UInt32?, marksStale: Bool, deadline: Deadline?) {
        self.emptyClientFlags = emptyClientFlags
        self.marksStale = marksStale
        self.deadline = deadline
    }
}

package enum DeleteOutcome: Equatable, Sendable {
    case deleted
    /// The CAS unique differs.
    case exists
    case notFound
    case outOfMemory
}
