import ArgumentParser
import HashRing

/// A node on the command line: `HOST[:PORT[:WEIGHT]]`. An IPv6 address with a port stands in brackets.
struct NodeArgument: ExpressibleByArgument {
    let node: Node

    init?(argument: String) {
        guard let text = HostText(argument), !text.host.isEmpty, text.rest.count <= 2 else {
            return nil
        }
        let numbers = text.rest.map { Int($0) }
        guard !numbers.contains(nil) else { return nil }
        node = Node(
            host: String(text.host), port: numbers.first.flatMap { $0 } ?? 11_211,
            weight: numbers.count > 1 ? numbers[1] ?? 1 : 1)
    }
}
