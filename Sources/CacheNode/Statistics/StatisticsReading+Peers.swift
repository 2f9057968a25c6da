import Cluster

/// What a member of a cluster that keeps copies tells of itself and of the others.
extension StatisticsReading {
    func addPeers(to list: inout StatisticsList) {
        guard let view = context.peers?.view() else { return }
        list.text(
            "cluster_state", view.isServing ? "current" : "behind",
            "Whether the node answers from its memory, or passes on while it catches up")
        let current = view.peers.count { $0.standing == .together }
        list.gauge("members_current", current + 1, "Members that have the same, with this one")
        list.gauge("members_away", view.peers.count - current, "Members that are not")
        for peer in view.peers {
            list.text("member_\(peer.name)", peer.stateName, "What that member is to this one")
        }
        list.counter("cmd_forwarded", view.counts.forwarded, "Commands passed on to members")
        list.counter(
            "cmd_forwarded_here", view.counts.forwardedHere, "Commands that members passed on")
        list.gauge("ops_under_way", view.operationCount, "Commands that wait for a member")
        list.counter(
            "ops_unknown", view.counts.hangUps,
            "Connections closed because nobody knew what had come of a command")
        list.counter("takeovers", view.counts.takeovers, "Members that were given up")
        list.counter("repl_sent", view.counts.replicated, "Changes that a member had to have first")
        list.counter(
            "writes_single_copy", view.counts.singleCopies,
            "Changes that were acknowledged while the other owner was away")
        list.counter("repl_applied", view.storeCounts.applied, "States taken over from members")
        list.counter(
            "repl_older", view.storeCounts.older, "States of members that were older than ours")
        list.counter(
            "repl_refused", view.storeCounts.refused, "States for which there was no memory")
        list.counter(
            "conflicts", view.counts.refused, "Changes that a member knew something later of")
        list.counter("catchup_sent", view.counts.informed, "States sent to members beside changes")
        list.counter("catchup_items", view.counts.informedHere, "The same, received")
        list.gauge("tombstones", view.tombstoneCount, "Deletions that are remembered")
        list.counter(
            "tombstones_dropped_early", view.tombstonesDroppedEarly,
            "Deletions forgotten before their time, for want of room")
        list.counter(
            "tombstones_won", view.storeCounts.tombstonesWon,
            "Items that gave way to a deletion that a member knew of")
    }
}

extension PeersView {
    /// Whether there is no other owner whose word is waited for.
    var isServing: Bool {
        peers.allSatisfy { $0.standing != .unknown && $0.standing != .behind }
    }
}

extension PeersView.Peer {
    /// In an operator's words.
    var stateName: String {
        switch standing {
        case .together: "current"
        case .unknown: isHeard ? "joining" : "unknown"
        case .behind: "ahead"
        case .alone: isHeard ? "catching_up" : "away"
        case .divided: "cut_off"
        }
    }
}
