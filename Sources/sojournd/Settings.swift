import CacheNode
import EventLoop
import Glibc
import Logging

/// What the command line says, checked.
struct Settings {
    var node = NodeConfiguration()
    var supervises = false
    /// How long a supervisor's node may be silent; nil if for ever.
    var watchdogSeconds: Int? = 2
    var runsAsDaemon = false
    /// Lets go of its output when it serves. So does the node of a supervisor in the background.
    var detachesOutput = false
    var raisesCoreLimit = false
    var user: String?
    var pidFile: String?
    /// Where the ports are written to, as memcached does it for its tests.
    var portFile: String?
    /// Said when the log is there, at any verbosity.
    var warning: String?
    /// Flags that were accepted and do nothing; said at -v.
    var notes: [String] = []
    /// What the definition says of this node, if there is one.
    let definedNode: DefinedNode?
    /// The same of the spaces of a configuration file.
    private(set) var definedSpaces: [DefinedNode] = []
    private var isConnectionCountGiven = false
    /// Whether paths are made absolute, as they will be meant in another directory.
    private let makesPathsAbsolute: Bool

    /// - Parameter makesPathsAbsolute: unless the command says so itself.
    init(
        _ invocation: Invocation, _ handedOver: HandedOver, makesPathsAbsolute: Bool = false
    ) throws(Refusal) {
        self.makesPathsAbsolute = makesPathsAbsolute || invocation.command.daemon
        definedNode = invocation.definedNode
        do {
            try read(invocation, handedOver)
        } catch {
            guard let definedNode else { throw error }
            throw Refusal("\(definedNode): \(error.message)", status: error.status)
        }
    }

    private mutating func read(
        _ invocation: Invocation, _ handedOver: HandedOver
    ) throws(Refusal) {
        let command = invocation.command
        node.verbosity = command.verbose
        node.version = Version.own
        supervises = command.supervise
        runsAsDaemon = command.daemon
        detachesOutput = command.daemon
        raisesCoreLimit = command.enableCoredumps
        user = command.user
        pidFile = command.pidFile.map { path($0) }
        portFile = Process.environment("MEMCACHED_PORT_FILENAME").map { path($0) }
        try readMemory(command)
        try readConnections(command)
        try readListening(command, isOfSpace: invocation.isOfSpace)
        try take(handedOver, invocation.typed)
        try readProtocol(command)
        if let definedNode {
            node.cluster = .definition(at: path(definedNode.path))
            node.peers = try definedNode.peers()
            if node.peers != nil { try readForPeers(command) }
        }
        let makesAbsolute = makesPathsAbsolute
        let extended = try ExtendedOptions(invocation.options, node: &node) {
            makesAbsolute ? Process.absolute($0) : $0
        }
        if node.predecessor != nil, node.peers != nil {
            throw Refusal(
                "predecessor does not go with peers, whose members decide together: move the items to "
                    + "such a cluster by sojourn import")
        }
        if let seconds = extended.watchdogSeconds {
            watchdogSeconds = seconds > 0 ? seconds : nil
        }
        for (flag, reason) in extended.withoutEffect { note(flag, reason) }
        try extended.tls.apply(to: &node, isEnabled: command.enableSSL)
        try extended.authentication.apply(
            to: &node, passwordFile: command.authFile.map { path($0) },
            isSASLOnly: command.enableSASL)
        try extended.admin.apply(
            to: &node, place: command.admin, definedNode: definedNode, path: path)
        if node.isSandboxed { try checkSandboxedPeers() }
        if command.growthFactor != nil { try checkGrowthFactor(command) }
        if command.enableLargePages { note("-L", "large pages are used where the kernel has them") }
    }

    /// What a member of a cluster that keeps copies cannot do.
    private mutating func readForPeers(_ command: SojourndCommand) throws(Refusal) {
        guard !command.disableCAS else {
            throw Refusal("-C does not go with peers, which tell copies apart by CAS uniques")
        }
    }

    /// To look a name up takes files and sockets that a sandbox does not have.
    private func checkSandboxedPeers() throws(Refusal) {
        for peer in node.spaces.flatMap({ $0.peers?.dialled ?? [] })
        where !HostAddresses.isNumeric(peer.host) {
            throw Refusal(
                "-o sandbox: the others look for node \(peer.name) at \(peer.host), and no names are "
                    + "looked up in the sandbox; give its address in the definition, as peer_host")
        }
        for member in node.admin?.members ?? [] where !HostAddresses.isNumeric(member.host) {
            throw Refusal(
                "-o sandbox: node \(member.name)'s admin is at \(member.host), and no names are "
                    + "looked up in the sandbox; give its address in the definition")
        }
        for server in node.spaces.flatMap({ $0.predecessor?.servers ?? [] })
        where !HostAddresses.isNumeric(server.host) {
            throw Refusal(
                "-o sandbox: no names are looked up in the sandbox; give the predecessor's address "
                    + "instead of \(server.host)")
        }
    }

    /// A daemon leaves the directory in which its paths were meant.
    private func path(_ text: String) -> String {
        makesPathsAbsolute ? Process.absolute(text) : text
    }

