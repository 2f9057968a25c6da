import ClusterFile
import Glibc
import TestSupport

/// Nodes that keep copies, and whose definition is changed while they run, by `sojourn cluster`.
final class GrowingCluster: VisitedCluster {
    let directory: TemporaryDirectory
    let definition: String
    let host: String
    private(set) var programs: [String: Program] = [:]
    private var front: RunningNode?

    static let names = ["a", "b", "c", "d", "e"]
    private static let portBase = 21_101

    init(_ names: [String], hasMemoryFiles: Bool = true) throws {
        directory = try TemporaryDirectory()
        let bytes = (0..<3).map { _ in Int.random(in: 1...254) }
        let host = "127.\(bytes[0]).\(bytes[1]).\(bytes[2])"
        self.host = host
        let lines = names.map { name in
            let file = hasMemoryFiles ? ", memory_file: \(Self.memoryFile(host, name))" : ""
            return "- {name: \(name), host: \(host), port: \(Self.port(name)), memory: 16\(file)}\n"
        }
        definition = try directory.write(
            "# The shop's.\nname: shop\npeers: {}\nnodes:\n\(lines.joined())", to: "cluster.yaml")
        for name in names { try start(name) }
        try waitUntilCurrent(names)
    }

    deinit {
        for program in programs.values { program.end() }
        for name in Self.names {
            let file = Self.memoryFile(host, name)
            for path in [file, file + ".deletions", file + ".definition"] { unlink(path) }
        }
    }

    private static func memoryFile(_ host: String, _ name: String) -> String {
        "/dev/shm/sojourn-\(getpid())-\(host)-\(name)"
    }

    private static func port(_ name: String) -> Int {
        portBase + (names.firstIndex(of: name) ?? 0)
    }

    func start(_ name: String, definition other: String? = nil) throws {
        let user = getuid() == 0 ? ["-u", "root"] : []
        let program = try Program(
            try RunningNode.sojourndPath(),
            user + ["--cluster", other ?? definition, "--name", name, "-t", "2", "-v"])
        programs[name] = program
        try wait(for: "node \(name)") {
            guard !program.hasEnded else { throw Trouble("it does not start: \(program.errors)") }
            return (try? connect(name)) != nil
        }
    }

    func kill(_ name: String, losesFile: Bool = false) {
        programs[name]?.end()
        programs[name] = nil
        if losesFile { unlink(Self.memoryFile(host, name)) }
    }

    func connect(_ name: String) throws -> SocketPeer {
        try SocketPeer(.address(host, port: UInt16(Self.port(name))))
    }

    func connect(_ number: Int) throws -> SocketPeer { try connect(Self.names[number]) }

    func ask(_ name: String, _ command: String, until end: String = "\r\n") throws -> String {
        try connect(name).ask(command, until: end)
    }

    func counter(_ counter: String, of name: String) throws -> String? {
        let lines = try ask(name, "stats", until: "END\r\n").split(separator: "\r\n")
        return lines.first { $0.hasPrefix("STAT \(counter) ") }
            .map { String($0.dropFirst("STAT \(counter) ".count)) }
    }

    func waitUntilCurrent(_ names: [String]) throws {
        try wait(for: "all members to be current") {
            try names.allSatisfy {
                try counter("members_current", of: $0) == "\(names.count)"
                    && counter("cluster_change", of: $0) == "settled"
            }
        }
    }

    func waitUntil(_ name: String, is state: String) throws {
        try wait(for: "\(name) to be \(state)") {
            try counter("cluster_change", of: name) == state
        }
    }

    /// `sojourn cluster ...`, from its start on.
    func begin(_ arguments: [String]) throws -> Program {
        try Program(
            try RunningNode.builtProgram("sojourn"),
            ["cluster"] + arguments + ["--cluster", definition])
    }

    /// The same to its end.
    func run(_ arguments: [String]) throws -> (exit: Program.Exit, output: String, errors: String) {
        try Program.run(
            try RunningNode.builtProgram("sojourn"),
            ["cluster"] + arguments + ["--cluster", definition])
    }

    /// The words for a new node.
    func words(_ name: String) -> [String] {
        [
            name, "--host", host, "--port", "\(Self.port(name))", "--memory", "16m",
            "--memory-file", Self.memoryFile(host, name),
        ]
    }

    // MARK: Sessions

    func store(_ count: Int, at names: [String]) throws {
        for (place, name) in names.enumerated() {
            let peer = try connect(name)
            for number in stride(from: place, to: count, by: names.count) {
                let reply = try peer.ask("set session:\(number) 0 0 5\r\n\(10_000 + number)")
                guard reply == "STORED\r\n" else { throw Trouble("\(name): \(reply)") }
            }
        }
    }

    /// Those of the stored ones that are not as they were, as each of these nodes tells it.
    func missing(_ count: Int, at names: [String], except gone: Set<Int> = []) throws -> [String] {
        var missing: [String] = []
        for name in names {
            let peer = try connect(name)
            for number in 0..<count {
                let reply = try peer.ask("get session:\(number)", until: "END\r\n")
                let isThere = reply.contains("\r\n\(10_000 + number)\r\n")
                if isThere == gone.contains(number) { missing.append("\(number) at \(name)") }
            }
        }
        return missing
    }

    /// How many copies of sessions the nodes have.
    func itemCount(at names: [String]) throws -> Int {
        try names.reduce(0) { $0 + (Int(try counter("curr_items", of: $1) ?? "") ?? 0) }
    }
}
