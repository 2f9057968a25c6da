/// What the machine allows the node: only where its process is on this one.
extension Check {
    /// Beyond connections and what it counts itself: files, timers, other nodes.
    static let descriptorReserve = 32
    /// `-c`, where nobody says it.
    static let connectionsUsual = 1_024
    /// What a node keeps for itself at most, when it admits fewer connections than it was told to.
    static let descriptorsCut = 128
    /// Of the memory, for a file that moves.
    static let movePercent = 10
    /// Beyond the items: the process, and buffers.
    static let processByteCount = 25 << 20

    static let machine = [
        Check("descriptors") { node in
            guard let limit = node.process?.descriptorLimit else { return nil }
            let most = node.number("max_connections")
            let needed =
                max(most, connectionsUsual) + node.number("reserved_fds") + descriptorReserve
            // Who asks for fewer than usual has more to spare; a node that was given too few admits what they are good for.
            guard limit < needed, most >= connectionsUsual || limit - most <= descriptorsCut else {
                return nil
            }
            return Finding(
                .warning,
                "it may have \(limit) descriptors, good for \(most) connections: \(needed) are needed",
                do: "LimitNOFILE=65536 in its unit, or ulimit -n; -c says how many connections")
        },
        Check("backlog") { node in
            guard let most = node.process?.backlogMax,
                let wanted = node.settings.number("tcp_backlog"), most < wanted
            else { return nil }
            return Finding(
                .warning,
                "while it restarts, \(most) can wait to connect, not \(wanted) (-b): the kernel allows no more",
                do: "sysctl net.core.somaxconn=\(wanted)")
        },
        Check("memory-file-place") { node in
            guard let file = node.process?.file else { return nil }
            switch file.kind {
            case .memory: return nil
            case .network(let name):
                return Finding(
                    .danger,
                    "its memory file is on a file system of the network (\(name)): every hitch there is one of its own",
                    do: "put it on a tmpfs, or on a disk of the machine")
            case .layer:
                return Finding(
                    .danger,
                    "its memory file is in the container's own layer, which goes with the container",
                    do: "mount a tmpfs or a volume there")
            case .disk:
                return Finding(
                    .note,
                    "its memory file is on a disk: sessions outlive the machine's restart; a slow disk may make it wait",
                    do: "nothing, if that is meant; else a tmpfs. Watch watchdog_late")
            }
        },
        Check("memory-file-room") { node in
            guard let file = node.process?.file else { return nil }
            let needed = node.limitByteCount / 100 * movePercent
            guard file.freeByteCount < needed else { return nil }
            return Finding(
                .warning,
                "beside its memory file \(DoctorText.megabytes(file.freeByteCount)) are free: a later start with another "
                    + "-m, or version, needs \(DoctorText.megabytes(needed)) for the move, and would not start",
                do:
                    "make the file system larger (size= of run-sojourn.mount), or remove what else is there"
            )
        },
        Check("memory-room") { node in
            guard let process = node.process, let had = process.hadByteCount,
                let available = process.availableByteCount
            else { return nil }
            let missing = node.limitByteCount - had
            guard missing > available else { return nil }
            return Finding(
                .danger,
                "it may grow by \(DoctorText.megabytes(missing)), and the machine has \(DoctorText.megabytes(available)) "
                    + "left: the kernel will kill somebody",
                do: "less memory for it (-m, cache_memlimit), or more for the machine")
        },
        Check("control-group") { node in
            guard let most = node.process?.memoryMax else { return nil }
            let needed = node.limitByteCount + node.limitByteCount / 20 + processByteCount
            guard most < needed else { return nil }
            return Finding(
                .danger,
                "its control group allows \(DoctorText.megabytes(most)), and full it takes \(DoctorText.megabytes(needed)): "
                    + "the kernel will kill it",
                do: "MemoryMax= of the unit, or the container's limit: at least a quarter above -m")
        },
        Check("swap") { node in
            guard let count = node.process?.swappedByteCount, count > 0 else { return nil }
            return Finding(
                .warning,
                "\(DoctorText.megabytes(count)) of it are swapped out: who asks for that waits for the disk",
                do:
                    "less memory for it, MemorySwapMax=0 in its unit, or no swap; -k locks memory that is no file's"
            )
        },
        Check("killed-first") { node in
            guard let score = node.process?.oomScoreAdjustment, score > 0 else { return nil }
            return Finding(
                .warning,
                "when memory is short, the kernel kills it before others (oom_score_adj \(score))",
                do: "OOMScoreAdjust=-500 in its unit, as it is in the one here")
        },
        Check("overcommit") { node in
            guard node.process?.overcommit == 2 else { return nil }
            return Finding(
                .note,
                "the kernel promises no more memory than there is (vm.overcommit_memory=2): a later start may be refused its -m",
                do: "vm.overcommit_memory=0 or 1, or vm.overcommit_ratio for the memory of all")
        },
        Check("huge-pages") { node in
            guard node.process?.hugePages == "never", node.memoryFile == nil else { return nil }
            return Finding(
                .note, "transparent huge pages are off: finding an item takes longer",
                do: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled")
        },
    ]
}
