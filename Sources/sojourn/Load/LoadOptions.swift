import ArgumentParser
import ClusterFile
import HashRing
import LoadGenerator
import MemcacheProtocol

/// Refuses what is out of range, naming the option and the range.
func check<Number: Comparable>(
    _ name: String, _ value: Number, _ range: ClosedRange<Number>
) throws {
    guard range.contains(value) else {
        throw ValidationError(
            "--\(name) must be \(range.lowerBound) to \(range.upperBound), not \(value)")
    }
}

struct TargetOptions: ParsableArguments {
    @Option(
        name: .customLong("server"),
        help: ArgumentHelp(
            "A server; several share the keys by ketama, as libmemcached's clients do "
                + "(default 127.0.0.1:11211).", valueName: "host[:port[:weight]]"))
    var servers: [NodeArgument] = []
    @Option(
        help: ArgumentHelp(
            "A cluster's definition, instead of --server: its nodes, and its rule of placement. Each "
                + "key is on one node.", valueName: "file"))
    var cluster: String?
    @Option(
        name: .customLong("protocol"),
        help: "text, meta, or echo for `sojourn echo`, which sends values back.")
    var wire = WireProtocol.text

    func apply(to plan: inout LoadPlan) throws {
        plan.wire = wire
        guard servers.isEmpty || cluster == nil else {
            throw ValidationError("give --cluster or --server, not both")
        }
        guard cluster != nil || !servers.isEmpty else { return }
        do {
            let definition =
                try definition()
                ?? ClusterDefinition(members: servers.map { .init(node: $0.node) })
            plan.servers = definition.nodes
            plan.ring = try definition.ring()
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func definition() throws -> ClusterDefinition? {
        try cluster.map { try ClusterDefinition(contentsOf: $0) }
    }
}

struct PaceOptions: ParsableArguments {
    @Option(help: "Connections at the same time, to all servers together.")
    var connections = 50
    @Option(help: "Threads, each with a share of the connections.") var threads = 1
    @Option(help: "Requests of a connection at a time.") var depth = 1
    @Option(help: "Requests per second, of all connections together: an open loop.")
    var rate: Double?
    @Option(help: "Seconds to measure (default 10).") var duration: Double?
    @Option(help: "Requests to measure, instead of a time.") var requests: Int?
    @Option(help: "Seconds of the same before, not counted.") var warmUp = 1.0
    @Option(help: "Seconds without a reply after which a connection is given up.")
    var timeout = 10
    @Option(help: "Of the random choices.") var seed: UInt64 = 1

    func apply(to plan: inout LoadPlan) throws {
        try check("connections", connections, 1...60_000)
        try check("threads", threads, 1...256)
        try check("depth", depth, 1...10_000)
        try check("warm-up", warmUp, 0...86_400)
        try check("timeout", timeout, 1...3_600)
        if let rate { try check("rate", rate, 0.1...10_000_000) }
        if let duration { try check("duration", duration, 0.01...604_800) }
        if let requests { try check("requests", requests, 1...1_000_000_000_000) }
        guard duration == nil || requests == nil else {
            throw ValidationError("--duration and --requests exclude each other")
        }
        guard threads <= connections else {
            throw ValidationError(
                "--threads must be at most --connections, \(connections), not \(threads)")
        }
        guard plan.servers.count <= connections else {
            throw ValidationError(
                "--connections must be at least one for each of \(plan.servers.count) servers, not "
                    + "\(connections)")
        }
        plan.connectionCount = connections
        plan.threadCount = threads
        plan.depth = depth
        plan.rate = rate
        plan.extent = requests.map { .requests($0) } ?? .seconds(duration ?? 10)
        plan.warmUpSeconds = warmUp
        plan.timeoutSeconds = timeout
        plan.seed = seed
    }
}

struct OutputOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Also write the result as JSON.", valueName: "file"))
    var json: String?
    @Option(
        help: ArgumentHelp(
            "Also draw latency by percentile and throughput over time, as SVG.",
            valueName: "file.svg"))
    var plot: String?
    @Flag(help: "A line every second on stderr, even if it is not a terminal.")
    var progress = false
    @Option(
        name: .customLong("server-pid"),
        help: ArgumentHelp(
            "The server's process on this machine, to tell its CPU time per request; of several, all "
                + "together.", valueName: "pid"))
    var serverPids: [Int32] = []

    func apply(to plan: inout LoadPlan) throws {
        for pid in serverPids { try check("server-pid", pid, 1...Int32.max) }
        plan.serverProcessIDs = serverPids
    }
}

extension WireProtocol: ExpressibleByArgument {}
