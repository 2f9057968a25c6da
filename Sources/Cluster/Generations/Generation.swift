/// Who owns what by one version of the cluster's definition.
///
/// A member's number is its place, and stays its own: the number of one that was removed is given to nobody else.
package struct Generation: Sendable {
    package typealias Owners = @Sendable ([UInt8]) -> (first: Int, second: Int?)

    /// The higher one takes the place of the lower one.
    package let number: UInt64
    package let members: MemberSet
    /// The first owner of a key, and the second one, if there is one.
    package let owners: Owners

    package init(number: UInt64, members: MemberSet, owners: @escaping Owners) {
        self.number = number
        self.members = members
        self.owners = owners
    }

    package func owns(_ key: [UInt8], _ member: Int) -> Bool {
        let (first, second) = owners(key)
        return first == member || second == member
    }
}

/// Which keys a member has in common with its peers, by each generation that it still, or already, knows how to act by.
package struct Sharing: Sendable {
    let me: Int
    let generations: [Generation]

    package func isShared(_ key: [UInt8], with peer: Int) -> Bool {
        // Of each generation the ring is asked once.
        var (isMine, isTheirs) = (false, false)
        for generation in generations {
            let (first, second) = generation.owners(key)
            isMine = isMine || first == me || second == me
            isTheirs = isTheirs || first == peer || second == peer
        }
        return isMine && isTheirs
    }
}
