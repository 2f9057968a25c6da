import ArgumentParser
import EventLoop
import Glibc
import Logging
import NIOPosix
import Reports
import SessionClient
import Synchronization

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Shows, on this machine, what becomes of logged-in users when nodes die.",
        discussion: """
            Starts three nodes that keep copies, and a front, on loopback addresses of their own. People log in, \
            view pages, change their carts, log out and in; bots are given sessions until the memory is full. \
            Meanwhile each node is killed, one also loses its memory, one hangs, a neighbour sends flush_all, and \
            all are restarted one after the other, as in an upgrade; a node is added, and one is removed. Each reply is checked. Nothing is left behind, \
            and nobody needs to be root.

            --only memcached does the same to three memcacheds, by the same client with its failover; there is no way \
            to add or remove one of these for a client that has its list.

            Examples:
              sojourn demo
              sojourn demo --only memcached

            Status: 0 when nobody was logged out, no logged-out session came back, and no reply was out of date; \
            1 when that was not so, or the nodes do not start; 64 when the command line is wrong.
            """)

    enum Store: String, ExpressibleByArgument, CaseIterable { case sojourn, memcached }

    @Option(help: ArgumentHelp("Whose nodes: sojourn or memcached.", valueName: "store"))
    var only = Store.sojourn
    @Option(help: ArgumentHelp("Who are logged in, 100 to 100,000.", valueName: "number"))
    var users = 2_000
    @Option(help: ArgumentHelp("Sessions of bots, up to 10,000,000.", valueName: "number"))
    var bots = 60_000
    @Option(help: ArgumentHelp("How long it takes, 20 to 3,600.", valueName: "seconds"))
    var seconds = 120.0
    @Option(
        help: ArgumentHelp(
            "The node's program (default: sojournd beside this program; memcached as the shell finds it).",
            valueName: "program"))
    var program: String?

    private static let memoryMegabytes = 8
    private static let taskCount = 16
    private static let visitsPerSecond = 1_500.0

    func validate() throws {
        try check("users", users, 100...100_000)
        try check("bots", bots, 0...10_000_000)
        try check("seconds", seconds, 20...3_600)
    }

    func run() async throws {
        let folder = try Self.folder()
        let cluster = try DemoCluster(
            only == .sojourn
                ? .sojourn(program: program ?? Self.beside("sojournd"))
                : .memcached(program: program ?? "memcached"),
            folder: folder, memoryMegabytes: Self.memoryMegabytes)
        defer { cluster.end() }
        endAtSignals { DemoCluster.remove(folder) }
        try await cluster.start()
        let tally = DemoTally()
        try await show(cluster, tally)
        let counts = tally.read()
        try StandardStreams.write(Self.summary(counts, users: users))
        if !counts.isRight { throw ExitCode(1) }
    }

    private func show(_ cluster: DemoCluster, _ tally: DemoTally) async throws {
        let cache = try client(of: cluster)
        defer { cache.shutDown() }
        var visitors: [Visitors] = []
        for task in 0..<Self.taskCount {
            let share = users * task / Self.taskCount..<users * (task + 1) / Self.taskCount
            visitors.append(try Visitors(share, cache, tally))
        }
        let start = ContinuousClock.now
        try say(start, "three nodes, \(users.grouped) people log in")
        visitors = await withTaskGroup(of: Visitors.self) { tasks in
            for visitor in visitors {
                tasks.addTask {
                    var visitor = visitor
                    await visitor.logIn()
                    return visitor
                }
            }
            return await tasks.reduce(into: []) { $0.append($1) }
        }
        // Whom nobody asked for before does not count.
        tally.note { $0 = .init() }
        try await withThrowingTaskGroup { tasks in
            for visitor in visitors {
                tasks.addTask {
                    var visitor = visitor
                    await visitor.visit(
                        pause: .seconds(Double(Self.taskCount) / Self.visitsPerSecond))
                }
            }
            let (bots, seconds) = (bots, seconds)
            tasks.addTask {
                try? await Task.sleep(for: .seconds(seconds * 0.05))
                await Bots(cache).come(0..<bots, over: .seconds(seconds * 0.6))
            }
            tasks.addTask { try await Self.count(tally, since: start) }
            try await play(cluster, tally, start)
            tasks.cancelAll()
        }
    }

    private func client(of cluster: DemoCluster) throws -> CacheClient {
        var configuration = CacheClientConfiguration()
        configuration.deadNodes = .nextNode
        // One that ends takes what others asked for on it, too.
        configuration.connectionCountPerNode = 16
        // What it notices of nodes is shown anyway.
        let logger = Logger(label: "sojourn-demo") { _ in SwiftLogNoOpLogHandler() }
        return try CacheClient(
            nodes: cluster.places, configuration: configuration, logger: logger)
    }

    // MARK: What happens

    private func play(
        _ cluster: DemoCluster, _ tally: DemoTally, _ start: ContinuousClock.Instant
    ) async throws {
        func wait(until part: Double) async throws {
            try await Task.sleep(until: start + .seconds(seconds * part))
        }
        let away = Duration.seconds(seconds * 0.02)
        try say(start, "bots come: \(bots.grouped), more than there is memory for")
        for (part, number, losesFile) in [(0.12, 0, false), (0.25, 1, true), (0.38, 2, false)] {
            try await wait(until: part)
            let name = DemoCluster.names[number]
            try say(
                start, "kill -9 of node \(name)" + (losesFile ? ", and its memory is lost" : ""))
            cluster.kill(number, losesFile: losesFile)
            try await Task.sleep(for: away)
            try cluster.start(number)
            try await cluster.waitUntilCurrent(number)
            try say(start, "node \(name) is back")
        }
        try await wait(until: 0.5)
        try say(start, "node a hangs for 2 s")
        cluster.send(SIGSTOP, to: 0)
        try await Task.sleep(for: .seconds(2))
        cluster.send(SIGCONT, to: 0)
        try await wait(until: 0.62)
        try say(
            start,
            "a neighbour says flush_all: \(Set(cluster.flushAll()).sorted().joined(separator: ", "))"
        )
        try await wait(until: 0.7)
        for (number, name) in DemoCluster.names.enumerated() {
            try say(start, "node \(name) is restarted, as for an upgrade")
            try await cluster.restart(number)
            try await cluster.waitUntilCurrent(number)
        }
        if case .sojourn = cluster.kind {
            try await wait(until: 0.82)
            try say(start, "node \(DemoCluster.addedName) is added")
            try await cluster.addNode()
            try say(
                start,
                "all go by the new definition, and node \(DemoCluster.addedName) has its part")
            try await wait(until: 0.91)
            try say(start, "node a is removed")
            try await cluster.removeNode(0)
            try say(start, "node a has nothing that others have not, and is stopped")
        }
        try await wait(until: 1)
    }

    private static func count(_ tally: DemoTally, since start: ContinuousClock.Instant) async throws
    {
        var last = tally.read()
        while !Task.isCancelled {
            do { try await Task.sleep(for: .seconds(1)) } catch { return }
            let counts = tally.read(looks: true)
            try say(
                start,
                "\((counts.requests - last.requests).grouped) requests, longest "
                    + "\(milliseconds(counts.longestNow)), failed \((counts.failures - last.failures)); "
                    + "logged out \(counts.loggedOut), back \(counts.back), out of date \(counts.stale)",
                isIndented: true)
            last = counts
        }
    }

    // MARK: What is told

    private func say(_ start: ContinuousClock.Instant, _ text: String) throws {
        try Self.say(start, text, isIndented: false)
    }

    private static func say(
        _ start: ContinuousClock.Instant, _ text: String, isIndented: Bool
    ) throws {
        let time = "\(Int((ContinuousClock.now - start) / .seconds(1)))"
        let column = String(repeating: " ", count: max(0, 4 - time.count)) + time + " s  "
        try StandardStreams.write(column + (isIndented ? "    " : "") + text + "\n")
    }

    private static func milliseconds(_ duration: Duration) -> String {
        "\(Int(duration / .milliseconds(1)).grouped) ms"
    }

    private static func summary(_ counts: DemoTally.Counts, users: Int) -> String {
        """

        users logged out: \(counts.loggedOut.grouped) (of \(users.grouped), each time counts)
        logged-out sessions that came back: \(counts.back.grouped)
        replies that were out of date: \(counts.stale.grouped)
        requests: \(counts.requests.grouped), of which failed \(counts.failures.grouped); longest \
        \(milliseconds(counts.longest))

        """
    }

    // MARK: Where it is

    private static func folder() throws -> String {
        // Memory files are sparse, and want memory beneath.
        let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var template = Array("\(parent)/sojourn-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ChildProcess.Trouble(
                description: "\(parent): \(String(cString: strerror(errno)))")
        }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func beside(_ name: String) -> String {
        guard let path = realpath("/proc/self/exe", nil) else { return name }
        defer { free(path) }
        let own = String(cString: path)
        let beside = own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex) + "/" + name
        return access(String(beside), X_OK) == 0 ? String(beside) : name
    }
}
