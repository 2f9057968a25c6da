import Cluster

/// By how much the machines' clocks of other members differ from this one's, for operators.
struct MemberClocks {
    private(set) var skewMilliseconds: [Int: Int] = [:]
    private let clock: NodeClock

    init(_ clock: NodeClock) { self.clock = clock }

    private var wall: UInt64 { NodeStore.wall(of: clock) }

    /// Tells others by how much the versions of this node are ahead of its machine's clock.
    func noteWall(in statement: inout Statement) {
        let wall = wall
        let lead = (statement.clock - min(statement.clock, wall)) / 1_000
        statement.clockLeadMilliseconds = UInt32(clamping: lead)
    }

    mutating func note(_ statement: Statement, of peer: Int) {
        let theirs = Int(statement.clock / 1_000) - Int(statement.clockLeadMilliseconds)
        skewMilliseconds[peer] = theirs - Int(wall / 1_000)
    }
}
