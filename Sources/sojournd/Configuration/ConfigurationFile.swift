import CacheNode
import ClusterFile

/// `--config FILE`: a node of several spaces, which flags cannot describe.
///
/// Its words are handed to those who read the command line, so that each has one meaning and one message.
struct ConfigurationFile {
    private let file: NodeFile

    var path: String { file.path }

    init(_ path: String) throws(Refusal) {
        do throws(DefinitionError) {
            file = try NodeFile(contentsOf: path)
        } catch {
            throw Refusal(error.description)
        }
    }

    // MARK: The node

    /// What is said of the node as a whole: what is typed wins. Of the command line only that is possible which says how
    /// the process runs.
    ///
    /// - Parameter arguments: what was typed.
    func node(_ typed: SojourndCommand, _ arguments: [String]) throws(Refusal) -> Invocation {
        if let flag = typed.spaceFlag {
            throw Refusal(
                "\(flag) does not go with --config: say it in a space of \(path), in its word")
        }
        var words = ConfigurationWord.Arguments()
        for word in file.words where !Self.totals.contains(word.name) {
            guard let kind = ConfigurationWord.ofNode(word.name) else {
                let isOfSpace = Self.isOfSpace(word.name)
                throw Refusal(
                    word.error(
                        isOfSpace
                            ? "is a space's: write it behind its name, in spaces"
                            : "unknown; the node's words are \(ConfigurationWord.namesOfNode)"
                    ).description)
            }
            words.add(try Self.arguments(kind, word))
        }
        do {
            let command = try Invocation.parse(words.flags + arguments)
            return Invocation(
                typed: typed, command: command,
                options: words.options + Invocation.options(of: typed))
        } catch {
            throw Refusal("\(path): \(error.message)", status: error.status)
        }
    }

    /// What all spaces may come to.
    private static let totals = ["memory_limit", "conn_limit"]

    private static func isOfSpace(_ name: String) -> Bool {
        switch ConfigurationWord.ofSpace(name) {
        case .option(let name): ExtendedOptions.knows(name)
        case nil: false
        default: true
        }
    }

    private static func arguments(
        _ kind: ConfigurationWord, _ word: NodeFile.Word
    ) throws(Refusal) -> ConfigurationWord.Arguments {
        do throws(DefinitionError) {
            return try kind.arguments(word)
        } catch {
            throw Refusal(error.description)
        }
    }

    // MARK: Spaces

    /// The spaces, and where one is in a cluster's definition, that.
    ///
    /// - Parameter handedOver: sockets that are there already, each by the name of its space.
    func spaces(
        _ handedOver: HandedOver, makesPathsAbsolute: Bool
    ) throws(Refusal) -> [SpaceSettings] {
        for socket in handedOver.sockets
        where !file.spaces.contains(where: { $0.name == socket.space }) {
            throw Refusal(
                "descriptor \(socket.descriptor), handed over by LISTEN_FDS, has the name "
                    + "\"\(socket.name)\"; with --config that must be the name of a space "
                    + "(FileDescriptorName=\(file.spaces[0].name)), or one with .notls, .btls or "
                    + ".mtls behind it")
        }
        var all: [SpaceSettings] = []
        for space in file.spaces {
            let own = handedOver.of(space.name)
            let places = ["listen", "port", "unix_socket", "cluster"]
            guard !own.sockets.isEmpty || space.words.contains(where: { places.contains($0.name) })
            else {
                throw Refusal(
                    space.error("listens nowhere; it needs listen, port or unix_socket").description
                )
            }
            let settings = try read(space, own, makesPathsAbsolute: makesPathsAbsolute)
            if let objection = all.lazy.compactMap({ Self.conflict($0, settings) }).first {
                throw Refusal(space.error(objection).description)
            }
            all.append(settings)
        }
        try checkTotals(all.map(\.space))
        return all
    }