    private mutating func note(_ flag: String, _ reason: String) {
        notes.append("\(flag) has no effect: \(reason)")
    }

    // MARK: A configuration file

    /// - Parameter arguments: what was typed.
    init(
        _ file: ConfigurationFile, _ arguments: [String], _ handedOver: HandedOver
    ) throws(Refusal) {
        let typed = try Invocation.parse(arguments)
        var process = handedOver
        process.sockets = []
        try self.init(try file.node(typed, arguments), process)
        let spaces = try file.spaces(handedOver, makesPathsAbsolute: makesPathsAbsolute)
        node.spaces = spaces.map(\.space)
        definedSpaces = spaces.compactMap(\.definedNode)
        if let defined = definedSpaces.first(where: { !$0.adminMembers.isEmpty }) {
            node.admin?.members = defined.adminMembers
            node.admin?.ownName = defined.nodeName
        }
        notes += spaces.flatMap { settings in
            settings.notes.map { "space \(settings.space.name): \($0)" }
        }
        for space in spaces where space.space.tls != nil {
            node.handshakeCountMax = max(node.handshakeCountMax, space.handshakeCountMax)
            node.handshakeTimeoutSeconds = max(
                node.handshakeTimeoutSeconds, space.handshakeTimeoutSeconds)
        }
        // Of several spaces nobody can say whose should become less.
        isConnectionCountGiven = true
        if node.isSandboxed { try checkSandboxedPeers() }
        let path = path(file.path)
        node.readAgain = {
            var settings = try Settings(try ConfigurationFile(path), arguments, handedOver)
            try settings.raiseDescriptorLimit()
            return settings.node
        }
    }

    /// Whether the node reads files with each start that may have become wrong ones.
    var hasFiles: Bool {
        node.readAgain != nil || definedNode != nil
            || node.spaces.contains { $0.tls != nil || $0.authentication != nil }
    }

    /// What to tell somebody whose node listens elsewhere than a definition says.
    func objections(to places: [CacheNode.Node.Place]) -> [String] {
        (definedSpaces + [definedNode].compactMap(\.self)).compactMap { $0.objection(to: places) }
    }

    // MARK: Memory

    private mutating func readMemory(_ command: SojourndCommand) throws(Refusal) {
        if let text = command.memoryLimit {
            guard let megabytes = Int(text), megabytes >= 0, megabytes <= 1 << 20 else {
                throw Refusal(
                    "Memory limit must be a number of megabytes up to 1048576, not \"\(text)\"")
            }
            node.memoryByteCount = megabytes << 20
        }
        if let text = command.itemSizeMax { node.itemByteCountMax = try Self.size(text) }
        let limit = node.itemByteCountMax
        guard limit >= 1_024 else {
            throw Refusal("Item max size cannot be less than 1024 bytes.")
        }
        guard limit <= 129 << 20 else {
            throw Refusal("Item max size cannot be more than 129m.")
        }
        guard limit <= node.memoryByteCount / 2 else {
            throw Refusal(
                "Cannot set item size limit higher than 1/2 of memory max. "
                    + "(-I \(limit) needs -m \((limit * 2 + (1 << 20) - 1) >> 20) or more)")
        }
        node.evicts = !command.disableEvictions
        node.memoryFile = command.memoryFile.map { path($0) }
        guard command.memoryFile != "" else { throw Refusal("-e needs a path") }
        node.assignsCASUniques = !command.disableCAS
        node.locksPages = command.lockMemory
        if let text = command.slabMinimum {
            guard let size = Int(text), size > 0 else {
                throw Refusal("Chunk size must be greater than 0")
            }
            node.tuning.chunkByteCount = size
            note("-n", "there are no slabs")
        }
    }

    /// Bytes, or with `k` or `m`.
    private static func size(_ text: String) throws(Refusal) -> Int {
        let digits: Substring
        let unit: Int
        switch text.last {
        case "k", "K": (digits, unit) = (text.dropLast(), 1 << 10)
        case "m", "M": (digits, unit) = (text.dropLast(), 1 << 20)
        default: (digits, unit) = (text[...], 1)
        }
        guard let number = Int(digits), number >= 0, number <= 1 << 32 else {
            throw Refusal(
                "Item max size must be a number of bytes, or one with k or m, not \"\(text)\"")
        }
        return number * unit
    }

    private mutating func checkGrowthFactor(_ command: SojourndCommand) throws(Refusal) {
        guard let factor = command.growthFactor.flatMap(Double.init), factor > 1 else {
            throw Refusal("Factor must be greater than 1")
        }
        node.tuning.growthFactor = factor
        note("-f", "there are no slabs")
    }

    // MARK: Connections

