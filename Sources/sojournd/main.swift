import ArgumentParser
import CacheNode
import EventLoop
import Glibc
import Logging

/// Says why in one line on stderr, and ends with memcached's exit status.
func refuse(_ refusal: Refusal) -> Never {
    Log.sayLast(refusal.message)
    exit(refusal.status)
}

func parseCommandLine() -> SojourndCommand {
    do {
        return try SojourndCommand.parse()
    } catch {
        let status = SojourndCommand.exitCode(for: error)
        // `--help`: a full text on stdout.
        if status.isSuccess { SojourndCommand.exit(withError: error) }
        refuse(
            Refusal(
                "sojournd: \(SojourndCommand.message(for: error)) (see --help)",
                status: Refusal.usage))
    }
}

func run(_ settings: Settings, _ handedOver: HandedOver) throws {
    var settings = settings
    if settings.raisesCoreLimit { try Process.raiseCoreLimit() } else { Process.forbidCore() }
    try settings.raiseDescriptorLimit()
    try Process.become(settings.user)
    // A supervisor hands its relative paths on to the node, so both stay where they are.
    let daemon =
        settings.runsAsDaemon
        ? try Daemon.start(keepsDirectory: settings.raisesCoreLimit || settings.supervises) : nil
    try Log.queue.start()
    let logger = Log.queue.makeLogger(label: "sojournd")
    settings.node.logger = logger
    settings.node.log = Log.queue
    settings.node.shouldStop = { StopSignals.haveCome }
    if settings.node.verbosity > 0 {
        for note in settings.notes { logger.notice("\(note)") }
    }
    if let warning = settings.warning { logger.warning("\(warning)") }
    if Process.isRoot, settings.user == nil {
        logger.warning("runs as root; -u USER makes it another user, -u root says it is meant")
    }
    let ready = { [settings] in
        if settings.detachesOutput {
            Daemon.detach(keepsErrors: settings.node.verbosity > 0)
        }
        daemon?.tellReady()
    }
    if settings.supervises {
        let status = try supervise(settings, handedOver, logger, ready: ready)
        Log.queue.drain(milliseconds: Log.patienceMilliseconds)
        exit(status)
    }
    try serve(settings, handedOver, logger, ready: ready)
}

func supervise(
    _ settings: Settings, _ handedOver: HandedOver, _ logger: Logger, ready: @escaping () -> Void
) throws -> Int32 {
    let supervisor = try Supervisor(
        arguments: Array(CommandLine.arguments.dropFirst()),
        hasFiles: settings.hasFiles, sockets: try settings.node.makeNamedSockets(),
        superior: handedOver.superior, watchdogSeconds: settings.watchdogSeconds,
        ownWatchdogMilliseconds: handedOver.watchdogMilliseconds, logger: logger, ready: ready)
    settings.writePIDFile(logger)
    defer { settings.removePIDFile() }
    return try supervisor.run()
}

func serve(
    _ settings: Settings, _ handedOver: HandedOver, _ logger: Logger, ready: () -> Void
) throws {
    var settings = settings
    let superior = handedOver.superior
    settings.node.follow = { superior.tell($0) }
    settings.node.watchdog = handedOver.watchdogMilliseconds.map {
        Watchdog(milliseconds: $0) { superior.tell(Superior.feed) }
    }
    let megabytes = settings.node.spaces.reduce(0) { $0 + $1.memoryByteCount >> 20 }
    superior.tell("STATUS=Starting, \(megabytes) MB")
    LostPages.attend(to: settings.node.spaces.compactMap(\.memoryFile))
    let node = try Node(settings.node)
    let places = try node.listen()
    if let path = settings.portFile,
        let problem = Process.write(places.compactMap(\.portLine).joined(), to: path)
    {
        logger.error("\(problem)")
    }
    settings.writePIDFile(logger)
    defer { settings.removePIDFile() }
    let listing = places.map(\.description).joined(separator: ", ")
    for objection in settings.objections(to: places) { logger.warning("\(objection)") }
    let spaces =
        settings.node.spaces.count > 1 ? ", in \(settings.node.spaces.count) spaces" : ""
    logger.notice("sojournd \(Version.own) listens on \(listing), \(megabytes) MB\(spaces)")
    if let problem = superior.tell("READY=1", "STATUS=Listens on \(listing)") {
        logger.error("cannot tell who started this node that it is ready: \(problem)")
    }
    ready()
    // The threads that serve are made after this, and have no more than this one.
    if settings.node.isSandboxed {
        let summary = try Sandbox(settings).enter()
        // The log's thread was there before.
        try Log.queue.restart()
        logger.notice("sandbox: \(summary)")
    }
    try node.run()
}

guard StandardDescriptors.open(.silent) else { exit(Refusal.osError) }
StopSignals.attend()

let command = parseCommandLine()
if command.version {
    print("sojournd \(Version.own) (speaks the protocol of memcached 1.6.45)")
    exit(0)
}
let handedOver: HandedOver
let settings: Settings
do throws(Refusal) {
    handedOver = try HandedOver.take()
    let arguments = Array(CommandLine.arguments.dropFirst())
    if let path = command.config {
        settings = try Settings(try ConfigurationFile(path), arguments, handedOver)
        if command.checkConfig {
            print(try settings.checked(path))
            exit(0)
        }
    } else {
        guard !command.checkConfig else {
            throw Refusal("--check-config needs --config FILE, which is to be checked")
        }
        settings = try Settings(try Invocation(command, arguments), handedOver)
    }
} catch {
    refuse(error)
}
do {
    try run(settings, handedOver)
} catch let refusal as Refusal {
    refuse(refusal)
} catch let error as NodeError where error.isMisconfigured {
    refuse(Refusal(error.message))
} catch let error as NodeError where error == .stopped {
    // As it was asked to.
} catch {
    refuse(Refusal("\(error)", status: Refusal.osError))
}
Log.queue.drain(milliseconds: Log.patienceMilliseconds)
