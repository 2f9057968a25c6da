import ArgumentParser
import ClusterFile
import Glibc
import HashRing

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Brings sessions from a memcached, a Redis or a Valkey to nodes.",
        discussion: """
            All keys are listed first (memcached: lru_crawler metadump; Redis: SCAN). Then items are read and added at a rate: values, \
            client flags and remaining times as they are. What is there already is newer, and stays. Nothing is deleted \
            where the items come from.

            Nodes that were started with -o predecessor fetch the items themselves: they are asked for each key. So nothing comes back \
            that a client has changed or deleted meanwhile; then it can run while clients are there. Without that, let it run before \
            they are.

            With --state it can be interrupted at any moment, and goes on. At the end a part of the items, or all, is compared.

            Examples:
              sojourn import --from old:11211 --to new:11211 --state /var/tmp/move
              sojourn import --from old1:11211,old2:11211 --to shop.yaml --rate 5000 --verify all
              sojourn import --from redis://:secret@redis:6379/0 --match 'PHPREDIS_SESSION:*' \\
                  --strip-prefix PHPREDIS_SESSION: --add-prefix memc.sess.key. --to new:11211

            Status: 0 when everything was moved, 1 when something was not (which is said), 64 when the command line is wrong, 130 when \
            it was interrupted.
            """)

    @Option(
        help: ArgumentHelp(
            "Where the sessions are: HOST[:PORT], several by commas; or redis://[user:password@]host[:port][/db]; a password also by SOJOURN_REDIS_PASSWORD in the environment.",
            valueName: "place"))
    var from: String

    @Option(
        help: ArgumentHelp(
            "Where they go: HOST[:PORT] of a node, or a cluster's definition.", valueName: "place"))
    var to: String

    @Option(
        help: ArgumentHelp(
            "Of Redis' keys, those that match, as Redis has it.", valueName: "pattern"))
    var match: String?

    /// What is typed can be read by everybody on the machine.
    private static let passwordVariable = "SOJOURN_REDIS_PASSWORD"

    @Option(help: ArgumentHelp("Taken from the front of keys that have it.", valueName: "prefix"))
    var stripPrefix = ""

    @Option(help: ArgumentHelp("Put in front of keys.", valueName: "prefix"))
    var addPrefix = ""

    @OptionGroup var options: MoveOptions
    @OptionGroup(title: "TLS and users of where they go") var access: AccessOptions

    func validate() throws {
        try options.validate()
        let isRedis = from.hasPrefix("redis://") || from.hasPrefix("rediss://")
        guard !from.hasPrefix("rediss://") else {
            throw ValidationError(
                "--from: Redis by TLS is not supported; use a tunnel, as stunnel or ssh -L")
        }
        guard !isRedis || RedisPlace(from) != nil else {
            throw ValidationError(
                "--from: expected redis://[user:password@]host[:port][/db], not '\(from)'")
        }
        guard isRedis || match == nil else { throw ValidationError("--match is for Redis") }
        if !isRedis { _ = try MovePlaces(from, "--from", ring: nil, isTarget: false) }
        _ = try MovePlaces(to, "--to", ring: nil, isTarget: true)
    }

    func run() throws {
        var plan = options.plan
        plan.strippedPrefix = Array(stripPrefix.utf8)
        plan.addedPrefix = Array(addPrefix.utf8)
        try options.move(plan) {
            let places = try MovePlaces(to, "--to", ring: nil, isTarget: true)
            let source: any ItemSource
            if var redis = RedisPlace(from) {
                if redis.password == nil, let password = getenv(Self.passwordVariable) {
                    redis.password = String(cString: password)
                }
                source = try RedisSource(redis, timeoutSeconds: options.timeout, matching: match)
            } else {
                let old = try MovePlaces(from, "--from", ring: nil, isTarget: false)
                source = try CacheSource(
                    old.places, ItemAccess(timeoutSeconds: options.timeout), options.dump)
            }
            let target = try CacheTarget(
                places.places, try access.items(places.definition, options.timeout), places.ring)
            let isRenaming = !plan.strippedPrefix.isEmpty || !plan.addedPrefix.isEmpty
            guard !target.fetches || (RedisPlace(from) == nil && !isRenaming) else {
                throw MovingTrouble(
                    "\(target.name) has a predecessor, which it asks for keys as they are: restart it without, "
                        + "to import from Redis or under other keys")
            }
            return (source, target)
        }
    }
}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Brings sessions from nodes to a memcached: the way back.",
        discussion: """
            As sojourn import, the other way round: values, client flags and remaining times as they are, added at a rate, and compared. \
            Nodes show keys on a Unix socket, or with -o show_keys.

            What memcached cannot keep is lost: timeouts of -o idle and absolute (an item goes with the time that it has left now), \
            which sessions are proven, fences, copies.

            Examples:
              sojourn export --from /run/sojournd/sojournd.sock --to old:11211
              sojourn export --from shop.yaml --to old1:11211,old2:11211 --ring ketama-weighted
            """)

    @Option(
        help: ArgumentHelp(
            "Where the sessions are: HOST[:PORT] or a Unix socket of a node, several by commas; or a cluster's definition.",
            valueName: "place"))
    var from: String

    @Option(
        help: ArgumentHelp("Where they go: HOST[:PORT], several by commas.", valueName: "place"))
    var to: String

    @Option(
        help: ArgumentHelp(
            "Of several, the rule by which clients choose: \(Ring.Strategy.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "rule"))
    var ring: String?

    @OptionGroup var options: MoveOptions
    @OptionGroup(title: "TLS and users of where they are") var access: AccessOptions

    func validate() throws {
        try options.validate()
        _ = try MovePlaces(from, "--from", ring: nil, isTarget: false)
        _ = try MovePlaces(to, "--to", ring: ring, isTarget: true)
    }

    func run() throws {
        try options.move(options.plan) {
            let old = try MovePlaces(from, "--from", ring: nil, isTarget: false)
            let new = try MovePlaces(to, "--to", ring: ring, isTarget: true)
            return (
                try CacheSource(
                    old.places, try access.items(old.definition, options.timeout), options.dump),
                try CacheTarget(
                    new.places, ItemAccess(timeoutSeconds: options.timeout), new.ring)
            )
        }
    }
}

/// What both take.
struct MoveOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Items a second.", valueName: "count"))
    var rate = 2_000

    @Option(
        help: ArgumentHelp(
            "Where to write how far it is, and beside it (.keys) which keys there are: run again with it, it goes on.",
            valueName: "file"))
    var state: String?

    @Option(
        help: ArgumentHelp(
            "How many are compared at the end: all, none, or one of so many.", valueName: "what"))
    var verify = "100"

    @Option(
        help: ArgumentHelp(
            "How a memcached is asked for its keys: metadump or mgdump. (default: metadump)",
            valueName: "command"))
    var dumpCommand: String?

    @Option(
        help: ArgumentHelp("A server that says nothing for so long is lost.", valueName: "seconds"))
    var timeout = 10

    var dump: CacheServer.DumpStyle? { dumpCommand.flatMap(CacheServer.DumpStyle.init) }

    private var verification: MovePlan.Verification? {
        switch verify {
        case "all": .everyOf(1)
        case "none": MovePlan.Verification.none
        default: Int(verify).flatMap { $0 > 0 ? .everyOf($0) : nil }
        }
    }

    func validate() throws {
        guard (1...1_000_000).contains(rate) else {
            throw ValidationError("--rate must be 1 to 1000000 items a second, not \(rate)")
        }
        guard verification != nil else {
            throw ValidationError(
                "--verify must be all, none, or a number, one of which is compared; not '\(verify)'"
            )
        }
        guard dumpCommand == nil || dump != nil else {
            throw ValidationError(
                "--dump-command must be metadump or mgdump, not '\(dumpCommand ?? "")'")
        }
        guard (1...3_600).contains(timeout) else {
            throw ValidationError("--timeout must be 1 to 3600 seconds, not \(timeout)")
        }
    }

    var plan: MovePlan {
        var plan = MovePlan()
        plan.rate = rate
        plan.statePath = state
        plan.verification = verification ?? .everyOf(100)
        return plan
    }

    /// Makes the connections, moves, and tells what has come of it.
    func move(
        _ plan: MovePlan, _ connect: () throws -> (any ItemSource, CacheTarget)
    ) throws {
        StopRequest.attend()
        do {
            let (source, target) = try connect()
            let tally = try MoveRun(source, target, plan).run()
            print(MoveReport(tally, from: source.name, to: target.name).text, terminator: "")
            if tally.hasLosses { throw ExitCode(1) }
        } catch is MoveRun.Interrupted {
            tell(
                "interrupted"
                    + (plan.statePath.map { "; run it again with --state \($0) to go on\n" } ?? "\n")
            )
            throw ExitCode(130)
        } catch let trouble as MovingTrouble {
            tell("sojourn: \(trouble)\n")
            throw ExitCode(1)
        }
    }
}

/// What has come of a move, for people.
struct MoveReport {
    let text: String

    init(_ tally: MoveTally, from: String, to: String) {
        var lines = ["from \(from) to \(to)"]
        for count in MoveTally.Count.allCases
        where tally[count] > 0 || count == .listed || count == .stored {
            let number = String(tally[count])
            lines.append(
                String(repeating: " ", count: max(0, 12 - number.count)) + number + " "
                    + count.label)
        }
        for (reason, place) in tally.reasons.sorted(by: { $0.value.count > $1.value.count }) {
            let key = String(
                decoding: place.key.prefix(60).map { $0 < 32 || $0 > 126 ? UInt8(ascii: "?") : $0 },
                as: UTF8.self)
            lines.append("  \(place.count): \(reason), such as \(key)")
        }
        text = lines.joined(separator: "\n") + "\n"
    }
}
