import ArgumentParser
import Glibc

struct SessionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sessions",
        abstract: "Finds, counts and ends a user's sessions.",
        discussion: """
            Every session of the nodes is looked at: there is no index that could be wrong. How a user is found in one \
            is said to the node, by `-o user_rule=RULE`, or here:

              php: user_id               PHP's session serializers, and igbinary; php: auth.user_id
              json: $.passport.user      express-session and the like
              django                     Django's cache sessions; pickle: FIELD
              rails                      Rails' cache store and Rack's, with Devise; rails: FIELD
              bytes: 'user=([0-9]+)'     a pattern anywhere in the value, its group is the user
              key: 'sess:([^:]+):'       the same in the key

            The nodes are asked at their operators' sockets, `-o operator=PATH`, which are Unix sockets: with --cluster \
            those that the definition's flags name, on this machine. Others are reached by ssh, as in \
            `ssh -N -L /run/b.sock:/run/sojournd/operator.sock b`. From where a session was opened is not kept, so \
            nobody can ask for it.
            """,
        subcommands: [SessionsList.self, SessionsCount.self, SessionsRevoke.self])
}

/// What all of them take.
struct SessionsOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A cluster's definition: its nodes on this machine are asked.", valueName: "file"))
    var cluster: String?

    @Option(help: ArgumentHelp("An operator's socket; may be repeated.", valueName: "path"))
    var socket: [String] = []

    @Option(help: ArgumentHelp("Of nodes with several spaces, the one.", valueName: "space"))
    var space: String?

    @Option(help: ArgumentHelp("Whose sessions.", valueName: "user"))
    var user: String?

    @Option(
        help: ArgumentHelp(
            "How a user is found in what is stored, instead of the node's own rule.",
            valueName: "rule"))
    var userRule: String?

    @Option(help: ArgumentHelp("Only those whose key begins so.", valueName: "bytes"))
    var keyPrefix: String?

    @Option(help: ArgumentHelp("Only those with these bytes in the value.", valueName: "bytes"))
    var contains: String?

    @Option(
        help: ArgumentHelp(
            "Only those that began so long ago: 90, 30m, 2h, 7d.", valueName: "time"))
    var olderThan: TypedTime?

    @Option(help: ArgumentHelp("Only those that nobody has used for so long.", valueName: "time"))
    var idleFor: TypedTime?

    @Option(
        help: ArgumentHelp("Only those of more bytes: 500, 64k, 1m.", valueName: "size"))
    var largerThan: ByteSize?

    @Option(
        help: ArgumentHelp(
            "Not this one, as that of who asks; may be repeated.", valueName: "key"))
    var except: [String] = []

    @Option(
        help: ArgumentHelp("Until a node that says nothing counts as lost.", valueName: "seconds"))
    var timeout = 10.0

    @Flag(
        help: """
            Show keys. They are secrets: whoever has one is logged in. Without it sessions have names that mean \
            nothing.
            """)
    var showKeys = false

    @Flag(help: "One object in JSON instead of a text.") var json = false

    func validate() throws {
        guard cluster != nil || !socket.isEmpty else {
            throw ValidationError("which nodes? Give --cluster FILE, or --socket PATH")
        }
        guard cluster == nil || socket.isEmpty else {
            throw ValidationError("--cluster and --socket do not go together")
        }
        guard timeout > 0 else { throw ValidationError("--timeout must be more than 0") }
    }

    /// The line that is sent to each node.
    func question(_ command: String) -> String {
        var words = [command]
        func add(_ name: String, _ value: String?) {
            if let value { words.append("\(name)=\(Self.encoded(value))") }
        }
        add("space", space)
        add("rule", userRule)
        add("user", user)
        add("key_prefix", keyPrefix)
        add("contains", contains)
        add("older_than", olderThan.map { "\($0.seconds)" })
        add("idle_for", idleFor.map { "\($0.seconds)" })
        add("larger_than", largerThan.map { "\($0.byteCount)" })
        for key in except { add("except", key) }
        if showKeys { words.append("show_keys") }
        return words.joined(separator: " ") + "\n"
    }

    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.map { byte in
            byte > 32 && byte < 127 && byte != UInt8(ascii: "%")
                ? String(UnicodeScalar(byte))
                : "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
        }.joined()
    }

    /// Asks, shows what has come of it, and ends with the status that says it.
    func run(_ command: String, topCount: Int = 10) async throws {
        let targets = try SessionTargets(self)
        let inquiry = SessionInquiry(targets, question: question(command), timeout: timeout)
        let report = SessionReport(
            command: command, options: self, topCount: topCount, answers: await inquiry.ask())
        print(json ? report.json : report.text)
        for line in report.troubles where !json { tell("sojourn sessions: \(line)\n") }
        guard report.status == 0 else { throw ExitCode(report.status) }
    }
}

