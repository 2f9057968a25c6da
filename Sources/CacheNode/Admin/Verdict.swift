/// What the page says to one question of an operator.
struct Verdict: Equatable {
    enum Light: String {
        case green, amber, red
        /// It does not apply here.
        case off
    }

    enum Question: String, CaseIterable {
        case loggedOut = "logged_out"
        case room, evicted, speed, load, locks, copies, restart, connections, expiry

        var title: String {
            switch self {
            case .loggedOut: "Is anybody logged out by us?"
            case .room: "How full is it, and for how long will it last?"
            case .evicted: "What is evicted, and how old?"
            case .speed: "Is it fast?"
            case .load: "Who asks the most?"
            case .locks: "Does anybody wait for a session's lock?"
            case .copies: "Is any session without its copy?"
            case .restart: "What did the last restart take over?"
            case .connections: "Do clients get through?"
            case .expiry: "Do expired sessions go in time?"
            }
        }

        /// When it is amber, and when red: the rules below, for people.
        var rule: String {
            switch self {
            case .loggedOut:
                "Red: a session in use was evicted within the last 10 minutes. Amber: since the start. "
                    + "With eviction=lru those count that had ever been read."
            case .room:
                "Amber: less than an hour until evictions begin, at the rate of the last 10 minutes. "
                    + "Red: stores were refused for want of memory within these."
            case .evicted:
                "Amber: sessions that were never read back were evicted younger than 60 s, within the "
                    + "last 10 minutes."
            case .speed: "Amber: 1 of 100 requests takes more than 5 ms in the node. Red: 50 ms."
            case .load:
                "Amber: one session has more than a quarter of 1,000 or more reads or writes that were "
                    + "counted of late."
            case .locks:
                "Amber: more than 20 connections wait, or a wait took too long within the last 10 "
                    + "minutes. Red: more than 60 such."
            case .copies:
                "Amber: a member is away. Red: changes were made that only this node has, within the "
                    + "last 10 minutes, or changes are refused."
            case .restart: "Amber: items were found damaged. Off: memory only, no file."
            case .connections:
                "Amber: above 80 % of the connections that may be open, or failures within the last 10 "
                    + "minutes. Red: nobody is accepted, or connections were turned away within these."
            case .expiry:
                "Amber: an expired session stays for more than 2 s. Red: more than 10 s."
            }
        }

        /// What to do when it is not green.
        var advice: String {
            switch self {
            case .loggedOut:
                "Give the node more memory (-m); until then shorten the time of sessions that nobody "
                    + "has logged in to (idle=SECONDS)."
            case .room:
                "Raise -m before it is full, or let sessions end sooner (idle, exptime_max)."
            case .evicted:
                "These are visitors without a login, or robots: give no session before it is needed; "
                    + "raise probation=PERCENT if people lose theirs while they log in."
            case .speed:
                "Look at the processor's load, and at who asks the most; large values and swapping are "
                    + "the usual reasons."
            case .load:
                "Find it by sojourn sessions, and the creator's address in the web server's log; limit "
                    + "what comes from there."
            case .locks:
                "A request holds its session for too long: let pages that only read close the session "
                    + "early, or raise lock_wait."
            case .copies:
                "Bring the member back: look at its log and at the network between. Until then this "
                    + "node must not be stopped."
            case .restart:
                "Look at the log of the start; run with checksums=on where the file is on a disk."
            case .connections:
                "Raise -c, or let clients keep fewer connections; look at the log for whose login or "
                    + "handshake fails."
            case .expiry:
                "The workers have too much to do: give the node another thread (-t) or processor."
            }
        }
    }

    let question: Question
    let light: Light
    /// What there is to say, with its numbers.
    let sentence: String
}

/// What verdicts are made of: numbers of one space at one moment. All that "recently" is was in the last 10 minutes.
struct Facts: Equatable {
    var loggedOut: UInt64 = 0
    var loggedOutRecently = 0.0
    /// With one strict LRU queue nobody knows which sessions were in use, but only which had ever been read.
    var tellsProven = true
    var evictedRecently = 0.0
    /// Of the item that was evicted last: since its last use.
    var evictedAgeSeconds = 0
    var evicts = true
    var usedBytes = 0
    var limitBytes = 1
    var provenBytes = 0
    /// Nothing as long as that is not known.
    var bytesPerSecond: Double?
    var refusedForRoomRecently = 0.0
    /// Of 100 requests the slowest takes so long; nothing where it is not counted.
    var slowMicroseconds: Double?
    var middleMicroseconds: Double?
    var requestsPerSecond = 0.0
    /// Of what was counted, the share of the one that comes first, in words for what it does.
    var heaviest: (name: String, what: String, count: UInt64, total: UInt64)?
    var hasLocks = false
    var waiting = 0
    var lockTimeoutsRecently = 0.0
    var longestWaitMicroseconds: UInt64 = 0
    var members: Members?
    var start: Start?
    var connections = 0
    var connectionsMax = 1
    var isAccepting = true
    var turnedAwayRecently = 0.0
    var brokenRecently = 0.0
    var expiredPerSecond = 0.0
    /// Nothing where it is not measured.
    var expiryLagSeconds: Double?

    struct Members: Equatable {
        var current = 1
        var all = 1
        var away: [String] = []
        var refusesChanges = false
        var singleCopiesRecently = 0.0
    }

    /// What the last start has found in the memory file.
    struct Start: Equatable {
        var items = 0
        var bytes = 0
        var milliseconds = 0
        /// Items that were damaged, and left out.
        var damaged = 0
        /// Since the node was last there.
        var secondsAway = 0
    }

    static func == (one: Facts, other: Facts) -> Bool { one.verdicts == other.verdicts }

    var verdicts: [Verdict] { Verdict.Question.allCases.map(verdict) }
}
