import ClusterFile
import EventLoop
import Glibc
import HashRing
import SessionClient

/// Three nodes on this machine, in a folder of their own, to be killed and started again; and what clients ask.
final class DemoCluster {
    enum Kind {
        case sojourn(program: String)
        case memcached(program: String)
    }

    typealias Trouble = ChildProcess.Trouble

    /// Those that are there from the start on, and the one that is added.
    static let names = ["a", "b", "c"]
    static let addedName = "d"
    private static let allNames = names + [addedName]
    private static let firstPort = 22_411
    private static let peerPortDistance = 10_000
    private static let frontPort = firstPort + allNames.count

    let kind: Kind
    private let folder: String
    private let host: String
    private let memoryMegabytes: Int
    private var nodes: [ChildProcess?]
    private var front: ChildProcess?

    /// - Parameter folder: is empty, and goes with the cluster.
    init(_ kind: Kind, folder: String, memoryMegabytes: Int) throws(Trouble) {
        self.kind = kind
        self.folder = folder
        self.memoryMegabytes = memoryMegabytes
        // Not where anybody else is.
        let bytes = (0..<3).map { _ in Int.random(in: 1...254) }
        host = "127.\(bytes[0]).\(bytes[1]).\(bytes[2])"
        nodes = Self.allNames.map { _ in nil }
        if case .sojourn = kind {
            var lines = ["name: demo", "copies: 2", "peers: {}", "nodes:"]
            for (number, name) in Self.names.enumerated() {
                lines.append(
                    "- {name: \(name), host: \(host), port: \(Self.firstPort + number), memory: \(memoryMegabytes), "
                        + "memory_file: \(memoryFile(number))}")
            }
            try write(lines.joined(separator: "\n") + "\n", to: definition)
        }
    }

    private var definition: String { "\(folder)/cluster.yaml" }
    private func memoryFile(_ number: Int) -> String {
        "\(folder)/\(Self.allNames[number]).memory"
    }

    private func write(_ text: String, to path: String) throws(Trouble) {
        guard let file = fopen(path, "w"), fputs(text, file) >= 0, fclose(file) == 0 else {
            throw Trouble(description: "\(path): \(String(cString: strerror(errno)))")
        }
    }

    /// What clients connect to: a front that knows everything, or the list of all nodes.
    var places: [Node] {
        switch kind {
        case .sojourn: [Node(host: host, port: Self.frontPort)]
        case .memcached:
            Self.names.indices.map { Node(host: host, port: Self.firstPort + $0) }
        }
    }

    private func node(_ number: Int) -> Node {
        Node(host: host, port: Self.firstPort + number)
    }

    // MARK: Processes

    func start() async throws {
        for number in Self.names.indices { try start(number) }
        if case .sojourn(let program) = kind {
            front = try ChildProcess(
                program,
                Self.user + [
                    "--cluster", definition, "--front", "-l", host, "-p", "\(Self.frontPort)",
                ], log: "\(folder)/front.log")
        }
        for place in places { try await waitFor(place, isCurrent: true) }
    }

    private static var user: [String] { getuid() == 0 ? ["-u", "root"] : [] }

    func start(_ number: Int) throws(Trouble) {
        let log = "\(folder)/\(Self.allNames[number]).log"
        switch kind {
        case .sojourn(let program):
            // A neighbour must not let everything go.
            nodes[number] = try ChildProcess(
                program,
                Self.user + [
                    "--cluster", definition, "--name", Self.allNames[number], "-t", "1", "-F",
                ],
                log: log)
        case .memcached(let program):
            nodes[number] = try ChildProcess(
                program,
                Self.user + [
                    "-l", host, "-p", "\(Self.firstPort + number)", "-m", "\(memoryMegabytes)",
                    "-U",
                    "0", "-t", "1",
                ], log: log)
        }
    }

    /// `kill -9`.
    func kill(_ number: Int, losesFile: Bool = false) {
        nodes[number]?.end()
        nodes[number] = nil
        if losesFile { unlink(memoryFile(number)) }
    }

    func send(_ signal: Int32, to number: Int) { nodes[number]?.send(signal) }

