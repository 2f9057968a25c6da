import Cluster
import Synchronization

/// Which members are there: so that of several copies of a session one is counted.
struct MemberPresence {
    let me: Int
    let present: Set<Int>
    let rule: Generation

    /// Whether this node counts what it has of a key: no member that has a copy, and is there, comes before it.
    func counts(_ key: [UInt8]) -> Bool {
        let first = rule.holders(of: key).first { $0 == me || present.contains($0) }
        // Of what nobody is there for, a stand-in may have the only copy.
        return first == me || first == nil
    }
}

extension Peers {
    var presence: MemberPresence {
        let present = lock.withLock { _ in
            Set(member?.peers.filter { member?.hears($0, at: now) ?? false } ?? [])
        }
        return MemberPresence(me: me, present: present, rule: rule.withLock { $0 })
    }

    /// What births and versions are told by, in microseconds since 2025: no member's is much behind.
    var clockOfVersions: UInt64? { lock.withLock { _ in store?.clock } }

    /// By the definition.
    var ownName: String { members[me]?.name ?? "front" }
}