    private mutating func readConnections(_ command: SojourndCommand) throws(Refusal) {
        node.threadCount = min(Processors.count, Self.threadCountMax)
        if let text = command.threads {
            guard let count = Int(text), count > 0 else {
                throw Refusal("Number of threads must be greater than 0")
            }
            guard count <= Self.threadCountMax else {
                throw Refusal("Number of threads cannot be more than \(Self.threadCountMax)")
            }
            node.threadCount = count
        }
        if let text = command.connectionLimit {
            guard let count = Int(text), count > 0, count <= Int(Int32.max) else {
                throw Refusal("Maximum connections must be greater than 0")
            }
            node.connectionCountMax = count
            isConnectionCountGiven = true
        }
        if let text = command.requestsPerEvent {
            guard let count = Int(text), count > 0 else {
                throw Refusal("Number of requests per event must be greater than 0")
            }
            node.commandsPerTurn = count
        }
        if let text = command.backlog {
            guard let length = Int32(text), length >= 0 else {
                throw Refusal("Listen backlog must be a number, not \"\(text)\"")
            }
            node.backlog = Int(length)
        }
    }

    private static let threadCountMax = 256

    /// Lets the process open what `-c` and `-t` need. What was not asked for becomes less where the system
    /// does not allow it; what was is refused.
    mutating func raiseDescriptorLimit() throws(Refusal) {
        let needed = node.descriptorCountMax
        guard let limit = Process.raiseDescriptorLimit(to: needed) else { return }
        let possible = limit - (needed - node.connectionCountMax)
        let reason =
            "\(node.spaces.reduce(0) { $0 + $1.connectionCountMax }) connections and \(node.threadCount) threads need "
            + "\(needed) descriptors, and the limit of open files is \(limit)"
        guard possible > 0, !isConnectionCountGiven else {
            let hint = possible > 0 ? ", or use -c \(possible) or less" : ""
            throw Refusal("\(reason); raise it ('ulimit -Hn')\(hint)", status: Refusal.osError)
        }
        warning = "\(reason): only \(possible) connections are admitted"
        node.connectionCountMax = possible
    }

    // MARK: Listening

    private mutating func readListening(
        _ command: SojourndCommand, isOfSpace: Bool
    ) throws(Refusal) {
        if let text = command.udpPort {
            guard Int(text) == 0 else {
                throw Refusal(
                    "UDP is not supported (-U \(text)): it has been abused for amplification "
                        + "attacks, and no session client needs it; use -U 0 or leave it out")
            }
        }
        if let path = command.unixSocket {
            guard !path.isEmpty else { throw Refusal("-s needs a path") }
            let mask = command.unixMask ?? "700"
            guard let mode = UInt32(mask, radix: 8), mode <= 0o777 else {
                throw Refusal("Access mask must be octal, at most 777, not \"\(mask)\"")
            }
            node.listening = [.unix(path: self.path(path), mode: mode)]
            guard isOfSpace, command.port != nil || !command.listen.isEmpty else { return }
        } else {
            node.listening = []
        }
        let places = try ListeningPlaces(
            port: command.port, hosts: command.listen, isTLSEnabled: command.enableSSL)
        node.interfaces = places.interfaces
        node.listening.append(.tcp(places.places))
    }

    /// Sockets that are there already are listened on, and nothing else, whatever a definition says.
    ///
    /// - Parameter command: what was typed.
    private mutating func take(
        _ handedOver: HandedOver, _ command: SojourndCommand
    ) throws(Refusal) {
        if handedOver.isSupervised {
            // These are the supervisor's.
            (supervises, runsAsDaemon, pidFile) = (false, false, nil)
        } else if !handedOver.sockets.isEmpty {
            let flags = [
                ("-p", command.port != nil), ("-l", !command.listen.isEmpty),
                ("-s", command.unixSocket != nil), ("-a", command.unixMask != nil),
                ("-b", command.backlog != nil),
            ]
            if let flag = flags.first(where: \.1)?.0 {
                throw Refusal(
                    "\(flag) has no meaning where the listening sockets are handed over "
                        + "(LISTEN_FDS): leave it out, or say it in systemd's socket unit")
            }
        }
        if !handedOver.sockets.isEmpty { node.listening = [.handedOver(handedOver.sockets)] }
    }

    func writePIDFile(_ logger: Logger) {
        if let path = pidFile, let problem = Process.write("\(getpid())\n", to: path) {
            logger.error("\(problem)")
        }
    }

    /// Unless it is another process's by now.
    func removePIDFile() {
        guard let path = pidFile, Process.read(path) == "\(getpid())\n" else { return }
        unlink(path)
    }

    // MARK: Protocol

    private mutating func readProtocol(_ command: SojourndCommand) throws(Refusal) {
        if let name = command.bindingProtocol {
            guard let chosen = NodeConfiguration.BindingProtocol(rawValue: name) else {
                throw Refusal(
                    "Invalid value for binding protocol: \(name) "
                        + "-- should be one of auto, binary, or ascii")
            }
            node.bindingProtocol = chosen
        }
        node.isFlushAllowed = !command.disableFlushAll
        node.isDumpAllowed = !command.disableDumping
        node.isWatchAllowed = !command.disableWatch
        node.isShutdownAllowed = command.enableShutdown
        if let delimiter = command.prefixDelimiter {
            guard let byte = delimiter.utf8.first, delimiter.utf8.count == 1 else {
                throw Refusal("-D needs one character")
            }
            node.prefixDelimiter = byte
            node.collectsPrefixDetail = true
        }
    }
}
