import ClusterFile
import Glibc
import HashRing
import TestSupport

/// Three nodes, or two, that keep each item on two or three of them, as processes that can be killed, stopped and started again.
final class MemberCluster {
    let directory: TemporaryDirectory
    let definition: String
    let host: String
    let ports: [Int]
    private(set) var programs: [Program?]
    private var memoryFiles: [String]
    private let flags: [String]
    /// What members send each other goes by these, by who has dialled and who was dialled.
    private(set) var relays: [Way: PeerRelay] = [:]

    struct Way: Hashable {
        var from: Int
        var to: Int
    }

    static let names = ["a", "b", "c"]

    /// - Parameters:
    ///   - peers: the definition's lines for it.
    ///   - memory: each node's, in MiB.
    ///   - flags: of all nodes, beside what the definition says.
    ///   - nodeFlags: of each node, by the definition.
    ///   - isRelayed: whether what members send each other can be cut and held up.
    init(
        count: Int = 3, copies: Int = 2, peers: String = "peers: {}", memory: Int = 16,
        flags: [String] = [],
        isRelayed: Bool = false, nodeFlags: (String) -> [String] = { _ in [] }
    ) throws {
        self.flags = flags
        directory = try TemporaryDirectory()
        // On the common address somebody else may take a port while its node is dead.
        let bytes = (0..<3).map { _ in Int.random(in: 1...254) }
        let host = "127.\(bytes[0]).\(bytes[1]).\(bytes[2])"
        self.host = host
        ports = Array([21_001, 21_002, 21_003].prefix(count))
        memoryFiles = Self.names.prefix(count).map {
            "/dev/shm/sojourn-\(getpid())-\(host)-\($0)"
        }
        let lines = zip(Self.names, zip(ports, memoryFiles)).map {
            "- {name: \($0), host: \(host), port: \($1.0), memory: \(memory), "
                + "memory_file: \($1.1)\(Self.text(nodeFlags($0)))}\n"
        }
        definition = try directory.write(
            "name: shop\ncopies: \(copies)\n\(peers)\nnodes:\n" + lines.joined(), to: "cluster.yaml"
        )
        programs = ports.map { _ in nil }
        if isRelayed { try relay() }
        for number in ports.indices { try start(number) }
        try waitUntilAllIsWell()
    }

    private static func text(_ flags: [String]) -> String {
        flags.isEmpty
            ? "" : ", flags: [\(flags.map { "\"\($0)\"" }.joined(separator: ", "))]"
    }

    /// Who dials is told of the relay's port in its own definition.
    private func relay() throws {
        let text = contents(of: definition) ?? ""
        for from in ports.indices {
            var own = text
            for to in 0..<from {
                let relay = try PeerRelay(host: host, to: UInt16(ports[to] + 10_000))
                relays[Way(from: from, to: to)] = relay
                own = own.replacing(
                    "port: \(ports[to]),", with: "port: \(ports[to]), peer_port: \(relay.port),")
            }
            _ = try directory.write(own, to: "cluster-\(Self.names[from]).yaml")
        }
    }

    deinit {
        for relay in relays.values { relay.stop() }
        for program in programs { program?.end() }
        for file in memoryFiles {
            unlink(file)
            unlink(file + ".deletions")
            unlink(file + ".definition")
        }
    }

    private static let user = getuid() == 0 ? ["-u", "root"] : []

    /// - Parameters:
    ///   - definition: another one than everybody's.
    ///   - flags: beside those of all nodes.
    func start(
        _ number: Int, definition other: String? = nil, flags more: [String] = [],
        environment: [String: String] = [:]
    ) throws {
        let own =
            relays.isEmpty ? definition : "\(directory.path)/cluster-\(Self.names[number]).yaml"
        let program = try Program(
            try RunningNode.sojourndPath(),
            Self.user + [
                "--cluster", other ?? own, "--name", Self.names[number], "-t", "2", "-v",
            ] + flags + more, environment: environment)
        programs[number] = program
        try wait(for: "node \(Self.names[number])") {
            guard !program.hasEnded else { throw Trouble("it does not start: \(program.errors)") }
            return (try? connect(number)) != nil
        }
    }

    /// A node that holds nothing.
    func startFront() throws -> RunningNode {
        try RunningNode.sojournd(
            ["--cluster", definition, "--front", "-l", "127.0.0.1"])
    }

    func connect(_ number: Int) throws -> SocketPeer {
        try SocketPeer(.address(host, port: UInt16(ports[number])))
    }

    /// `kill -9`.
    func kill(_ number: Int, losesFile: Bool = false) {
        programs[number]?.end()
        programs[number] = nil
        if losesFile { unlink(memoryFiles[number]) }
    }

    func send(_ signal: Int32, to number: Int) { programs[number]?.send(signal) }

    /// - Parameter group: as `stats` has them, none for the general ones.
    func counter(_ name: String, of number: Int, _ group: String = "") throws -> String? {
        let lines = try connect(number).ask("stats \(group)", until: "END\r\n")
            .split(separator: "\r\n")
        return lines.first { $0.hasPrefix("STAT \(name) ") }
            .map { String($0.dropFirst("STAT \(name) ".count)) }
    }

    /// Every number of a node's statistics.
    func counters(of number: Int) throws -> [String: Int] {
        var counters: [String: Int] = [:]
        for line in try connect(number).ask("stats", until: "END\r\n").split(separator: "\r\n") {
            let words = line.split(separator: " ")
            if words.count == 3, let value = Int(words[2]) { counters[String(words[1])] = value }
        }
        return counters
    }

    /// Every member has what it should have, and knows it of the others.
    func waitUntilAllIsWell() throws {
        try wait(for: "all members to be current") {
            for number in ports.indices
            where try counter("members_current", of: number) != "\(ports.count)" {
                return false
            }
            return true
        }
    }

    /// Waits until a member says of another one what it is.
    func waitUntil(_ number: Int, calls other: Int, _ state: String) throws {
        try wait(for: "\(Self.names[other]) to be \(state) to \(number)") {
            try counter("member_\(Self.names[other])", of: number) == state
        }
    }

    // MARK: Keys

    /// Keys whose first and second owners are these.
    func keys(_ count: Int, first: Int, second: Int, prefix: String = "key") throws -> [String] {
        let read = try ClusterDefinition(contentsOf: definition)
        let ring = try read.ring()
        var keys: [String] = []
        var number = 0
        while keys.count < count {
            let key = "\(prefix):\(number)"
            if ring.indices(for: Array(key.utf8), count: 2) == [first, second] { keys.append(key) }
            number += 1
        }
        return keys
    }

    func key(first: Int, second: Int, prefix: String = "key") throws -> String {
        try keys(1, first: first, second: second, prefix: prefix)[0]
    }

    /// One command on a connection of its own, and its answer without the line's end; nil if there is none.
    func ask(_ number: Int, _ command: String) throws -> String? {
        let peer = try connect(number)
        let isRetrieval = command.hasPrefix("get") || command.hasPrefix("gat")
        guard let reply = try? peer.ask(command, until: isRetrieval ? "END\r\n" : "\r\n") else {
            return nil
        }
        // The line's end is one character.
        return String(reply.dropLast(isRetrieval ? 4 : 1))
    }

    func set(_ key: String, _ value: String, at number: Int, exptime: Int = 0) throws -> String? {
        try ask(number, "set \(key) 0 \(exptime) \(value.utf8.count)\r\n\(value)")
    }

    /// A key's value; nil if it has none, or nobody tells.
    func value(of key: String, at number: Int) throws -> String? {
        try ask(number, "get \(key)")?.split(separator: "\r\n").dropFirst().first.map(String.init)
    }

    /// The same at all of these.
    func values(of key: String, at numbers: [Int]) throws -> [String?] {
        try numbers.map { try value(of: key, at: $0) }
    }
}

