import Glibc
import TestSupport
import Testing

/// What the scripts that measure do when something goes wrong.
@Suite(.timeLimit(.minutes(10)))
struct MeasuringScriptTests {
    private static let root =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// A process's descendants that are a node. One that only tells its version ends by itself.
    private func nodes(under process: pid_t) -> [pid_t] {
        let children = (contents(of: "/proc/\(process)/task/\(process)/children") ?? "")
            .split(separator: " ").compactMap { pid_t($0) }
        return children.flatMap { child -> [pid_t] in
            let name = contents(of: "/proc/\(child)/comm")
            let isNode =
                name == "sojournd\n"
                && contents(of: "/proc/\(child)/cmdline")?.contains("\0-p\0") == true
            return (isNode ? [child] : []) + nodes(under: child)
        }
    }

    private func hasEnded(_ process: pid_t) -> Bool {
        let text = contents(of: "/proc/\(process)/stat") ?? ") Z"
        return text.split(separator: ")").last?.split(separator: " ").first == "Z"
    }

    @Test("A killer that is told to end, or whose round fails, leaves no node behind")
    func killerLeavesNothing() throws {
        let script = [
            Self.root + "/scripts/kill", "--binary", try RunningNode.sojourndPath(),
            "--megabytes", "64", "--seed", "1", "--writers", "1",
        ]
        let told = try Program(
            "/usr/bin/python3", script + ["--seconds", "30"],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        var node: pid_t?
        try wait(for: "a node") {
            node = nodes(under: told.processID).first
            return node != nil
        }
        told.send(SIGTERM)
        #expect(try told.waitForExit() == .status(128 + SIGTERM))
        #expect(hasEnded(try #require(node)))
        // A node that comes up and does not say what it took over: its round fails.
        let mute = try TemporaryDirectory()
        let program = try mute.write(
            """
            #!/bin/sh
            echo $$ >>'\(mute.path)/started'
            exec '\(try RunningNode.sojourndPath())' "$@" 2>/dev/null

            """, to: "mute")
        chmod(program, 0o700)
        let failed = try Program.run(
            "/usr/bin/python3",
            [
                script[0], "--binary", program, "--megabytes", "64", "--seed", "1", "--writers",
                "1",
                "--seconds", "0.1", "--rounds", "1",
            ], environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        #expect(failed.errors.contains("the node does not say what it recovered"))
        let started = (contents(of: mute.path + "/started") ?? "").split(separator: "\n")
        #expect(started.count >= 2 && started.allSatisfy { hasEnded(pid_t($0) ?? 0) })
    }

    @Test("A benchmark's check of itself ends when its load does")
    func selfCheck() throws {
        let code = """
            import sys, types
            sys.path.insert(0, sys.argv[1] + "/scripts")
            import bench_speed
            bench_speed.self_check(
                types.SimpleNamespace(servers={"sojournd": sys.argv[2]}, sojourn="/bin/true"))
            """
        let result = try Program.run(
            "/usr/bin/python3", ["-c", code, Self.root, try RunningNode.sojourndPath()],
            environment: ["PYTHONDONTWRITEBYTECODE": "1"], seconds: 20)
        #expect(result.exit == .status(1))
        #expect(result.errors.contains("its process has ended, status 0"))
    }

    @Test("Each part of the benchmark of nodes that keep copies tells its figures, in a short run")
    func clusterBench() throws {
        let program = try RunningNode.sojourndPath()
        let programs = "/" + program.split(separator: "/").dropLast().joined(separator: "/")
        let result = try Program.run(
            "/usr/bin/python3",
            [
                Self.root + "/scripts/cluster-bench", "--short", "--programs", programs, "--only",
                "single,writes,front,redis,replicas,item,stalls,returns", "--python",
                try Script.debianPython(),
            ], environment: ["PYTHONDONTWRITEBYTECODE": "1"], seconds: 300)
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
        for row in [
            "single: left out: ", "\nset, 50 connections ", "\nset, 1 connection, 16 at a time ",
            "\ngat, 1 connection, 1,000 sessions ", "\nbeside a node by itself ",
            "\nbeside nutcracker and memcached ", "\nset, CPU time ", "\na member ",
            "\nkill -9 ", "\nSIGSTOP, 1 s ", "\nits link is cut, 1 s ", "\nSIGSTOP   ",
            "\n  current after ", "\n  p99 ",
        ] {
            #expect(result.output.contains(row), "\(row): \(result.output)")
        }
        // The tests need no redis-server.
        #expect(
            result.output.contains("\n1 connection, p50 ")
                || result.output.contains("redis: left out: there is no redis-server here"))
    }
}
