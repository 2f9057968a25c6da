import ArgumentParser
import CacheNode
import Glibc
import Logging

/// Says why in one line on stderr, and ends with memcached's exit status.
func refuse(_ refusal: Refusal) -> Never {
    var line = refusal.message + "\n"
    _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(refusal.status)
}

func parseCommandLine() -> SojourndCommand {
    do {
        return try SojourndCommand.parse()
    } catch {
        let status = SojourndCommand.exitCode(for: error)
        // `--help`: a full text on stdout.
        if status.isSuccess { SojourndCommand.exit(withError: error) }
        refuse(Refusal("sojournd: \(SojourndCommand.message(for: error)) (see --help)"))
    }
}

func makeLogger(verbosity: Int) -> Logger {
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    var logger = Logger(label: "sojournd")
    // What is wanted is asked before a message is made: `verbosity` can change it.
    logger.logLevel = .trace
    return logger
}

func run(_ settings: Settings, _ handedOver: HandedOver) throws {
    var settings = settings
    if settings.raisesCoreLimit { try Process.raiseCoreLimit() }
    try Process.raiseDescriptorLimit(to: settings.node.connectionCountMax)
    try Process.become(settings.user)
    if settings.runsAsDaemon {
        try Process.daemonize(
            keepsDirectory: settings.raisesCoreLimit, keepsOutput: settings.node.verbosity > 0)
    }
    let logger = makeLogger(verbosity: settings.node.verbosity)
    settings.node.logger = logger
    settings.node.shouldStop = { StopSignals.haveCome }
    if settings.node.verbosity > 0 {
        for note in settings.notes { logger.notice("\(note)") }
    }
    if Process.isRoot, settings.user == nil {
        logger.warning("runs as root; -u USER makes it another user, -u root says it is meant")
    }
    if settings.supervises {
        exit(try supervise(settings, handedOver, logger))
    }
    try serve(settings, handedOver, logger)
}

func supervise(
    _ settings: Settings, _ handedOver: HandedOver, _ logger: Logger
) throws -> Int32 {
    let supervisor = try Supervisor(
        arguments: Array(CommandLine.arguments.dropFirst()),
        sockets: try settings.node.makeSockets(), superior: handedOver.superior, logger: logger)
    settings.writePIDFile(logger)
    defer { settings.removePIDFile() }
    return try supervisor.run()
}

func serve(_ settings: Settings, _ handedOver: HandedOver, _ logger: Logger) throws {
    var settings = settings
    let superior = handedOver.superior
    settings.node.follow = { superior.tell($0) }
    superior.tell("STATUS=Starting, \(settings.node.memoryByteCount >> 20) MB")
    let node = try Node(settings.node)
    let places = try node.listen()
    if let path = Process.environment("MEMCACHED_PORT_FILENAME"),
        let problem = Process.write(places.compactMap(\.portLine).joined(), to: path)
    {
        logger.error("\(problem)")
    }
    settings.writePIDFile(logger)
    defer { settings.removePIDFile() }
    let listing = places.map(\.description).joined(separator: ", ")
    logger.notice(
        "sojournd \(Version.own) listens on \(listing), \(settings.node.memoryByteCount >> 20) MB")
    if let problem = superior.tell("READY=1", "STATUS=Listens on \(listing)") {
        logger.error("cannot tell who started this node that it is ready: \(problem)")
    }
    try node.run()
}

Process.openStandardDescriptors()
StopSignals.attend()

let command = parseCommandLine()
if command.version {
    print("sojournd \(Version.own) (speaks the protocol of memcached 1.6.45)")
    exit(0)
}
let handedOver: HandedOver
let settings: Settings
do {
    handedOver = try HandedOver.take()
    settings = try Settings(command, handedOver)
} catch {
    refuse(error)
}
do {
    try run(settings, handedOver)
} catch let refusal as Refusal {
    refuse(refusal)
} catch let error as NodeError where error == .stopped {
    exit(0)
} catch {
    refuse(Refusal("\(error)", status: Refusal.osError))
}
