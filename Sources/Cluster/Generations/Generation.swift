/// Who owns what by one version of the cluster's definition.
///
/// A member's number is its place, and stays its own: the number of one that was removed is given to nobody else.
package struct Generation: Sendable {
    package typealias Owners = @Sendable ([UInt8]) -> (first: Int, second: Int?)

    /// The higher one takes the place of the lower one.
    package let number: UInt64
    package let members: MemberSet
    /// The first owner of a key, and the second one, if there is one: these decide about it.
    package let owners: Owners
    /// How many members have a copy of each key while all are there.
    package let copies: Int
    /// All members, in the order in which they would take a key over. The first two are its owners.
    package let order: Order

    package typealias Order = @Sendable ([UInt8]) -> [Int]

    package init(
        number: UInt64, members: MemberSet, copies: Int = 2, owners: @escaping Owners,
        order: @escaping Order = { _ in [] }
    ) {
        self.number = number
        self.members = members
        self.copies = copies
        self.owners = owners
        self.order = order
    }

    /// Whether a member decides about a key, or would if another one were not there.
    package func owns(_ key: [UInt8], _ member: Int) -> Bool {
        let (first, second) = owners(key)
        return first == member || second == member
    }

    /// Whether a member is to have a copy of a key while all are there.
    package func holds(_ key: [UInt8], _ member: Int) -> Bool {
        guard copies > 2 else { return owns(key, member) }
        return order(key).prefix(copies).contains(member)
    }

    /// All that are to have one, in the order in which they would take it over.
    package func holders(of key: [UInt8]) -> [Int] {
        if copies > 2 { return Array(order(key).prefix(copies)) }
        let (first, second) = owners(key)
        return [first, second].compactMap(\.self)
    }

    /// Whether there are members that can keep what others own while these are away.
    var hasStandIns: Bool { members.count > copies }
}

/// Which keys a member has in common with its peers, by each generation that it still, or already, knows how to act by.
package struct Sharing: Sendable {
    let me: Int
    let generations: [Generation]
    let guests: Guests

    /// - Parameter stamp: of what is here.
    package func isShared(_ key: [UInt8], _ stamp: Stamp, with peer: Int) -> Bool {
        // Of each generation the ring is asked once.
        var (isMine, isTheirs) = (false, false)
        for generation in generations {
            if generation.copies > 2 {
                let holders = generation.holders(of: key)
                isMine = isMine || holders.contains(me)
                isTheirs = isTheirs || holders.contains(peer)
            } else {
                let (first, second) = generation.owners(key)
                isMine = isMine || first == me || second == me
                isTheirs = isTheirs || first == peer || second == peer
            }
        }
        guard isTheirs else { return false }
        // What is kept for a peer goes to it when it is back.
        return isMine
            || generations.contains { guests.areValid(stamp, key, $0.holders(of: key)) }
    }
}
