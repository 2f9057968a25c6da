import ArgumentParser
import EventLoop
import Glibc
import LoadGenerator

struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Puts load on nodes and checks every reply.",
        discussion: """
            Stores every key, sends the workload for a while without counting, then measures. Works \
            with anything that speaks memcached's text protocol or its meta commands.

            Each key belongs to one connection, so that what a reply must be is known: a value is \
            compared byte by byte, an older value is a wrong one, and so is a deleted item that is \
            there. What is wrong is counted by kind and is no part of the latencies. A stored item that \
            is gone counts as wrong, too, unless --allow-misses is given, which a node with less memory \
            than data needs.

            Closed loop: each connection sends DEPTH requests, waits for all replies, and goes on. \
            Latency counts from the moment the first of them was sent. It shows what the server can do, \
            and hides what people feel: a server that stalls is asked less. Open loop, with --rate: \
            requests are due at fixed moments, whatever becomes of the ones before, and latency counts \
            from then. Below 2 ms between two requests a thread of it polls and keeps a core busy.

            --workload sessions: as many people as --keys says, and bots, in the ratios of a large \
            wiki's session store: page views (sliding reads), sessions that are stored again with \
            another value, logouts, the old cookie, logins; bots are given sessions that they seldom \
            come back for. Counts lost sessions: people who found themselves logged out.

            Sizes are a number, a range (100-900), or lognormal:MEDIAN,SIGMA, and follow from a key's \
            number. --seed repeats a run's choices.

            Examples:
              sojourn load --mix get=90,set=10 --connections 200 --duration 30
              sojourn load --rate 20000 --value-bytes lognormal:600,1 --plot latency.svg
              sojourn load --workload sessions --keys 40000 --protocol meta --allow-misses
              sojourn load --server a:11211 --server b:11211 --connections 100

            Status: 0 when every reply was right, 1 when one was not or the load could not be put, 64 \
            when the command line is wrong.
            """)

    @OptionGroup(title: "Where") var target: TargetOptions
    @OptionGroup(title: "TLS and users") var access: AccessOptions
    @OptionGroup(title: "What") var work: WorkOptions
    @OptionGroup(title: "How fast and how long") var pace: PaceOptions
    @OptionGroup(title: "What is told") var output: OutputOptions

    func validate() throws { _ = try plan() }

    func plan() throws -> LoadPlan {
        var plan = LoadPlan()
        try target.apply(to: &plan)
        try pace.apply(to: &plan)
        try work.apply(to: &plan)
        try output.apply(to: &plan)
        return plan
    }

    func run() throws {
        let isTerminal = isatty(2) == 1
        let shows = isTerminal || output.progress
        do {
            var plan = try plan()
            try access.apply(to: &plan, target.definition())
            let result = try LoadRun(plan: plan) { progress in
                guard shows else { return }
                let line =
                    "\(progress.phase): \(progress.completedCount) right replies, "
                    + "\(progress.lastSecondCount) in the last second"
                tell(isTerminal ? "\r\u{1B}[K\(line)" : "\(line)\n")
            }.run()
            if isTerminal { tell("\r\u{1B}[K") }
            let report = LoadReport(result)
            print(report.text, terminator: "")
            if let path = output.json { try write(report.json, to: path) }
            if let path = output.plot { try write(report.svg, to: path) }
            if result.faultCount > 0 { throw ExitCode(1) }
        } catch let error as TLSError {
            tell("sojourn load: \(error)\n")
            throw ExitCode(1)
        } catch let error as LoadError {
            tell("sojourn load: \(error)\n")
            throw ExitCode(1)
        }
    }

    private func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else {
            throw LoadError.system("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        let isWritten = fputs(text, file) >= 0
        guard fclose(file) == 0, isWritten else {
            throw LoadError.system("cannot write \(path): \(String(cString: strerror(errno)))")
        }
    }
}
