import ClusterFile
import Glibc
import HashRing
import TestSupport
import Testing

/// Nodes that are added, removed and replaced while the cluster runs.
@Suite(.timeLimit(.minutes(10)))
struct ClusterChangeTests {
    private let sessions = 400

    private func expectDone(
        _ result: (exit: Program.Exit, output: String, errors: String), _ line: String
    ) {
        #expect(result.exit == .status(0), "\(result.errors)")
        #expect(result.output.contains(line), "\(result.output)\(result.errors)")
    }

    /// Lets users come until a program ends, and reads what it said.
    private func visit(
        _ cluster: GrowingCluster, among nodes: [Int], while program: Program,
        _ visitors: inout Visitors
    ) throws {
        try wait(for: "the change to be over") {
            for _ in 0..<20 { try visitors.visit(cluster, among: nodes) }
            return program.hasEnded
        }
    }

    private func expectNobodyHurt(_ visitors: Visitors) {
        #expect(visitors.loggedOut == [])
        #expect(visitors.loggedInAgain == [])
        #expect(visitors.stale == [])
    }

    @Test("A node is added and another one drained under way, and nobody notices")
    func addsAndDrains() throws {
        let cluster = try GrowingCluster(["a", "b", "c"])
        try cluster.store(sessions, at: ["a", "b", "c"])
        var visitors = Visitors()
        for _ in 0..<300 { try visitors.visit(cluster, among: [0, 1, 2]) }
        let adding = try cluster.begin(["add"] + cluster.words("d"))
        try wait(for: "the definition") {
            contents(of: cluster.definition)?.contains("name: d") == true
        }
        try cluster.start("d")
        try visit(cluster, among: [0, 1, 2], while: adding, &visitors)
        #expect(adding.errors.contains("start the new node with this definition"))
        for _ in 0..<300 { try visitors.visit(cluster, among: [0, 1, 2, 3]) }
        #expect(try cluster.missing(sessions, at: ["a", "b", "c", "d"]) == [])
        // Each of the four has its part, of two copies.
        for name in ["a", "b", "c", "d"] {
            let count = Int(try cluster.counter("curr_items", of: name) ?? "") ?? 0
            #expect(count > sessions / 4 && count < sessions * 3 / 4, "\(name): \(count)")
        }
        let draining = try cluster.begin(["drain", "b"])
        try visit(cluster, among: [0, 1, 2, 3], while: draining, &visitors)
        // It has nothing, and passes everything on.
        try wait(for: "b to be empty") { try cluster.itemCount(at: ["b"]) == 0 }
        for _ in 0..<100 { try visitors.visit(cluster, among: [1]) }
        cluster.kill("b")
        visitors.forget(1)
        for _ in 0..<300 { try visitors.visit(cluster, among: [0, 2, 3]) }
        #expect(try cluster.missing(sessions, at: ["a", "c", "d"]) == [])
        expectNobodyHurt(visitors)
        #expect(visitors.visits > 1_000)
    }

    @Test("A change moves what has other owners then, and nothing else")
    func movesLittle() throws {
        let cluster = try GrowingCluster(["a", "b", "c"])
        try cluster.store(sessions, at: ["a"])
        let adding = try cluster.begin(["add"] + cluster.words("d"))
        try wait(for: "the definition") {
            contents(of: cluster.definition)?.contains("name: d") == true
        }
        try cluster.start("d")
        try wait(for: "the change to be over") { adding.hasEnded }
        var received = 0
        for name in ["a", "b", "c", "d"] {
            received += Int(try cluster.counter("catchup_items", of: name) ?? "") ?? 0
        }
        // By the ring: the new node's part, and a little where the others' points move by rounding.
        let new = try ClusterDefinition(contentsOf: cluster.definition)
        var old = new
        old.members.removeLast()
        let (newRing, oldRing) = (try new.ring(), try old.ring())
        let moved = (0..<sessions).reduce(0) { sum, number in
            let key = Array("session:\(number)".utf8)
            let before = oldRing.indices(for: key, count: 2)
            return sum + newRing.indices(for: key, count: 2).count { !before.contains($0) }
        }
        let own = try cluster.itemCount(at: ["d"])
        #expect(own > 0 && moved >= own)
        #expect(received <= moved * 11 / 10, "\(received) for \(moved), of which \(own) for d")
    }

