/// Some of a cluster's members, by their numbers: the places of at most 64 in its definition.
package struct MemberSet: Hashable, Sendable {
    package private(set) var bits: UInt64

    package static let memberCountMax = 64

    package init(bits: UInt64 = 0) { self.bits = bits }

    /// Fronts have numbers that are no member's.
    package func contains(_ member: Int) -> Bool {
        (0..<Self.memberCountMax).contains(member) && bits & Self.bit(member) != 0
    }
    package mutating func insert(_ member: Int) { bits |= Self.bit(member) }
    package mutating func remove(_ member: Int) { bits &= ~Self.bit(member) }
    package var isEmpty: Bool { bits == 0 }
    var count: Int { bits.nonzeroBitCount }
    func contains(all others: MemberSet) -> Bool { others.bits & ~bits == 0 }

    package init(_ members: some Sequence<Int>) {
        self.init()
        for member in members { insert(member) }
    }

    package func union(_ other: MemberSet) -> MemberSet { MemberSet(bits: bits | other.bits) }

    /// In ascending order.
    package var numbers: [Int] { (0..<Self.memberCountMax).filter(contains) }

    private static func bit(_ member: Int) -> UInt64 {
        precondition((0..<memberCountMax).contains(member), "there are at most 64 members")
        return 1 << UInt64(member)
    }
}

extension MemberSet: ExpressibleByArrayLiteral {
    package init(arrayLiteral members: Int...) {
        self.init()
        for member in members { insert(member) }
    }
}
