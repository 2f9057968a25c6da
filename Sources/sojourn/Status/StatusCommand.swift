import ArgumentParser
import ClusterFile
import Glibc
import HashRing

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows how all nodes of a cluster are doing, in one table.",
        discussion: """
            On a terminal the table is refreshed until the command is interrupted. Otherwise, and with \
            --once, every node is asked twice, a second apart, and the table is shown once.

            All nodes are asked at the same time, each on a new connection, as a client would come: one \
            that is dead or hangs costs --timeout, and hides no other. memcached's nodes are shown, too.

              used, of    bytes of items, and the limit that they are a share of
              gets/s      keys asked for since the look before, and stores
              hits        of all keys asked for since the counters were 0
              logged out  evicted_live_proven: evicted although they were in use
              away        of nodes that keep copies: how many others have not the same as this one
              one copy    changes acknowledged while the other owner was away
              share       of all copies of keys, by the ring, from 20,000 keys

            Examples:
              sojourn status --cluster cluster/cluster.yaml
              sojourn status --node 10.0.0.1 --node 10.0.0.2 --once || page-somebody
              sojourn status --cluster shop.yaml --json --interval 10 >> shop.json
              sojourn status --cluster shop.yaml --until-current 60 && systemctl restart sojournd@b

            Status: 0 when all nodes are up (with --until-current: current), 1 when one is not, 64 when the \
            command line is wrong.
            """)

    @OptionGroup var placement: PlacementOptions
    @OptionGroup(title: "TLS and users") var access: AccessOptions

    @Option(
        help: ArgumentHelp(
            "Between two looks (default 2; with --once 1). Given, it refreshes without a terminal, too.",
            valueName: "seconds"))
    var interval: Double?

    @Option(help: ArgumentHelp("Until a node counts as down.", valueName: "seconds"))
    var timeout = 1.0

    @Option(
        help: ArgumentHelp("Ask this node of the cluster alone.", valueName: "node"))
    var only: String?

    @Flag(help: "Show the table once.") var once = false
    @Flag(help: "For each look one line, an object in JSON, with the counters as numbers.")
    var json = false

    @Option(
        help: ArgumentHelp(
            """
            Wait until every node that is asked is up and, where nodes keep copies, has all that the others have; \
            at most so long. Then the next one may be restarted.
            """, valueName: "seconds"))
    var untilCurrent: Double?

    func validate() throws {
        if let untilCurrent { try check("until-current", untilCurrent, 0...86_400) }
        if let interval { try check("interval", interval, 0.1...86_400) }
        try check("timeout", timeout, 0.01...3_600)
    }

    func run() async throws {
        let definition = try placement.definition()
        let names = definition.nodes.map(\.name)
        if let only, !names.contains(only) {
            throw ValidationError(
                "the nodes are \(names.joined(separator: ", ")), not \(only)")
        }
        let shares = try ClusterStatus.shares(of: definition)
        let isTerminal = isatty(1) == 1
        let isRepeated = !once && (isTerminal || interval != nil)
        let pause = Duration.seconds(interval ?? (isRepeated ? 2 : 1))
        var status = await ClusterStatus(
            of: definition, only: only, shares: shares, access: try access.access(definition),
            seconds: timeout)
        if let untilCurrent {
            let end = ContinuousClock.now + .seconds(untilCurrent)
            while !status.isCurrent, ContinuousClock.now < end {
                try await Task.sleep(for: .seconds(interval ?? 0.2))
                status = await status.next(seconds: timeout)
            }
            try show(status)
            throw ExitCode(status.isCurrent ? 0 : 1)
        }
        guard isRepeated else {
            if status.downCount < status.reports.count { try await Task.sleep(for: pause) }
            status = await status.next(seconds: timeout, leavesDown: true)
            try show(status)
            throw ExitCode(status.downCount == 0 ? 0 : 1)
        }
        while true {
            // From the top left corner, over what was there.
            try show(status, before: isTerminal && !json ? "\u{1B}[H\u{1B}[2J" : "")
            try await Task.sleep(for: pause)
            status = await status.next(seconds: timeout)
        }
    }

    private func show(_ status: ClusterStatus, before prefix: String = "") throws {
        try StandardStreams.write(prefix + (json ? status.json : status.text) + "\n")
    }
}
