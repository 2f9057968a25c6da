package import Cluster

/// One generation of the definition of a cluster that keeps each item on two or three of its members.
package struct PeerDefinition: Sendable {
    /// Where a member is reached by others.
    package struct Member: Equatable, Sendable {
        package var name: String
        package var host: String
        package var port: Int
        /// The generation that it has joined with.
        package var since: UInt64

        package init(name: String, host: String, port: Int, since: UInt64 = 1) {
            self.name = name
            self.host = host
            self.port = port
            self.since = since
        }
    }

    /// Of two the higher one takes the place of the other.
    package var generation: UInt64
    /// By their numbers, which are less than 64, and stay their own.
    package var members: [Int: Member]
    /// The first owner of a key, who decides about it while all is well, and the second, if there is one.
    package var owners: Generation.Owners
    /// On how many members each item is kept.
    package var copies: Int
    /// All members, in the order in which they would take a key over.
    package var order: Generation.Order
    /// Of all that placement depends on: two of one generation that differ in it are a mistake.
    package var hash: UInt64
    /// Of what no generation changes: members that differ in it do not talk to each other.
    package var rulesHash: UInt64 = 0
    /// As it was read, for others.
    package var text: String = ""
    /// What clients are told of it.
    package var told: ToldCluster?

    /// What is sent to others at once, beside a frame's own.
    package static let textByteCountMax = 60 << 10

    package init(
        generation: UInt64 = 1, members: [Int: Member], hash: UInt64, copies: Int = 2,
        owners: @escaping Generation.Owners, order: @escaping Generation.Order = { _ in [] }
    ) {
        self.generation = generation
        self.members = members
        self.hash = hash
        self.owners = owners
        self.copies = copies
        self.order = order
    }

    /// Such as the state machine goes by.
    var rule: Generation {
        Generation(
            number: generation, members: MemberSet(members.keys), copies: copies, owners: owners,
            order: order)
    }

    /// A member's number; nil if there is none of that name.
    package func number(of name: String) -> Int? { members.first { $0.value.name == name }?.key }

    /// Why this cannot come after another one; nil if it can.
    func objection(after earlier: PeerDefinition) -> String? {
        guard rulesHash == earlier.rulesHash else {
            return
                "the cluster's name, peers.timeout or peers.partition is another one, which takes a restart of all nodes at once"
        }
        for (number, member) in members.sorted(by: { $0.key < $1.key }) {
            if let known = earlier.number(of: member.name), known != number {
                return
                    "node \(member.name) has id \(number), and \(known) by generation \(earlier.generation): a node's id stays its own"
            }
            if let known = earlier.members[number], known.name != member.name {
                return
                    "node \(member.name) has id \(number), which is node \(known.name)'s by generation \(earlier.generation): give it one that is free"
            }
        }
        return nil
    }
}
