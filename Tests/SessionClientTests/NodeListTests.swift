import HashRing
import Testing

@testable import SessionClient

@Suite(.timeLimit(.minutes(10)))
struct NodeListTests {
    @Test("A list has a node per line, with weight and name where they are said")
    func list() throws {
        let text = """
            # the cluster
            10.0.0.1:11211:1 alpha

            \t10.0.0.2:11212:20\tbeta   # a large one
            sessions-3:11213
            sessions-4
            [fd00::2]:11214:3 gamma
            [::1]
            """
        #expect(
            try NodeList.parse(text) == [
                Node(name: "alpha", host: "10.0.0.1", ringName: "alpha"),
                Node(
                    name: "beta", host: "10.0.0.2", port: 11_212, weight: 20, ringName: "beta"),
                Node(host: "sessions-3", port: 11_213), Node(host: "sessions-4"),
                Node(
                    name: "gamma", host: "fd00::2", port: 11_214, weight: 3, ringName: "gamma"),
                Node(host: "::1"),
            ])
        #expect(try NodeList.parse("a:1\r\nb:2\r\n").map(\.host) == ["a", "b"])
        #expect(try NodeList.parse("# nothing\n\n").isEmpty)
    }

    @Test(
        "A line that is no node is told with its number",
        arguments: [
            ":11211", "a:", "a:x", "a:1:", "a:1:y", "a:1:1:1", "a:-1", "a:1 name more", "[::1",
            "[]:1", "[::1]x:1", "a:99999999999999999999", "a:+1", "a:1 b:11211",
        ])
    func mistakes(line: String) {
        let mistake = #expect(throws: NodeList.Mistake.self) {
            try NodeList.parse("good:1\n\(line)\n")
        }
        #expect(mistake?.line == 2)
    }

    @Test("A list has a bound", arguments: [-1, 0, 1])
    func bound(excess: Int) {
        let text = "a:1\n" + String(repeating: "#", count: NodeList.byteCountMax - 4 + excess)
        #expect((try? NodeList.parse(text)) == (excess <= 0 ? [Node(host: "a", port: 1)] : nil))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ClusterConfigurationTests {
    @Test("Host names make the ring; addresses where there are none")
    func body() throws {
        let body = "12\nnode-1|10.0.0.1|11211 |10.0.0.2|11212 node-3||11213\n"
        let configuration = try ClusterConfiguration(body: body)
        #expect(configuration.version == 12)
        #expect(
            configuration.nodes == [
                Node(host: "node-1"), Node(host: "10.0.0.2", port: 11_212),
                Node(host: "node-3", port: 11_213),
            ])
        #expect(try ClusterConfiguration(body: "0\r\na|b|1\r\n\r\n").nodes.count == 1)
    }

    @Test(
        "What is no configuration is told",
        arguments: [
            "", "\n", "1\n", "1\n\n", "x\na|b|1\n", "-1\na|b|1\n", "1\na|b\n", "1\na|b|c\n",
            "1\n||11211\n", "1\na|b|1|2\n",
        ])
    func mistakes(body: String) {
        #expect(throws: ClusterConfiguration.Mistake.self) { try ClusterConfiguration(body: body) }
    }
}
