import Glibc

/// How it gets on with the other nodes, and with time.
extension Check {
    /// Seconds by which clocks may differ; nodes tell whole ones, so that one second is nothing.
    static let clockSecondsMax = 1
    static let clockSecondsDanger = 60

    static let cluster = [
        Check("clock") { node in
            guard let ahead = node.clockAhead, abs(ahead) > clockSecondsMax else { return nil }
            return Finding(
                abs(ahead) >= clockSecondsDanger ? .danger : .warning,
                "its clock is \(abs(ahead)) s \(ahead > 0 ? "ahead of" : "behind") this machine's: sessions whose end is "
                    + "a date end by so much \(ahead > 0 ? "earlier" : "later")",
                do: "synchronize the clocks (chrony, systemd-timesyncd) on both machines")
        },
        Check("catching-up") { node in
            guard let state = node.statistics["cluster_state"], state != "current" else {
                return nil
            }
            return Finding(
                .warning,
                "it does not have yet what the others have: if another one goes now, users are logged out",
                do: "wait: sojourn status --until-current 600; if it takes longer, its log says why"
            )
        },
        Check("members-away") { node in
            let count = node.number("members_away")
            guard count > 0 else { return nil }
            return Finding(
                .danger,
                "\(count) of the other nodes do not have what it has: those sessions have one copy",
                do: "bring the nodes back; `stats` has member_NAME for each")
        },
        Check("changes-lost") { node in
            let count = node.number("changes_lost")
            guard count > 0 else { return nil }
            return Finding(
                .warning,
                "\(count) changes of a partition gave way to later ones of the other side",
                do: "see cluster/copies.md, Partitions: `partition: majority` refuses them instead")
        },
        Check("deletions-forgotten") { node in
            let count = node.number("tombstones_dropped_early")
            guard count > 0 else { return nil }
            return Finding(
                .warning,
                "\(count) deletions were forgotten early: a node that returns may bring logged-out sessions back",
                do:
                    "give it more memory, of which a twentieth is for deletions, or bring back nodes that are away"
            )
        },
        Check("change-under-way") { node in
            guard node.hasPeers, let next = node.statistics.number("cluster_next"),
                let now = node.statistics.number("cluster_generation"), next > now
            else { return nil }
            return Finding(
                .note, "the nodes go over from definition \(now) to \(next)",
                do: "wait; sojourn cluster follow says how far they are")
        },
    ]
}