    @Test("A dead node is removed, and one is put in its place; both may be dead at the start")
    func removesTheDead() throws {
        let cluster = try GrowingCluster(["a", "b", "c"])
        try cluster.store(sessions, at: ["a", "b", "c"])
        cluster.kill("c", losesFile: true)
        let drained = try cluster.run(["drain", "c"])
        #expect(drained.exit == .status(1))
        #expect(drained.errors.contains("node c is down"), "\(drained.errors)")
        let replacing = try cluster.begin(["replace", "c"] + cluster.words("e"))
        try wait(for: "the definition") {
            contents(of: cluster.definition)?.contains("name: e") == true
        }
        try cluster.start("e")
        try wait(for: "the change to be over") { replacing.hasEnded }
        #expect(replacing.exit == .status(0), "\(replacing.errors)")
        #expect(try cluster.missing(sessions, at: ["a", "b", "e"]) == [])
        #expect(try cluster.itemCount(at: ["a", "b", "e"]) == 2 * sessions)
        // Keys of a and b have stayed where they were.
        let definition = try ClusterDefinition(contentsOf: cluster.definition)
        #expect(definition.nodes.map(\.name) == ["a", "b", "e"])
        #expect(definition.nodes[2].inPlaceOf != nil && definition.memberIDs == [0, 1, 3])
        cluster.kill("b", losesFile: true)
        expectDone(try cluster.run(["remove", "b"]), "all nodes go by generation 3")
        #expect(try cluster.missing(sessions, at: ["a", "e"]) == [])
        #expect(try cluster.itemCount(at: ["a", "e"]) == 2 * sessions)
    }

    @Test("A node that never comes holds up its own change alone, which can be taken back")
    func neverComes() throws {
        let cluster = try GrowingCluster(["a", "b", "c"])
        try cluster.store(sessions, at: ["a"])
        let adding = try cluster.run(["add"] + cluster.words("d") + ["--timeout", "3"])
        #expect(adding.exit == .status(1))
        #expect(adding.errors.contains("d is down"), "\(adding.errors)")
        #expect(adding.errors.contains("not over after 3 s"), "\(adding.errors)")
        // One change at a time.
        let second = try cluster.run(["remove", "b"])
        #expect(second.exit == .status(1))
        #expect(second.errors.contains("one change at a time"), "\(second.errors)")
        #expect(try cluster.missing(sessions, at: ["a", "b", "c"]) == [])
        expectDone(try cluster.run(["remove", "d"]), "all nodes go by generation 3")
        try cluster.waitUntilCurrent(["a", "b", "c"])
        #expect(try cluster.itemCount(at: ["a", "b", "c"]) == 2 * sessions)
        // It can come later, by another name's number.
        let again = try cluster.begin(["add"] + cluster.words("d"))
        try wait(for: "the definition") {
            contents(of: cluster.definition)?.contains("name: d") == true
        }
        try cluster.start("d")
        try wait(for: "the change to be over") { again.hasEnded }
        #expect(again.exit == .status(0), "\(again.errors)")
        // The same words once more only look on.
        expectDone(
            try cluster.run(["add"] + cluster.words("d")), "all nodes go by generation 4")
    }

    @Test("Whoever dies in the middle of a change comes back into it", arguments: ["a", "b", "d"])
    func diesMeanwhile(victim: String) throws {
        let cluster = try GrowingCluster(["a", "b", "c"])
        try cluster.store(sessions, at: ["a", "b", "c"])
        #expect(try cluster.ask("a", "delete session:7") == "DELETED\r\n")
        let adding = try cluster.begin(["add"] + cluster.words("d"))
        try wait(for: "the definition") {
            contents(of: cluster.definition)?.contains("name: d") == true
        }
        try cluster.waitUntil("a", is: "transferring")
        // The others have not met the new one yet, or just have.
        try cluster.start("d")
        cluster.kill(victim)
        try cluster.start(victim)
        try wait(for: "the change to be over") { adding.hasEnded }
        #expect(adding.exit == .status(0), "\(adding.errors)")
        #expect(try cluster.missing(sessions, at: ["a", "b", "c", "d"], except: [7]) == [])
        #expect(try cluster.itemCount(at: ["a", "b", "c", "d"]) == 2 * (sessions - 1))
    }