/// Where users come to.
protocol VisitedCluster {
    func connect(_ number: Int) throws -> SocketPeer
}

extension MemberCluster: VisitedCluster {}

/// Users who come again and again, by whichever node there is, and know what they were told.
struct Visitors {
    /// What each user's session was, as far as a node has said that it has it; none after a logout.
    private var known: [String: String?] = [:]
    private(set) var loggedOut: [String] = []
    private(set) var loggedInAgain: [String] = []
    private(set) var stale: [String] = []
    private(set) var visits = 0
    private var generator = SeededGenerator(seed: 17)
    private var peers: [Int: SocketPeer] = [:]

    /// One visit to one of these nodes.
    mutating func visit(_ cluster: some VisitedCluster, among nodes: [Int]) throws {
        visits += 1
        let user = "user:\(Int.random(in: 0..<60, using: &generator))"
        let choice = Int.random(in: 0..<10, using: &generator)
        switch choice {
        case 0..<3:
            let value = "cart \(visits)"
            known[user] = nil as String??
            if try ask("set \(user) 0 3600 \(value.utf8.count)\r\n\(value)", cluster, nodes)
                == "STORED"
            {
                known[user] = .some(value)
            }
        case 3:
            known[user] = nil as String??
            if let reply = try ask("delete \(user)", cluster, nodes),
                reply == "DELETED" || reply == "NOT_FOUND"
            {
                known[user] = .some(nil)
            }
        default:
            guard let reply = try ask("mg \(user) v", cluster, nodes), let told = known[user] else {
                return
            }
            note(user, told, reply)
        }
    }

    private mutating func note(_ user: String, _ told: String?, _ reply: String) {
        let shown = reply.split(separator: "\r\n").dropFirst().first.map(String.init)
        switch (told, reply == "EN") {
        case (.some, true): loggedOut.append(user)
        case (nil, false): loggedInAgain.append(user)
        case (.some(let value), false) where shown != value: stale.append("\(user): \(reply)")
        default: break
        }
    }

    /// Nil if the connection ended: nobody knows what has come of it.
    private mutating func ask(
        _ command: String, _ cluster: some VisitedCluster, _ nodes: [Int]
    ) throws -> String? {
        guard let node = nodes.randomElement(using: &generator) else { return nil }
        let peer = try peers[node] ?? cluster.connect(node)
        peers[node] = peer
        try peer.send(Array("\(command)\r\n".utf8))
        let start = peer.received.count
        while true {
            let reply = String(decoding: peer.received[start...], as: UTF8.self)
            let isValue = reply.hasPrefix("VA ")
            if reply.split(separator: "\r\n", omittingEmptySubsequences: false).count
                > (isValue ? 2 : 1)
            {
                peer.received.removeAll()
                return String(reply.dropLast(2))
            }
            guard peer.receive(milliseconds: 5_000) else {
                // A read that fails logs nobody out, and so does a visitor who tries elsewhere.
                peers[node] = nil
                return nil
            }
        }
    }

    /// Of a node that was killed or stopped.
    mutating func forget(_ node: Int) { peers[node] = nil }
}