    /// A refusal names the word that is to blame, if it is one alone.
    private func read(
        _ space: NodeFile.Space, _ handedOver: HandedOver, makesPathsAbsolute: Bool
    ) throws(Refusal) -> SpaceSettings {
        var arguments = ConfigurationWord.Arguments()
        var all: [(word: NodeFile.Word, arguments: ConfigurationWord.Arguments)] = []
        for word in space.words where word.name != Self.formerName {
            guard let kind = ConfigurationWord.ofSpace(word.name) else {
                throw Refusal(
                    word.error("is the node's: write it at the beginning of a line").description)
            }
            if case .option(let name) = kind, !ExtendedOptions.knows(name) {
                throw Refusal(
                    word.error(
                        "unknown; expected a flag's word (\(ConfigurationWord.namesOfSpace)), or an "
                            + "option of -o"
                    ).description)
            }
            let own = try Self.arguments(kind, word)
            all.append((word, own))
            arguments.add(own)
        }
        do {
            var settings = try SpaceSettings(
                arguments, handedOver, makesPathsAbsolute: makesPathsAbsolute)
            settings.space.name = space.name
            settings.space.isNamed = true
            settings.space.formerName = try Self.formerName(of: space)
            return settings
        } catch {
            let blamed = all.first { _, arguments in
                do throws(Refusal) {
                    _ = try SpaceSettings(
                        arguments, handedOver, makesPathsAbsolute: makesPathsAbsolute)
                    return false
                } catch let own {
                    return own.message == error.message
                }
            }
            let described = blamed?.word.error(error.message) ?? space.error(error.message)
            throw Refusal(described.description, status: error.status)
        }
    }

    private static let formerName = "former_name"

    private static func formerName(of space: NodeFile.Space) throws(Refusal) -> String? {
        guard let word = space.words.first(where: { $0.name == formerName }) else { return nil }
        guard case .text(let name) = word.value else {
            throw Refusal(word.error("expected the name of a space, not a list").description)
        }
        return name
    }

    // MARK: All together

    /// What two spaces cannot both have.
    private static func conflict(_ first: SpaceSettings, _ second: SpaceSettings) -> String? {
        let (one, other) = (first.space, second.space)
        for place in other.places {
            guard let taken = one.places.first(where: { $0.overlaps(place) }) else { continue }
            return "listens on \(place), and space \(one.name) listens on \(taken) already"
        }
        if let path = other.memoryFile, path == one.memoryFile {
            return "memory_file \(path) is that of space \(one.name) already"
        }
        if one.peers != nil, other.peers != nil {
            return
                "its cluster keeps copies, as that of space \(one.name) does: a node is a member "
                + "of one such cluster at most"
        }
        return nil
    }

    private func checkTotals(_ spaces: [SpaceConfiguration]) throws(Refusal) {
        let sums = [
            "memory_limit": spaces.reduce(0) { $0 + $1.memoryByteCount >> 20 },
            "conn_limit": spaces.reduce(0) { $0 + $1.connectionCountMax },
        ]
        for word in file.words {
            guard let sum = sums[word.name] else { continue }
            guard case .text(let text) = word.value, let limit = Int(text), limit > 0 else {
                throw Refusal(word.error("expected a number above 0").description)
            }
            guard sum <= limit else {
                throw Refusal(
                    word.error("is \(limit), and that of the spaces comes to \(sum)").description)
            }
        }
    }
}

extension ConfigurationWord.Arguments {
    mutating func add(_ other: Self) {
        flags += other.flags
        options += other.options
    }
}

extension SojourndCommand {
    /// The first flag of it that is a space's.
    var spaceFlag: String? {
        let flags = [
            ("-p", port != nil), ("-U", udpPort != nil), ("-s", unixSocket != nil),
            ("-a", unixMask != nil), ("-A", enableShutdown), ("-l", !listen.isEmpty),
            ("-Z", enableSSL), ("-Y", authFile != nil), ("-S", enableSASL),
            ("-m", memoryLimit != nil), ("-M", disableEvictions), ("-c", connectionLimit != nil),
            ("-k", lockMemory), ("-D", prefixDelimiter != nil), ("-C", disableCAS),
            ("-B", bindingProtocol != nil), ("-I", itemSizeMax != nil), ("-e", memoryFile != nil),
            ("-F", disableFlushAll), ("-W", disableWatch), ("-X", disableDumping),
            ("--cluster", cluster != nil), ("--name", name != nil), ("--front", front),
        ]
        if let flag = flags.first(where: \.1)?.0 { return flag }
        return Invocation.options(of: self)
            .first { !ExtendedOptions.ofNode.contains(ExtendedOptions.name(of: $0)) }
            .map { "-o \(ExtendedOptions.name(of: $0))" }
    }

    /// The first that is the node's.
    var nodeFlag: String? {
        let flags = [
            ("-t", threads != nil), ("-R", requestsPerEvent != nil), ("-b", backlog != nil),
            ("-u", user != nil), ("-P", pidFile != nil), ("-d", daemon), ("-v", verbose > 0),
            ("-r", enableCoredumps), ("--supervise", supervise), ("--admin", admin != nil),
        ]
        return flags.first(where: \.1)?.0
    }
}
