import ClusterFile
import Glibc
import HashRing
import Reports
import SessionClient

/// Restarts nodes one after the other, each when all of them are current.
struct RollingRestart {
    struct Trouble: Error {
        let reason: String
        /// The node to go on with; none if nothing was done.
        let next: String?
    }

    let definition: ClusterDefinition
    let template: RestartTemplate
    let access: NodeAccess
    let waitSeconds: Double
    let timeoutSeconds: Double
    let pauseSeconds: Double
    var progress = Progress()

    private static let lookEvery = Duration.milliseconds(200)

    mutating func run(_ nodes: ArraySlice<Node>) async throws {
        guard let first = nodes.first else { return }
        var status = await ClusterStatus(
            of: definition, shares: definition.nodes.map { _ in 0 }, access: access,
            seconds: timeoutSeconds)
        status = try await waitUntilCurrent(status, next: first.name, isBegun: false)
        for (place, node) in zip(nodes.indices, nodes) {
            if place > nodes.startIndex, pauseSeconds > 0 {
                progress.show("waiting for \(pauseSeconds.shortest) s")
                try await Task.sleep(for: .seconds(pauseSeconds))
                status = try await waitUntilCurrent(status, next: node.name)
            }
            let before = status.run(of: node)
            let start = ContinuousClock.now
            let command = template.command(for: node)
            progress.say("\(node.name), \(place + 1) of \(nodes.endIndex): \(command)")
            try await execute(command, for: node)
            status = try await waitUntilCurrent(status, restarted: (node, before), next: node.name)
            progress.say(
                "\(node.name) is back, and all are current, after "
                    + "\(((ContinuousClock.now - start) / .seconds(1)).fixed(1)) s")
        }
        progress.say("\(nodes.count) of \(definition.nodes.count) nodes were restarted")
    }

    /// Runs the command, and sees that it ends well, and in time.
    private mutating func execute(_ command: String, for node: Node) async throws {
        let shell: ShellCommand
        do { shell = try ShellCommand(command) } catch {
            throw Trouble(reason: "\(node.name): \(error)", next: node.name)
        }
        let end = ContinuousClock.now + .seconds(waitSeconds)
        while true {
            switch shell.end() {
            case 0?: return
            case let status?:
                throw Trouble(
                    reason: "\(node.name): its command has failed, with status \(status)",
                    next: node.name)
            case nil: break
            }
            guard ContinuousClock.now < end else {
                shell.terminate()
                throw Trouble(
                    reason:
                        "\(node.name): its command has not ended within \(waitSeconds.shortest) s",
                    next: node.name)
            }
            progress.show("\(node.name): its command runs")
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Looks again and again until all nodes are current, and one is another process than before.
    private mutating func waitUntilCurrent(
        _ status: ClusterStatus, restarted: (node: Node, before: ProcessRun?)? = nil,
        next: String, isBegun: Bool = true
    ) async throws -> ClusterStatus {
        var status = status
        let end = ContinuousClock.now + .seconds(waitSeconds)
        while true {
            status = await status.next(seconds: timeoutSeconds)
            let isOld =
                restarted.map { ProcessRun.isSame(status.run(of: $0.node), as: $0.before) } ?? false
            if status.isCurrent, !isOld { return status }
            let missing =
                isOld
                ? "\(restarted?.node.name ?? ""): the process that ran before its command still runs"
                : status.missing
            guard ContinuousClock.now < end else {
                throw Trouble(
                    reason: "given up after \(waitSeconds.shortest) s: \(missing)",
                    next: isBegun ? next : nil)
            }
            progress.show("waiting: \(missing)")
            try await Task.sleep(for: Self.lookEvery)
        }
    }
}

extension RollingRestart {
    /// One run of a node's program, as it tells it.
    struct ProcessRun: Equatable {
        let id: Int
        /// Seconds since 1970.
        let start: Int

        /// In a container each one has the same ID; clocks are read to the second, and may have been set by one.
        static func isSame(_ now: ProcessRun?, as before: ProcessRun?) -> Bool {
            guard let now, let before else { return false }
            return now.id == before.id && abs(now.start - before.start) <= 2
        }
    }

    /// Lines about what is done, and on a terminal one about what is waited for, which is written over.
    struct Progress {
        private let isTerminal = isatty(1) == 1
        private var isShowing = false

        mutating func say(_ line: String) {
            end()
            try? StandardStreams.write(line + "\n")
        }

        mutating func show(_ line: String) {
            guard isTerminal else { return }
            try? StandardStreams.write("\r\u{1B}[K\(line)")
            isShowing = true
        }

        /// The line that is written over is no more.
        mutating func end() {
            if isShowing { try? StandardStreams.write("\r\u{1B}[K") }
            isShowing = false
        }
    }
}

extension ClusterStatus {
    /// The run of a node's program; none if it is down.
    fileprivate func run(of node: Node) -> RollingRestart.ProcessRun? {
        let statistics = reports.first { $0.node.name == node.name }?.statistics
        guard let id = statistics?.number("pid"), let time = statistics?.number("time"),
            let uptime = statistics?.number("uptime")
        else { return nil }
        return .init(id: id, start: time - uptime)
    }

    /// Which nodes are not current, and why. What others say of these is not told again.
    fileprivate var missing: String {
        let absent = reports.compactMap { report -> String? in
            switch report.outcome {
            case .failure(let trouble): "\(report.node.name) is down (\(trouble))"
            case .success(let statistics):
                (statistics["cluster_state"] ?? "current") == "current"
                    ? nil : "\(report.node.name) catches up"
            }
        }
        let lonely = reports.filter { !$0.isCurrent }.map {
            "\($0.node.name) misses \($0.statistics?["members_away"] ?? "some") of the others"
        }
        return (absent.isEmpty ? lonely : absent).joined(separator: ", ")
    }
}

/// A command that a shell runs, with this process's own input and output.
private struct ShellCommand {
    private let id: pid_t

    struct Trouble: Error, CustomStringConvertible {
        let description: String
    }

    init(_ command: String) throws(Trouble) {
        var texts = (["/bin/sh", "-c", command] as [String]).map { strdup($0) }
        defer { for text in texts { free(text) } }
        texts.append(nil)
        var id: pid_t = 0
        let result = posix_spawn(&id, "/bin/sh", nil, nil, texts, environ)
        guard result == 0 else {
            throw Trouble(description: "/bin/sh: \(String(cString: strerror(result)))")
        }
        self.id = id
    }

    /// Its status once it has ended, as a shell tells it. To be called until then.
    func end() -> Int32? {
        var status: Int32 = 0
        guard waitpid(id, &status, WNOHANG) == id else { return nil }
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + (status & 0x7F)
    }

    func terminate() { kill(id, SIGTERM) }
}
