import ClusterFile
import HashRing
import Testing

/// Definitions that are changed line by line, and what stays as it was written.
@Suite(.timeLimit(.minutes(10)))
struct DefinitionTextTests {
    private func text(_ yaml: String) throws -> DefinitionText {
        try DefinitionText(yaml, file: "shop.yaml")
    }

    private func problem(_ body: () throws -> DefinitionText) -> String? {
        do {
            _ = try body()
            return nil
        } catch {
            return "\(error)"
        }
    }

    private static let mixed = """
        # The shop's.
        name: shop
        peers: {secret_file: /s}   # everywhere
        defaults: {memory: 1g}
        nodes:
          # the first
          - {name: a, host: 10.0.0.1}  # here
          - name: b
            host: 10.0.0.2
            flags: [-t, "2"]

          # the third
          - { name: c, host: 10.0.0.3 }
        # the end
        copies: 2

        """

    @Test("A node is added behind the others, and everything else stays as it was written")
    func adds() throws {
        var node = NewNode(name: "d", host: "10.0.0.4")
        node.memoryFile = "/run/sojourn/d: 1"
        node.flags = ["-t", "4"]
        let new = try text(Self.mixed).adding(node)
        #expect(
            new.text == """
                # The shop's.
                generation: 2
                name: shop
                peers: {secret_file: /s}   # everywhere
                defaults: {memory: 1g}
                nodes:
                  # the first
                  - {id: 0, name: a, host: 10.0.0.1}  # here
                  - id: 1
                    name: b
                    host: 10.0.0.2
                    flags: [-t, "2"]

                  # the third
                  - {id: 2, name: c, host: 10.0.0.3 }
                  - {id: 3, since: 2, name: d, host: 10.0.0.4, memory_file: "/run/sojourn/d: 1", flags: ["-t", 4]}
                # the end
                copies: 2

                """)
        let member = new.definition.members[3]
        #expect(
            member.since == 2 && member.memoryMegabytes == 1_024 && member.flags == ["-t", "4"])
        #expect(new.definition.generation == 2)
    }

    @Test("A node is removed, whose number nobody gets before all others were had")
    func removes() throws {
        let without = try text(Self.mixed).removing("b")
        #expect(without.definition.nodes.map(\.name) == ["a", "c"])
        #expect(without.definition.memberIDs == [0, 2])
        #expect(without.text.contains("# the third") && !without.text.contains("10.0.0.2"))
        let again = try without.adding(NewNode(name: "d", host: "10.0.0.4"))
        #expect(again.definition.memberIDs == [0, 2, 3])
        #expect(again.definition.generation == 3)
        #expect(again.text.split(separator: "generation:").count == 2)
        var all = again
        for number in 4...63 {
            all = try all.adding(NewNode(name: "n\(number)", host: "10.0.1.\(number)"))
        }
        all = try all.adding(NewNode(name: "last", host: "10.0.2.1"))
        #expect(all.definition.members.last?.id == 1)
        #expect(all.definition.members.count == 64)
        #expect(
            problem { try all.adding(NewNode(name: "more", host: "10.0.2.2")) }?
                .contains("no id is left") == true)
    }

    @Test("A node takes another one's line")
    func replaces() throws {
        var node = NewNode(name: "e", host: "10.0.0.5")
        node.inPlaceOf = ("10.0.0.2", 11_211)
        let new = try text(Self.mixed).replacing("b", with: node)
        #expect(new.definition.nodes.map(\.name) == ["a", "e", "c"])
        #expect(new.definition.memberIDs == [0, 3, 2])
        #expect(try new.definition.ring().placesKeys(as: text(Self.mixed).definition.ring()))
    }

    @Test("What cannot be changed line by line is told, and so is who is not there")
    func refuses() throws {
        let inBrackets = try text("peers: {}\nnodes: [{name: a, host: '127.0.0.1'}]\n")
        #expect(
            problem { try inBrackets.adding(NewNode(name: "b", host: "127.0.0.2")) }?
                .contains("must begin a line of its own") == true)
        let otherEnds = try text(
            "peers: {}\r\nnodes:\r\n- {name: a, host: 127.0.0.1}\r\n- {name: b, host: 127.0.0.2}\r\n"
        )
        #expect(problem { try otherEnds.removing("b") }?.contains("ends of lines") == true)
        let quoted = try text(
            "generation: \"3\"\npeers: {}\nnodes:\n- {name: a, host: 127.0.0.1}\n- {name: b, host: 127.0.0.2}\n"
        )
        #expect(problem { try quoted.removing("b") } != nil)
        // The words of one are the other's, too.
        let anchored = try text(
            "peers: {}\nnodes:\n- {name: a, host: &h 127.0.0.1}\n- {name: b, host: *h, port: 11212}\n"
        )
        #expect(problem { try anchored.removing("a") } != nil)
        #expect(
            problem { try text(Self.mixed).removing("x") }
                == "shop.yaml: nodes: the nodes are a, b, c, not x")
        let single = try text("peers: {}\nnodes:\n- {name: a, host: 127.0.0.1}\n")
        #expect(problem { try single.removing("a") }?.contains("is the only node") == true)
        // The second one makes a second copy.
        let two = try single.adding(NewNode(name: "b", host: "127.0.0.2"))
        #expect(two.definition.copyCount == 2)
        #expect(
            problem { try two.adding(NewNode(name: "b", host: "127.0.0.3")) } != nil)
        let last = try text(
            "generation: 1000000000\npeers: {}\nnodes:\n- {name: a, host: 127.0.0.1}\n")
        #expect(
            problem { try last.adding(NewNode(name: "b", host: "127.0.0.2")) }?
                .contains("no generation after") == true)
    }

    @Test(
        "Numbers are for all nodes or for none, each once, and from 0 to 63",
        arguments: [
            (
                "{id: 0, name: a, host: 127.0.0.1}", "{name: b, host: 127.0.0.2}",
                "nodes[1].id: missing"
            ),
            (
                "{id: 4, name: a, host: 127.0.0.1}", "{id: 4, name: b, host: 127.0.0.2}",
                "nodes a and b have the same one, 4"
            ),
            (
                "{id: 64, name: a, host: 127.0.0.1}", "{id: 4, name: b, host: 127.0.0.2}",
                "from 0 to 63"
            ),
            (
                "{id: 0, since: 3, name: a, host: 127.0.0.1}", "{id: 1, name: b, host: 127.0.0.2}",
                "from 1 to 2"
            ),
        ])
    func numbers(first: String, second: String, reason: String) {
        let problem = problem {
            try text("generation: 2\npeers: {}\nnodes:\n- \(first)\n- \(second)\n")
        }
        #expect(problem?.contains(reason) == true, "\(problem ?? "none")")
    }

    @Test("Without peers there are no numbers; generations are whole numbers from 1 on")
    func elsewhere() {
        #expect(
            problem { try text("nodes:\n- {id: 1, name: a, host: h}\n") }?
                .contains("is nothing without peers") == true)
        for number in ["0", "-1", "1000000001", "x"] {
            #expect(
                problem { try text("generation: \(number)\nnodes:\n- {name: a, host: h}\n") }?
                    .contains("generation") == true)
        }
    }
}