    @Test(
        "A node that was away goes over when it is back; so does one that was removed, and has nothing to say"
    )
    func wasAway() throws {
        let cluster = try GrowingCluster(["a", "b", "c"])
        try cluster.store(sessions, at: ["a", "b", "c"])
        let old = try cluster.directory.write(
            contents(of: cluster.definition) ?? "", to: "old.yaml")
        cluster.kill("a")
        expectDone(try cluster.run(["remove", "a"]), "all nodes go by generation 2")
        #expect(try cluster.ask("b", "delete session:7") == "DELETED\r\n")
        #expect(try cluster.ask("c", "set session:8 0 0 5\r\nother") == "STORED\r\n")
        // Its old machine is back, with the definition of then, and its memory file.
        try cluster.start("a", definition: old)
        try cluster.waitUntil("a", is: "removed")
        #expect(try cluster.ask("a", "get session:7", until: "END\r\n") == "END\r\n")
        #expect(try cluster.ask("a", "get session:8", until: "END\r\n").contains("other"))
        #expect(try cluster.missing(7, at: ["a", "b", "c"]) == [])
        #expect(try cluster.counter("members_current", of: "b") == "2")
        cluster.kill("a")
        // The new definition has no place for it.
        let user = getuid() == 0 ? ["-u", "root"] : []
        let refused = try Program.run(
            try RunningNode.sojourndPath(),
            user + ["--cluster", cluster.definition, "--name", "a"])
        #expect(refused.errors.contains("are b, c, not a"), "\(refused.errors)")
        // One that is a member, and was away while another one came, knows as soon as it is back.
        cluster.kill("b")
        let adding = try cluster.begin(["add"] + cluster.words("d"))
        try wait(for: "the definition") {
            contents(of: cluster.definition)?.contains("name: d") == true
        }
        try cluster.start("d")
        try cluster.waitUntil("d", is: "settled")
        try cluster.start("b", definition: old)
        try wait(for: "the change to be over") { adding.hasEnded }
        #expect(try cluster.counter("cluster_generation", of: "b") == "3")
        #expect(try cluster.missing(7, at: ["b", "c", "d"]) == [])
    }

    @Test("Who has missed a change comes back in the middle of the next one, and goes over to both")
    func missesOne() throws {
        let cluster = try GrowingCluster(["a", "b", "c"])
        try cluster.store(sessions, at: ["a", "b", "c"])
        cluster.kill("c")
        var looking: [Program] = []
        defer { for program in looking { program.end() } }
        for name in ["d", "e"] {
            looking.append(try cluster.begin(["add"] + cluster.words(name)))
            try wait(for: "the definition") {
                contents(of: cluster.definition)?.contains("name: \(name)") == true
            }
            guard name == "d" else { break }
            try cluster.start("d")
            try wait(for: "the others") {
                try ["a", "b", "d"].allSatisfy {
                    try cluster.counter("cluster_generation", of: $0) == "2"
                        && cluster.counter("cluster_change", of: $0) == "settled"
                }
            }
        }
        try cluster.waitUntil("a", is: "transferring")
        // By its file it is the third one that counts; others go by the second.
        try cluster.start("c")
        try wait(for: "c to follow") { try cluster.counter("cluster_generation", of: "c") == "2" }
        try cluster.start("e")
        try wait(for: "both changes to be over") { looking.allSatisfy(\.hasEnded) }
        let all = ["a", "b", "c", "d", "e"]
        try cluster.waitUntilCurrent(all)
        #expect(try cluster.missing(sessions, at: all) == [])
        try wait(for: "two copies of each") {
            try cluster.itemCount(at: all) == 2 * sessions
        }
    }