private let statuses = """
    Status: 0 when there are some, 1 when there are none, 2 when a node did not answer or something could not be done, \
    64 when the command line is wrong.
    """

struct SessionsList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists sessions: whose, how old, how long unused.",
        discussion: """
            Examples:
              sojourn sessions list --cluster shop.yaml --user ann
              sojourn sessions list --socket /run/sojournd/operator.sock --idle-for 7d --larger-than 64k

            \(statuses)
            """)
    @OptionGroup var options: SessionsOptions
    func run() async throws { try await options.run("list") }
}

struct SessionsCount: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "count", abstract: "Counts sessions, and those of each user.",
        discussion: """
            Of several copies of a session one is counted: at the first member that has one and is there.

            Example:
              sojourn sessions count --cluster shop.yaml --top 20

            \(statuses)
            """)
    @OptionGroup var options: SessionsOptions
    @Option(
        help: ArgumentHelp("How many users are shown, those with most first.", valueName: "number"))
    var top = 10
    func run() async throws { try await options.run("count", topCount: max(0, top)) }
}

struct SessionsRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Ends sessions: logs a user out everywhere.",
        discussion: """
            Each session that is found is ended as by a client's deletion, with all its copies, and does not come back \
            with a node that was away. A session that is stored anew meanwhile is ended, too; one that begins after \
            the command did is not touched. With `-o fence` a request that is still under way cannot store an ended \
            one again.

            Examples:
              sojourn sessions revoke --cluster shop.yaml --user ann
              sojourn sessions revoke --cluster shop.yaml --user ann --except memc.sess.key.4f1c --older-than 2h

            \(statuses)
            """)
    @OptionGroup var options: SessionsOptions
    func validate() throws {
        guard
            options.user != nil || options.keyPrefix != nil || options.contains != nil
                || options.olderThan != nil || options.idleFor != nil || options.largerThan != nil
        else { throw ValidationError("whose sessions? Give --user, or another limit") }
    }
    func run() async throws { try await options.run("revoke") }
}

/// A time as it is typed: `90`, `30m`, `2h`, `7d`.
struct TypedTime: ExpressibleByArgument {
    let seconds: Int

    init?(argument: String) {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        let unit = argument.last.flatMap { units[$0] }
        guard let number = Int(unit == nil ? argument[...] : argument.dropLast()), number >= 0,
            number <= Int(UInt32.max) / (unit ?? 1)
        else { return nil }
        seconds = number * (unit ?? 1)
    }
}

/// `500`, `64k`, `1m`.
struct ByteSize: ExpressibleByArgument {
    let byteCount: Int

    init?(argument: String) {
        let units: [Character: Int] = ["k": 1 << 10, "m": 1 << 20]
        let unit = argument.lowercased().last.flatMap { units[$0] }
        guard let number = Int(unit == nil ? argument[...] : argument.dropLast()), number >= 0,
            number <= Int(UInt32.max) / (unit ?? 1)
        else { return nil }
        byteCount = number * (unit ?? 1)
    }
}
