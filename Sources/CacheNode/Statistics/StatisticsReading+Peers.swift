import Cluster

/// What a member of a cluster that keeps copies tells of itself and of the others.
extension StatisticsReading {
    func addPeers(to list: inout StatisticsList) {
        guard let view = space.peers?.view() else { return }
        addMembers(view, to: &list)
        addCommands(view, to: &list)
        addCopies(view, to: &list)
        addReturns(view, to: &list)
    }

    private func addMembers(_ view: PeersView, to list: inout StatisticsList) {
        list.text(
            "cluster_state", view.isServing ? "current" : "behind",
            "Whether the node answers from its memory, or passes on while it catches up")
        list.gauge(
            "cluster_generation", view.change.generation,
            "The definition that the node acts by; 0 as long as others have to tell")
        list.gauge("cluster_next", view.change.next, "The newest definition that the node knows")
        list.text(
            "cluster_change", view.change.stateName,
            "How far the node has come from one definition to the next")
        list.flag(
            "members_tls", context.peerSecurity != nil, "Whether members speak TLS to each other")
        if let security = context.peerSecurity {
            list.gauge(
                "members_cert_seconds_left", security.secondsLeft,
                "Seconds until the certificate that is shown to members expires")
        }
        list.gauge(
            "members_current", view.currentCount, "Members that have the same, with this one")
        list.gauge("members_away", view.away.count, "Members that are not")
        for peer in view.peers {
            list.text(
                "member_\(peer.name)", view.isFront ? peer.presence : peer.stateName,
                "What that member is to this one")
        }
        for peer in view.peers {
            guard let version = peer.wireVersion else { continue }
            list.gauge(
                "link_version_\(peer.name)", Int(version.rawValue),
                "The version of the members' protocol in which that member and this one talk")
        }
        for peer in view.peers {
            guard let skew = peer.clockSkewMilliseconds else { continue }
            list.gauge(
                "clock_skew_ms_\(peer.name)", skew,
                "By how much that member's clock is ahead of this one's")
        }
        list.counter("takeovers", view.counts.takeovers, "Members that were given up")
        list.counter(
            "peer_slow", view.memberCounts.slowPeers,
            "Members that did not acknowledge in time, though they talked")
        list.counter(
            "served_alone", view.memberCounts.servedAlone,
            "Members that were not waited for any longer after the start")
    }

    private func addCommands(_ view: PeersView, to list: inout StatisticsList) {
        list.counter("cmd_forwarded", view.counts.forwarded, "Commands passed on to members")
        list.counter("reads_foreign", view.counts.foreignReads, "Reads among these")
        list.counter(
            "reads_checked", view.memberCounts.fetches,
            "Commands for which the other owner was asked, as the item may have been evicted here")
        list.counter(
            "reads_faulted_in", view.memberCounts.faultedIn,
            "Items that were there, and were taken over")
        list.counter(
            "notes_sent", view.memberCounts.notesSent,
            "Notes to members on items that were renewed, or proven by a read")
        list.counter("notes_applied", view.memberCounts.notesApplied, "Notes that members sent")
        list.counter(
            "notes_repaired", view.memberCounts.notesRepaired,
            "Items fetched after a note, as they had been evicted here before they were proven")
        list.counter(
            "cmd_forwarded_here", view.counts.forwardedHere, "Commands that members passed on")
        list.gauge("ops_under_way", view.operationCount, "Commands that wait for a member")
        list.counter(
            "ops_parked", view.memberCounts.parked,
            "Commands that waited until it was known who decides")
        list.counter(
            "ops_rerouted", view.memberCounts.reroutes,
            "Reads that went a second way, as nothing came by the first one")
        list.counter(
            "ops_unknown", view.counts.hangUps,
            "Connections closed because nobody knew what had come of a command")
        list.gauge(
            "ops_us_p50", view.waits.percentile(50),
            "How long half of the commands that waited for a member took at most, since the start")
        list.gauge(
            "ops_us_p99", view.waits.percentile(99),
            "How long 99 of 100 commands that waited for a member took at most, since the start")
    }

    private func addCopies(_ view: PeersView, to list: inout StatisticsList) {
        list.counter("repl_sent", view.counts.replicated, "Changes that a member had to have first")
        list.gauge(
            "repl_us_p50", view.memberCounts.acknowledgements.percentile(50),
            "How long half of the acknowledgements took at most, since the start")
        list.gauge(
            "repl_us_p99", view.memberCounts.acknowledgements.percentile(99),
            "How long 99 of 100 acknowledgements took at most, since the start")
        list.counter(
            "writes_single_copy", view.memberCounts.singleCopies,
            "Changes that were acknowledged while nobody else had them")
        list.counter(
            "guests_kept", view.storeCounts.kept,
            "States of others' keys that were kept here, as somebody was away who is to have them")
        list.counter(
            "stood_in", view.memberCounts.standIns,
            "Commands that were carried out here for owners none of whom was there")
        list.counter("repl_applied", view.storeCounts.applied, "States taken over from members")
        list.counter(
            "repl_older", view.storeCounts.older, "States of members that were older than ours")
        list.counter(
            "repl_refused", view.storeCounts.refused, "States for which there was no memory")
        list.counter(
            "conflicts", view.counts.refused, "Changes that a member knew something later of")
        list.counter(
            "changes_lost", view.memberCounts.lostChanges,
            "Items changed here in a partition that gave way to later ones of the other side")
        list.counter(
            "changes_refused", view.memberCounts.refusals,
            "Changes refused as no majority of the members was reached")
    }

    private func addReturns(_ view: PeersView, to list: inout StatisticsList) {
        list.counter("catchup_sent", view.counts.informed, "States sent to members beside changes")
        list.counter("catchup_items", view.counts.informedHere, "The same, received")
        list.counter(
            "catchup_bytes", view.counts.informedHereByteCount, "Bytes of what was received so")
        list.gauge(
            "catchup_ms", view.catchUpMilliseconds,
            "How long it took the last time until this node had the same as the others")
        list.gauge("tombstones", view.tombstoneCount, "Deletions that are remembered")
        list.counter(
            "tombstones_dropped_early", view.tombstonesDroppedEarly,
            "Deletions forgotten before their time, for want of room")
        list.counter(
            "tombstones_won", view.storeCounts.tombstonesWon,
            "Items that gave way to a deletion that a member knew of")
        list.counter(
            "tombstones_assumed", view.storeCounts.tombstonesAssumed,
            "Items that a member brought back when deletions had been forgotten, and that may have been deleted"
        )
    }
}