    @Test("A node that was removed passes everything on, whichever definition it starts with")
    func removedStartsAgain() throws {
        let cluster = try GrowingCluster(["a", "b", "c"])
        try cluster.store(sessions, at: ["a", "b", "c"])
        var texts = [contents(of: cluster.definition) ?? ""]
        let adding = try cluster.begin(["add"] + cluster.words("d"))
        try wait(for: "the definition") {
            contents(of: cluster.definition)?.contains("name: d") == true
        }
        texts.append(contents(of: cluster.definition) ?? "")
        try cluster.start("d")
        try wait(for: "the change to be over") { adding.hasEnded }
        expectDone(try cluster.run(["drain", "c"]), "all nodes go by generation 3")
        cluster.kill("c")
        for (number, text) in texts.enumerated() {
            let old = try cluster.directory.write(text, to: "old-\(number).yaml")
            try cluster.start("c", definition: old)
            try cluster.waitUntil("c", is: "removed")
            #expect(try cluster.missing(20, at: ["c"]) == [])
            #expect(try cluster.itemCount(at: ["c"]) == 0)
            cluster.kill("c")
        }
        #expect(try cluster.missing(sessions, at: ["a", "b", "d"]) == [])
    }

    @Test("Nodes without memory files learn from each other by which definition they go")
    func learns() throws {
        let cluster = try GrowingCluster(["a", "b", "c"], hasMemoryFiles: false)
        try cluster.store(sessions, at: ["a"])
        let adding = try cluster.begin(
            ["add", "d", "--host", cluster.host, "--port", "21104", "--memory", "16m"])
        try wait(for: "the definition") {
            contents(of: cluster.definition)?.contains("name: d") == true
        }
        let old = try cluster.directory.write(
            (contents(of: cluster.definition) ?? "").split(separator: "\n")
                .filter { !$0.contains("name: d") && !$0.contains("generation") }
                .joined(separator: "\n"), to: "old.yaml")
        // Starts anew, before the newcomer is there, by a file that knows it already.
        cluster.kill("a")
        try cluster.start("a")
        try wait(for: "a") { try cluster.counter("cluster_generation", of: "a") == "1" }
        try cluster.start("d")
        try wait(for: "the change to be over") { adding.hasEnded }
        // And by one that does not know it yet.
        cluster.kill("b")
        try cluster.start("b", definition: old)
        try cluster.waitUntilCurrent(["a", "b", "c", "d"])
        #expect(try cluster.counter("cluster_generation", of: "b") == "2")
        #expect(try cluster.missing(sessions, at: ["a", "b", "c", "d"]) == [])
    }

    @Test("A definition that is no next one stays out, and is told")
    func refusesDefinitions() throws {
        let cluster = try GrowingCluster(["a", "b"])
        let text = contents(of: cluster.definition) ?? ""
        func expectRefused(_ new: String, _ reason: String) throws {
            _ = try cluster.directory.write(new, to: "cluster.yaml")
            for name in ["a", "b"] {
                try wait(for: reason) { cluster.programs[name]?.errors.contains(reason) == true }
                #expect(try cluster.counter("cluster_next", of: name) == "1")
            }
        }
        try expectRefused(
            text.replacing("- {name: b,", with: "- {name: b, weight: 3,"),
            "a change needs a higher generation")
        try expectRefused(
            "generation: 2\n" + text.replacing("peers: {}", with: "peers: {timeout: 500}"),
            "takes a restart of all nodes at once")
        try expectRefused(
            "generation: 2\n"
                + text.replacing("{name: a", with: "{id: 1, name: a")
                .replacing("{name: b", with: "{id: 0, name: b"), "a node's id stays its own")
        try expectRefused(
            "generation: 2\n" + text.replacing("{name: b", with: "{name: x"),
            "give it one that is free")
        // By the tool's own look at it, too.
        _ = try cluster.directory.write(text, to: "cluster.yaml")
        #expect(try cluster.run(["remove", "x"]).errors.contains("the nodes are a, b, not x"))
        let shown = try cluster.run(["remove", "b", "--check"])
        #expect(shown.output.contains("generation: 2") && !shown.output.contains("name: b"))
        #expect(contents(of: cluster.definition) == text)
        let taken = try cluster.run(["add", "a", "--host", "127.0.0.9"])
        #expect(taken.exit == .status(64) && taken.errors.contains("is in"), "\(taken.errors)")
    }
}
