/// Of one node's copy of an item all but key and value.
package struct CopyHead: Equatable, Sendable {
    /// The CAS unique: the same on all nodes that have the item as it is.
    package var version: UInt64
    /// When this incarnation of the key began, see `SessionMap.setNextStamp`.
    package var birth: UInt32
    package var clientFlags: UInt32
    package var deadline: Deadline
    /// As the layout has them, see `ItemMark`.
    package var marks: UInt32

    package init(
        version: UInt64, birth: UInt32, clientFlags: UInt32, deadline: Deadline, marks: UInt32
    ) {
        self.version = version
        self.birth = birth
        self.clientFlags = clientFlags
        self.deadline = deadline
        self.marks = marks
    }

    /// Its value is out of date, as a client has said.
    package var isStale: Bool { marks & ItemMark.stale != 0 }

    package var isProven: Bool { Self.isProven(marks: marks) }

    package static func isProven(marks: UInt32) -> Bool { marks & ItemMark.proven != 0 }

    /// What another node is told of the marks, and with them whether the deadline slides.
    package var toldMarks: UInt8 {
        UInt8(truncatingIfNeeded: marks & Self.sharedMarks)
            | (deadline.slides ? Self.slidesMark : 0)
    }

    private static let slidesMark: UInt8 = 1 << 5

    /// The deadline of which another node tells that so much is left, on this node's clock.
    package static func deadline(secondsLeft: UInt32?, marks: UInt8, now: UInt32) -> Deadline {
        guard let secondsLeft else { return .never }
        let deadline = Deadline.at(UInt64(now) + UInt64(secondsLeft))
        return marks & slidesMark == 0 ? deadline : deadline.sliding
    }

    /// The same marks of what is worth less than what is proven.
    package static func unproven(_ marks: UInt8) -> UInt8 {
        marks & ~UInt8(truncatingIfNeeded: ItemMark.proven)
    }

    /// The same state, seen at two nodes: the later deadline, and proven if it is at either.
    package func merged(with other: CopyHead) -> CopyHead {
        var merged = self
        if deadline == .never || other.deadline == .never {
            merged.deadline = .never
        } else if other.deadline.seconds > deadline.seconds {
            merged.deadline = other.deadline
        }
        merged.marks |= other.marks & Self.sharedMarks
        return merged
    }

    /// Marks that a copy has like its original. That it was read is known where it was read.
    package static let sharedMarks =
        ItemMark.proven | ItemMark.stale | ItemMark.claimed | ItemMark.encodedKey
}

/// Which birth an item gets that is stored next.
enum BirthRule {
    /// That of the item whose place it takes; this one where there is none.
    case kept(orElse: UInt32)
    case exactly(UInt32)

    /// A day, as versions count it.
    static let wishMax: UInt64 = 86_400_000_000 << 14

    /// - Parameter clock: what the birth is of what begins now, where copies do not say; 0 is none.
    func birth(replacing old: Item, in region: Region, clock: () -> UInt32) -> UInt32 {
        switch self {
        case .kept(let new):
            // Of what is 0 nobody knows; it is overwritten in time.
            if !old.isNull, case let birth = region.birth(old), birth != 0 { return birth }
            return new == 0 ? clock() : new
        case .exactly(let birth): return birth
        }
    }
}
