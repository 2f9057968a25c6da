import Glibc
import TestSupport
import Testing

/// The scripts of cluster/kubernetes, with stand-ins for kubectl and for what changes a cluster: there is no Kubernetes
/// here. What they are asked for is written down.
private final class ResizeStage {
    let directory: TemporaryDirectory
    private static let root =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// - Parameters:
    ///   - nodes: that the definition has.
    ///   - pods: that the set has.
    init(nodes: Int, pods: Int) throws {
        directory = try TemporaryDirectory()
        let path = directory.path
        let lines = (0..<nodes).map { "- {name: sojourn-\($0), host: sojourn-\($0).sojourn}\n" }
        _ = try directory.write("nodes:\n" + lines.joined(), to: "cluster.yaml")
        _ = try directory.write("\(pods)", to: "replicas")
        _ = try directory.write("", to: "leaving")
        try program(
            "kubectl",
            """
            case "$*" in
              *"get configmap"*leaving*) cat \(path)/leaving ;;
              *"get configmap"*) cat \(path)/cluster.yaml ;;
              *"get statefulset"*) cat \(path)/replicas ;;
              "create configmap"*)
                for word; do
                  case "$word" in
                    cluster.yaml=*) cat "${word#*=}" >\(path)/cluster.yaml ;;
                    leaving=*) cat "${word#*=}" >\(path)/leaving ;;
                  esac
                done
                ;;
              apply*) cat >/dev/null && echo "publish: $(grep --count name: \(path)/cluster.yaml) nodes, $(cat \(path)/leaving) leaving" >>\(path)/calls ;;
              scale*) echo "${*: -1}" >\(path)/replicas && echo "scale ${*: -1}" >>\(path)/calls ;;
              annotate*) ;;
              *) echo "$*" >>\(path)/calls ;;
            esac
            """)
        try program(
            "sojourn",
            """
            if [ "$1" = definition ]; then exec \(try RunningNode.builtProgram("sojourn")) "$@"; fi
            echo "$2 $3" >>\(path)/calls
            file=${*: -1}
            if [ "$3" = "$(cat \(path)/fails 2>/dev/null)" ]; then exit 1; fi
            case "$2" in
              add) grep --quiet "name: $3," "$file" || echo "- {name: $3, host: $5}" >>"$file" ;;
              remove) sed --in-place "/name: $3,/d" "$file" ;;
              drain) ;;
            esac
            sleep 0.1
            """)
    }

    private func program(_ name: String, _ text: String) throws {
        chmod(try directory.write("#!/bin/bash\n" + text + "\n", to: name), 0o700)
    }

