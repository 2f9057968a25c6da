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

    func birth(replacing old: Item, in region: Region) -> UInt32 {
        switch self {
        case .kept(let new): old.isNull ? new : region.birth(old)
        case .exactly(let birth): birth
        }
    }
}
