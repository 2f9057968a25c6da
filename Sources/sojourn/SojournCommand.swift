import ArgumentParser

/// The operator's tool.
@main
struct SojournCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sojourn", abstract: "Tools for those who run sojournd.",
        subcommands: [RingCommand.self, DefinitionCommand.self, LoadCommand.self])
}

struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Puts load on one node and checks every reply.",
        discussion: """
            First stores every key, then runs the operation in a closed loop: each connection sends a \
            batch of DEPTH requests, waits for all replies, compares them byte by byte, and goes on. \
            Works with anything that speaks memcached's text protocol.
            """)

    enum Operation: String, ExpressibleByArgument, CaseIterable {
        case get, set, mixed
    }

    @Option(help: "The node's address.") var host = "127.0.0.1"
    @Option(help: "The node's port.") var port = 11_211
    @Option(help: "What to send: get, set, or mixed (nine gets to one set).")
    var operation = Operation.get
    @Option(help: "Connections at the same time.") var connections = 50
    @Option(help: "Requests in one batch.") var depth = 1
    @Option(help: "Keys of one get.") var keysPerGet = 1
    @Option(help: "Different keys.") var keys = 10_000
    @Option(help: "Bytes of a value.") var valueBytes = 100
    @Option(help: "Requests in all.") var requests = 500_000

    func validate() throws {
        func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws {
            guard range.contains(value) else {
                throw ValidationError(
                    "--\(name) must be \(range.lowerBound) to \(range.upperBound), not \(value)")
            }
        }
        try check("port", port, 1...65_535)
        try check("connections", connections, 1...60_000)
        try check("depth", depth, 1...10_000)
        try check("keys-per-get", keysPerGet, 1...10_000)
        try check("keys", keys, 1...10_000_000)
        try check("value-bytes", valueBytes, 0...(1 << 27))
        try check("requests", requests, 1...1_000_000_000)
    }

    func run() throws {
        let workload = Workload(
            operation: operation, depth: depth, keysPerGet: keysPerGet, keyCount: keys,
            valueByteCount: valueBytes)
        let load = try Load(host: host, port: port, connectionCount: connections)
        try load.store(workload)
        let result = try load.run(workload, requestCount: requests)
        print(
            "\(result.requestCount) requests in \(result.seconds.formatted3) s, "
                + "\(Int(Double(result.requestCount) / result.seconds)) per second, "
                + "every reply as expected")
    }
}

extension Double {
    /// With three decimals.
    fileprivate var formatted3: String {
        let thousandths = Int((self * 1_000).rounded())
        let fraction = String(thousandths % 1_000)
        return "\(thousandths / 1_000)." + String(repeating: "0", count: 3 - fraction.count)
            + fraction
    }
}
