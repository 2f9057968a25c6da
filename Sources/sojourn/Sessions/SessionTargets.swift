import ArgumentParser
import ClusterFile
import HashRing

/// The operators' sockets that are asked, and the nodes that have none.
struct SessionTargets {
    struct Target: Sendable {
        /// Of the definition; of a socket that was typed, its path.
        let name: String
        let path: String
    }

    private(set) var targets: [Target] = []
    private(set) var unreachable: [(name: String, reason: String)] = []

    init(_ options: SessionsOptions) throws {
        guard let file = options.cluster else {
            targets = options.socket.map { Target(name: $0, path: $0) }
            return
        }
        let definition: ClusterDefinition
        do {
            definition = try ClusterDefinition(
                yaml: try ClusterDefinition.text(of: file), file: file)
        } catch {
            throw ValidationError("\(error)")
        }
        for member in definition.members {
            if let path = Self.socket(in: member.flags) {
                targets.append(Target(name: member.node.name, path: path))
            } else {
                unreachable.append(
                    (member.node.name, "has no -o operator=PATH in the definition's flags"))
            }
        }
        guard !targets.isEmpty else {
            throw ValidationError(
                "no node of \(file) has an operator's socket: give the nodes `-o operator=PATH` in their flags"
            )
        }
    }

    /// What a node's flags say last.
    static func socket(in flags: [String]) -> String? {
        var path: String?
        for (place, flag) in flags.enumerated() {
            let options: Substring
            if flag == "-o" || flag == "--extended" {
                guard flags.indices.contains(place + 1) else { continue }
                options = flags[place + 1][...]
            } else if flag.hasPrefix("--extended=") {
                options = flag.dropFirst("--extended=".count)
            } else if flag.hasPrefix("-o"), !flag.hasPrefix("--") {
                options = flag.dropFirst(2)
            } else {
                continue
            }
            for option in options.split(separator: ",") where option.hasPrefix("operator=") {
                path = String(option.dropFirst("operator=".count))
            }
        }
        return path
    }
}