    func run(
        _ script: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> Program.Exit {
        let path = "\(directory.path):/usr/bin:/bin"
        let result = try Program.run(
            "/usr/bin/env", ["PATH=\(path)", "\(Self.root)/cluster/\(script)"] + arguments,
            environment: environment.merging(["RESIZE_PAUSE": "0.02", "LEAVE_PAUSE": "0"]) {
                $1
            })
        return result.exit
    }

    func leave(_ node: String) throws -> Program.Exit {
        try run("container/leave", [directory.path], environment: ["POD_NAME": node])
    }

    /// What was asked for since the last time.
    func calls() throws -> [String] {
        defer { unlink("\(directory.path)/calls") }
        return (contents(of: "\(directory.path)/calls") ?? "").split(separator: "\n")
            .map(String.init)
    }

    func nodes() throws -> String {
        try Program.run(
            try RunningNode.builtProgram("sojourn"),
            ["definition", "--names", "\(directory.path)/cluster.yaml"]
        ).output
    }

    var pods: String? {
        contents(of: "\(directory.path)/replicas")?.split(separator: "\n").first.map(String.init)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct KubernetesScriptTests {
    @Test("Nodes are added one by one: the definition names each before its pod comes")
    func grows() throws {
        let stage = try ResizeStage(nodes: 3, pods: 3)
        #expect(try stage.run("kubernetes/resize", ["5"]) == .status(0))
        #expect(
            try stage.calls() == [
                // One that may have been begun is ended first.
                "add sojourn-2",
                "add sojourn-3", "publish: 4 nodes,  leaving", "scale 4",
                "add sojourn-4", "publish: 5 nodes,  leaving", "scale 5",
            ])
        #expect(try stage.nodes() == "sojourn-0\nsojourn-1\nsojourn-2\nsojourn-3\nsojourn-4\n")
        #expect(stage.pods == "5")
    }

    @Test(
        "Nodes that leave are named, taken out of the definition, and only then lose pod and volume"
    )
    func shrinks() throws {
        let stage = try ResizeStage(nodes: 4, pods: 4)
        #expect(try stage.run("kubernetes/resize", ["3"]) == .status(0))
        #expect(
            try stage.calls() == [
                "publish: 4 nodes, sojourn-3 leaving", "remove sojourn-3",
                "publish: 3 nodes, sojourn-3 leaving", "scale 3",
                "wait --for=delete pod/sojourn-3 --timeout=300s",
                "delete persistentvolumeclaim memory-sojourn-3 --ignore-not-found --wait=false",
                "publish: 3 nodes,  leaving",
            ])
        #expect(try stage.nodes() == "sojourn-0\nsojourn-1\nsojourn-2\n")
    }

    @Test("A node that cannot be removed keeps its pod, and the same command takes it up again")
    func takenUpAgain() throws {
        let stage = try ResizeStage(nodes: 4, pods: 4)
        let fails = try stage.directory.write("sojourn-3", to: "fails")
        #expect(try stage.run("kubernetes/resize", ["3"]) == .status(1))
        #expect(!(try stage.calls().contains { $0.hasPrefix("scale") }))
        #expect(stage.pods == "4")
        unlink(fails)
        #expect(try stage.run("kubernetes/resize", ["3"]) == .status(0))
        #expect(stage.pods == "3")
        _ = try stage.calls()

        // Added, but without a pod; and the other way round.
        let lost = try ResizeStage(nodes: 4, pods: 3)
        #expect(try lost.run("kubernetes/resize", ["4"]) == .status(0))
        #expect(try lost.calls() == ["scale 4", "add sojourn-3"])
        let left = try ResizeStage(nodes: 3, pods: 4)
        #expect(try left.run("kubernetes/resize", ["3"]) == .status(0))
        let calls = try left.calls()
        // It was removed already; what it had may be on its way still.
        #expect(!calls.contains("remove sojourn-3") && calls.contains("scale 3"))
        #expect(calls.contains { $0.hasPrefix("follow ") })
    }

    @Test("Another number than 1 to 64, or other nodes than the set's pods, change nothing")
    func mistakes() throws {
        let stage = try ResizeStage(nodes: 3, pods: 3)
        for count in ["", "0", "65", "three", "100"] {
            #expect(try stage.run("kubernetes/resize", [count]) == .status(64), "\(count)")
        }
        #expect(
            try stage.run("kubernetes/resize", ["4"], environment: ["SET": "shop"]) == .status(1))
        #expect(try stage.calls() == [])
    }

    @Test("A pod hands its items on before its end only if it goes for good")
    func leaving() throws {
        let stage = try ResizeStage(nodes: 3, pods: 3)
        #expect(try stage.leave("sojourn-2") == .status(0))
        #expect(try stage.calls() == [])
        _ = try stage.directory.write("sojourn-2", to: "leaving")
        #expect(try stage.leave("sojourn-1") == .status(0))
        #expect(try stage.calls() == [])
        #expect(try stage.leave("sojourn-2") == .status(0))
        #expect(try stage.calls() == ["drain sojourn-2"])
        // It was drained as it was removed.
        _ = try stage.directory.write("sojourn-3", to: "leaving")
        #expect(try stage.leave("sojourn-3") == .status(0))
        #expect(try stage.calls() == [])
    }
}
