/// Who is logged out for want of memory, or by a restart.
extension Check {
    /// Percent of the memory that proven items may have before it is time for more.
    static let provenPercentMax = 85
    static let probationRange = 1...30

    static let memory = [
        Check("logged-out") { node in
            let count = node.number("evicted_live_proven")
            guard count > 0 else { return nil }
            return Finding(
                .danger, "\(count) users were logged out since it started, to make room for others",
                do:
                    "give it more memory (-m, cache_memlimit), add a node, or let sessions end earlier (-o idle)"
            )
        },
        Check("memory-nearly-full") { node in
            let percent = DoctorText.percent(node.number("proven_bytes"), of: node.limitByteCount)
            guard percent > provenPercentMax else { return nil }
            return Finding(
                .warning,
                "sessions in use take \(percent) % of \(DoctorText.megabytes(node.limitByteCount)): above "
                    + "\(provenPercentMax) % users will be logged out soon",
                do:
                    "give it more memory (-m, cache_memlimit), add a node, or let sessions end earlier (-o idle)"
            )
        },
        Check("stores-refused") { node in
            let count = node.number("store_no_memory")
            guard count > 0 else { return nil }
            return Finding(
                .warning, "\(count) stores found no memory since it started",
                do: "give it more memory; with -M, which evicts nobody, full is full")
        },
        Check("eviction") { node in
            if node.settings["evictions"] == "off" {
                return Finding(
                    .warning, "nothing is evicted (-M): when it is full, nobody can log in",
                    do: "leave out -M, or watch curr_items and bytes")
            }
            guard node.settings["eviction"] == "lru" else { return nil }
            return Finding(
                .warning, "bots can push out users: eviction=lru tells them not from one another",
                do: "leave out -o eviction=lru")
        },
        Check("probation") { node in
            guard let percent = node.settings.number("probation"),
                !probationRange.contains(percent)
            else { return nil }
            return Finding(
                .warning,
                percent > probationRange.upperBound
                    ? "\(percent) % of the memory are kept for items that nobody reads"
                    : "no memory is kept for items that nobody has read yet: a new session may go before its second page",
                do: "-o probation=5 is the default; between 1 and 30 is reasonable")
        },
        Check("memory-file") { node in
            guard node.isOurs, node.memoryFile == nil else { return nil }
            return Finding(
                node.hasPeers ? .note : .warning,
                node.hasPeers
                    ? "it has no memory file: after a restart it fetches everything from the others"
                    : "it has no memory file: whenever it restarts, all users are logged out",
                do: "-e FILE, on a tmpfs: /run/sojourn/NAME with the units that are here")
        },
        Check("slow-readers") { node in
            let count = node.number("holders_dropped")
            guard count > 0 else { return nil }
            return Finding(
                .note,
                "\(count) values on their way, or slow readers, made way to others since it started",
                do: "look for clients that stop in the middle of large values")
        },
        Check("restarted") { node in
            guard let seconds = node.statistics.number("uptime"), seconds < restartSeconds else {
                return nil
            }
            return Finding(
                .note, "it started \(seconds) s ago: counts are of that time",
                do: "if nobody restarted it, its log says why: journalctl -u 'sojournd@*'")
        },
    ]

    static let restartSeconds = 600
}
