import ArgumentParser
import ClusterFile
import Glibc
import HashRing

struct RingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring",
        abstract: "Shows which node has a key, and how evenly and steadily keys are placed.",
        discussion: """
            With keys: for each its node, why, and which nodes are next. The key - stands for the lines of \
            standard input. What no node would take as a key has no place.

            With --simulate: how the keys of many sessions are spread, and how many move when a node \
            fails, goes or comes, or, with --to, when another definition takes effect.
            """)

    @Argument(help: ArgumentHelp("Keys, as they are sent to the nodes.", valueName: "key"))
    var keys: [String] = []

    @OptionGroup var placement: PlacementOptions

    @Option(
        name: .customLong("without"),
        help: ArgumentHelp("A node that is ejected, by its name.", valueName: "node"))
    var leftOut: [String] = []

    @Flag(help: "For each key one line: the key, a tab, the node's name.") var brief = false
    @Flag(help: "Show balance and movement instead.") var simulate = false

    @Option(
        name: .customLong("keys"), help: ArgumentHelp("Simulated keys.", valueName: "number"))
    var keyCount = 100_000

    @Option(help: ArgumentHelp("Also write the plot, as SVG.", valueName: "file"))
    var svg: String?

    @Option(
        help: ArgumentHelp(
            "The definition file that is to follow: which keys change their node?",
            valueName: "file"))
    var to: String?

    func validate() throws {
        guard simulate != !keys.isEmpty else {
            throw ValidationError("give keys, or --simulate, and not both")
        }
        guard simulate || (svg == nil && to == nil) else {
            throw ValidationError("--svg and --to belong to --simulate")
        }
        guard (1...100_000_000).contains(keyCount) else {
            throw ValidationError("--keys must be 1 to 100000000, not \(keyCount)")
        }
        try refuseArgumentsWithoutText("such a key cannot be typed here")
        for key in keys where key != "-" { _ = try itemKey(key) }
        guard !leftOut.isEmpty, let definition = try? placement.definition() else { return }
        let names = definition.nodes.map(\.name)
        for name in leftOut where !names.contains(name) {
            throw ValidationError(
                "--without \(name): the nodes are \(names.joined(separator: ", "))")
        }
    }

    func run() throws {
        let ring = try ring()
        if simulate {
            return try runSimulation(ring)
        }
        for key in keys {
            if key == "-" {
                try showLines(on: ring)
            } else {
                show(key, on: ring)
            }
        }
    }

    /// `readLine` would put other characters where a line is no UTF-8.
    private func showLines(on ring: Ring) throws {
        var number = 0
        try StandardStreams.eachLine { line in
            number += 1
            guard let key = String(validating: line, as: UTF8.self) else {
                throw ValidationError("line \(number) of standard input is no UTF-8")
            }
            do {
                _ = try itemKey(key)
            } catch let error as ValidationError {
                throw ValidationError("line \(number) of standard input: \(error.message)")
            }
            show(key, on: ring)
        }
    }

    /// The ring, without those nodes that are ejected.
    private func ring() throws -> Ring {
        let whole = try placement.definition().ring()
        let indices = leftOut.compactMap { name in whole.nodes.firstIndex { $0.name == name } }
        return try whole.leavingOut(Set(indices))
    }

    private func runSimulation(_ ring: Ring) throws {
        let next = try to.map { try ClusterDefinition(contentsOf: $0).ring() }
        let simulation = Simulation(ring, keyCount: keyCount, next: next)
        print(SimulationReport(simulation).text)
        guard let svg else { return }
        guard let file = fopen(svg, "we") else {
            throw ValidationError("\(svg) cannot be written: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        guard fputs(SimulationPlot(simulation).svg, file) >= 0 else {
            throw ValidationError("\(svg) cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    private func show(_ key: String, on ring: Ring) {
        if brief {
            print("\(key)\t\(ring.node(for: key).name)")
        } else {
            print(RingAnswer(key, on: ring).text)
        }
    }
}
