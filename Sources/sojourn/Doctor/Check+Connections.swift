/// Whether who comes finds a place, and an answer.
extension Check {
    static let connectionPercentMax = 80
    /// Pools keep connections for a minute and longer.
    static let idleSecondsMin = 60
    /// php-memcache's time-out.
    static let lockWaitMilliseconds = 1_000

    static let connections = [
        Check("connections") { node in
            let (open, most) = (node.number("curr_connections"), node.number("max_connections"))
            let percent = DoctorText.percent(open, of: most)
            guard percent >= connectionPercentMax else { return nil }
            return Finding(
                .warning,
                "\(open) of \(most) connections are open: further ones are refused at \(most)",
                do:
                    "-c, at least what all application servers open together; LimitNOFILE in the unit, too"
            )
        },
        Check("connections-refused") { node in
            let count = node.number("rejected_connections") + node.number("listen_disabled_num")
            guard count > 0 else { return nil }
            return Finding(
                .warning, "\(count) times there was no place for a connection since it started",
                do:
                    "-c, at least what all application servers open together; LimitNOFILE in the unit, too"
            )
        },
        Check("idle-timeout") { node in
            guard let seconds = node.settings.number("idle_timeout"), seconds > 0,
                seconds < idleSecondsMin
            else { return nil }
            return Finding(
                .warning,
                "connections that are idle for \(seconds) s are closed: clients keep theirs for longer, and find out by "
                    + "an error",
                do: "-o idle_timeout=600 or more, or 0")
        },
        Check("lock-wait") { node in
            guard let keys = node.settings["lock_keys"], keys != "none",
                let wait = node.settings.number("lock_wait"), wait >= lockWaitMilliseconds
            else { return nil }
            return Finding(
                .warning,
                "who waits for a lock is answered after \(wait) ms: php-memcache gives a node up after 1,000 ms, "
                    + "libmemcached after 5,000",
                do: "-o lock_wait=700, or longer time-outs of all clients")
        },
        Check("lock-timeouts") { node in
            let (waits, late) = (node.number("lock_waits"), node.number("lock_timeouts"))
            guard waits >= 100, DoctorText.percent(late, of: waits) >= 10 else { return nil }
            return Finding(
                .warning, "\(late) of \(waits) who waited for a lock did not get it in time",
                do: "find pages that hold their session for long, or make -o lock_wait longer")
        },
        Check("watchdog") { node in
            guard node.isOurs else { return nil }
            guard let late = node.statistics.number("watchdog_late") else {
                return Finding(
                    .warning, "nobody watches it: if it hangs, clients wait until somebody notices",
                    do: "start it by systemd's unit (WatchdogSec) or with --supervise")
            }
            guard late > 0 else { return nil }
            return Finding(
                .warning,
                "a thread had not come around in time, \(late) times since it started: after four times as long it is killed",
                do:
                    "look for a slow disk under the memory file, swap, or a machine that is too busy"
            )
        },
        Check("log") { node in
            let count = node.number("log_lines_dropped")
            guard count > 0 else { return nil }
            return Finding(
                .note, "\(count) lines of its log were lost, as nobody read them in time",
                do: "look at what reads its stderr")
        },
    ]
}