    /// Ends it in order, and starts it again.
    func restart(_ number: Int) async throws {
        send(SIGTERM, to: number)
        let end = ContinuousClock.now + .seconds(10)
        while nodes[number]?.hasEnded() == false, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(20))
        }
        nodes[number]?.end()
        try start(number)
    }

    /// Ends everything, and removes what was written.
    func end() {
        for process in nodes + [front] { process?.end() }
        Self.remove(folder)
    }

    /// Removes what nodes have left in a folder, and the folder.
    static func remove(_ folder: String) {
        let files = allNames.flatMap { name in
            [".log", ".memory", ".memory.deletions", ".memory.definition"].map { name + $0 }
        }
        for name in files + ["cluster.yaml", "front.log"] { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }

    // MARK: Other nodes

    /// As `sojourn cluster add` does it.
    func addNode() async throws {
        let number = Self.allNames.count - 1
        var node = NewNode(name: Self.addedName, host: host)
        node.port = self.node(number).port
        node.memory = "\(memoryMegabytes)m"
        node.memoryFile = memoryFile(number)
        try await change { text throws(DefinitionError) in
            try text.adding(node)
        } whileGoingOn: {
            try start(number)
        }
    }

    /// As `sojourn cluster drain` does it; then the node is stopped.
    func removeNode(_ number: Int) async throws {
        try await change { text throws(DefinitionError) in
            try text.removing(Self.allNames[number])
        } whileGoingOn: {
        }
        nodes[number]?.end()
        nodes[number] = nil
    }

    private func change(
        _ change: (DefinitionText) throws(DefinitionError) -> DefinitionText,
        whileGoingOn: () throws -> Void
    ) async throws {
        let new = try change(try DefinitionText(contentsOf: definition))
        try write(new.text, to: definition)
        try whileGoingOn()
        for node in new.definition.nodes {
            try await waitFor(node, generation: new.definition.generation, isCurrent: true)
        }
    }

    // MARK: What nodes say

    /// Waits until a node answers and, if that is asked for, has what all others have.
    func waitUntilCurrent(_ number: Int) async throws {
        try await waitFor(node(number), isCurrent: true)
    }

    private func waitFor(_ node: Node, generation: Int = 1, isCurrent: Bool) async throws {
        let end = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < end {
            if let ended = nodes.indices.first(where: { nodes[$0]?.hasEnded() == true }) {
                nodes[ended] = nil
                throw Trouble(
                    description: "node \(Self.allNames[ended]) has ended: \(lastWords(ended))")
            }
            if case .success(let statistics) = await NodeInquiry.ask(node, .open, seconds: 1) {
                guard isCurrent, statistics["cluster_state"] != nil else { return }
                let acted = statistics.number("cluster_generation") ?? 1
                if statistics.number("members_away") == 0, acted >= generation,
                    generation == 1 || statistics["cluster_change"] == "settled"
                {
                    return
                }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Trouble(
            description: "\(node.host):\(node.port) is not there after 30 s: \(lastWords(0))")
    }

    /// The last line of what a node has said.
    private func lastWords(_ number: Int) -> String {
        guard let file = fopen("\(folder)/\(Self.allNames[number]).log", "r") else {
            return "nothing"
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = fread(&bytes, 1, bytes.count, file)
        let lines = bytes.prefix(count).split(separator: 10)
        return lines.last.map { String(decoding: $0, as: UTF8.self) } ?? "nothing"
    }

    /// What a neighbour is told who wants everything gone, at each node.
    func flushAll() -> [String] {
        Self.names.indices.map { number in
            ask(node(number), "flush_all\r\n") ?? "no answer"
        }
    }

    /// The first line of the answer. A second at most.
    private func ask(_ node: Node, _ command: String) -> String? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(
                descriptor, SOL_SOCKET, option, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(node.port).bigEndian
        inet_pton(AF_INET, node.host, &address.sin_addr)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected,
            Glibc.send(descriptor, command, command.utf8.count, Int32(MSG_NOSIGNAL)) > 0
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return String(decoding: bytes[..<count].prefix { $0 != 13 }, as: UTF8.self)
    }
}
