import HashRing
import MemcacheProtocol
import Testing

@testable import SessionClient

extension ClusterConfiguration {
    /// - Parameter body: of the answer's data block.
    init(_ subject: ConfigSubject, body: String) throws(Mistake) {
        try self.init(try ConfigBlock(subject, body: body))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ClusterConfigurationTests {
    @Test("Host names make the ring; addresses where there are none")
    func body() throws {
        let body = "12\nnode-1|10.0.0.1|11211 |10.0.0.2|11212 node-3||11213\n"
        let configuration = try ClusterConfiguration(.cluster, body: body)
        #expect(configuration.version == 12)
        #expect(
            configuration.nodes == [
                Node(host: "node-1"), Node(host: "10.0.0.2", port: 11_212),
                Node(host: "node-3", port: 11_213),
            ])
        #expect(try ClusterConfiguration(.cluster, body: "0\r\na|b|1\r\n\r\n").nodes.count == 1)
    }

    @Test(
        "What is no configuration is told",
        arguments: [
            "", "\n", "1\n", "1\n\n", "x\na|b|1\n", "-1\na|b|1\n", "1\na|b\n", "1\na|b|c\n",
            "1\n||11211\n", "1\na|b|1|2\n",
        ])
    func mistakes(body: String) {
        #expect(throws: ClusterConfiguration.Mistake.self) {
            try ClusterConfiguration(.cluster, body: body)
        }
    }

    @Test("A definition comes with weights, places, and the rule of placement")
    func definition() throws {
        let body = """
            12
            name: shop
            placement: {strategy: dalli}
            copies: 2
            nodes:
            - {name: a, host: node-1, weight: 3}
            - {host: node-2, port: 5, in_place_of: {host: node-3, port: 6}}

            """
        let configuration = try ClusterConfiguration(.definition, body: body)
        #expect(configuration.version == 12)
        #expect(
            configuration.nodes == [
                Node(name: "a", host: "node-1", weight: 3),
                Node(host: "node-2", port: 5, ringName: "node-3:6"),
            ])
        #expect(configuration.rule?.strategy == .dalli)
        #expect(configuration.rule?.copyCount == 2)
        #expect(try ClusterConfiguration(.cluster, body: "1\na|b|1\n").rule == nil)
    }

    @Test(
        "What is no definition is told",
        arguments: [
            "", "nodes: [{host: a}]", "x\nnodes: [{host: a}]", "-1\nnodes: [{host: a}]", "1\n",
            "1\nnodes: []", "1\nnodes: [{host: a, color: blue}]", "1\na|b|1\n",
            "1\nplacement: {strategy: other}\nnodes: [{host: a}]",
        ])
    func wrongDefinitions(body: String) {
        #expect(throws: ClusterConfiguration.Mistake.self) {
            try ClusterConfiguration(.definition, body: body)
        }
    }
}
