import ArgumentParser
import ClusterFile
import Glibc
import HashRing

/// What stands behind `--from` and `--to`: servers, Unix sockets, or a cluster's definition.
struct MovePlaces {
    let places: [ItemPlace]
    /// Of several, by which of them a key is; in the order of the places.
    let ring: Ring?
    let definition: ClusterDefinition?

    /// - Parameters:
    ///   - option: for messages.
    ///   - isTarget: whether it has to be known which of several has a key.
    init(_ text: String, _ option: String, ring strategy: String?, isTarget: Bool) throws {
        if Self.isFile(text) {
            let definition = try ClusterDefinition(contentsOf: text)
            guard strategy == nil else {
                throw ValidationError("--ring does not go with a definition, which has its own")
            }
            self.definition = definition
            places = definition.nodes.map { ItemPlace(address: .tcp(host: $0.host, port: $0.port)) }
            ring = try definition.ring()
            return
        }
        definition = nil
        let words = text.split(separator: ",").map(String.init)
        guard !words.isEmpty else { throw ValidationError("\(option) needs HOST[:PORT]") }
        places = try words.map { word in
            if word.contains("/") { return ItemPlace(address: .unix(path: word)) }
            guard let node = NodeArgument(argument: word)?.node else {
                throw ValidationError("\(option): expected HOST[:PORT], not '\(word)'")
            }
            return ItemPlace(address: .tcp(host: node.host, port: node.port))
        }
        guard isTarget, words.count > 1 else {
            ring = nil
            return
        }
        guard let strategy else {
            throw ValidationError(
                option == "--to"
                    ? "\(option): of several, --ring says which has a key; or give a definition"
                    : option)
        }
        guard let rule = Ring.Strategy(rawValue: strategy) else {
            throw ValidationError(
                "--ring must be one of \(Ring.Strategy.allCases.map(\.rawValue).joined(separator: ", ")), not '\(strategy)'"
            )
        }
        ring = try Ring(
            nodes: words.compactMap { NodeArgument(argument: $0)?.node }, strategy: rule)
    }

    /// Whether it is a file, and no socket.
    private static func isFile(_ text: String) -> Bool {
        var status = stat()
        return stat(text, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
            || text.hasSuffix(".yaml") || text.hasSuffix(".yml")
    }
}
