import ArgumentParser
import HashRing

/// A node on the command line: `HOST[:PORT[:WEIGHT]]`. An IPv6 address with a port stands in brackets.
struct NodeArgument: ExpressibleByArgument {
    let node: Node

    init?(argument: String) {
        var host = argument[...]
        var rest: Substring = ""
        if argument.hasPrefix("["), let end = argument.firstIndex(of: "]") {
            host = argument[argument.index(after: argument.startIndex)..<end]
            rest = argument[argument.index(after: end)...]
        } else if argument.firstRange(of: "::") == nil, argument.count(where: { $0 == ":" }) < 7 {
            host = argument.prefix { $0 != ":" }
            rest = argument[host.endIndex...]
        }
        // Before the first colon there is nothing.
        let numbers = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard !host.isEmpty, numbers.first?.isEmpty ?? true, numbers.count <= 3 else { return nil }
        let values = numbers.dropFirst().map { Int($0) }
        guard !values.contains(nil) else { return nil }
        node = Node(
            host: String(host), port: values.first.flatMap { $0 } ?? 11_211,
            weight: values.count > 1 ? values[1] ?? 1 : 1)
    }
}
