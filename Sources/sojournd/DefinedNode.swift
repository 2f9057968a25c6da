import ArgumentParser
import CacheNode
import ClusterFile
import Glibc
import HashRing

/// The node of a cluster's definition that this process is: `--cluster FILE --name NODE`.
///
/// The definition says what flags would: address (`-l`, `-p`), memory (`-m`), memory file (`-e`), TLS (`-Z`),
/// users (`-Y`) and further flags. What is typed on the command line wins.
struct DefinedNode: CustomStringConvertible {
    /// Of the definition.
    let path: String
    let member: ClusterDefinition.Member
    private let tls: ClusterDefinition.TLS?
    private let credentialsFile: String?

    var description: String { "\(path), node \(member.node.name)" }

    /// Nil if the command line names no cluster.
    init?(_ command: SojourndCommand) throws(Refusal) {
        guard let path = command.cluster else {
            guard command.name == nil else {
                throw Refusal("--name needs --cluster, the definition that has this node")
            }
            return nil
        }
        let definition: ClusterDefinition
        do {
            definition = try ClusterDefinition(contentsOf: path)
        } catch {
            throw Refusal("\(error)")
        }
        let names = definition.nodes.map(\.name).joined(separator: ", ")
        guard let name = command.name else {
            throw Refusal("--cluster needs --name: the nodes of \(path) are \(names)")
        }
        guard let member = definition.members.first(where: { $0.node.name == name }) else {
            throw Refusal("the nodes of \(path) are \(names), not \(name)")
        }
        self.path = path
        self.member = member
        tls = definition.tls
        credentialsFile = definition.credentialsFile
    }

    /// Where clients look for it; an IPv6 address in brackets.
    private var host: String {
        member.node.host.contains(":") ? "[\(member.node.host)]" : member.node.host
    }

    private var arguments: [String] {
        ["-l", host, "-p", String(member.node.port), "-m", String(member.memoryMegabytes)]
            + (member.memoryFile.map { ["-e", $0] } ?? []) + tlsArguments
            + (credentialsFile.map { ["-Y", $0] } ?? []) + member.flags
    }

    /// Nothing where nodes have no certificate: whoever is in front of them speaks TLS then.
    private var tlsArguments: [String] {
        guard let tls, let certificate = tls.certificateFile else { return [] }
        var options = ["ssl_chain_cert=\(certificate)"]
        if let key = tls.keyFile { options.append("ssl_key=\(key)") }
        if let authority = tls.authorityFile { options.append("ssl_ca_cert=\(authority)") }
        // Clients have certificates: nobody without one is let in.
        if tls.clientCertificateFile != nil { options.append("ssl_verify_mode=2") }
        return ["-Z", "-o", options.joined(separator: ",")]
    }

    /// The command line that the definition and what was typed come to.
    func command(_ typed: SojourndCommand, _ arguments: [String]) throws(Refusal) -> SojourndCommand
    {
        let flags = try parse(member.flags)
        guard flags.cluster == nil, flags.name == nil, !flags.version else {
            throw Refusal("\(self): its flags must not have --cluster, --name or --version")
        }
        // Of options that are given twice the last one counts.
        var command = try parse(self.arguments + arguments)
        // Addresses would add up.
        if !typed.listen.isEmpty {
            command.listen = typed.listen
        } else if !flags.listen.isEmpty {
            command.listen = flags.listen
        }
        return command
    }

    private func parse(_ arguments: [String]) throws(Refusal) -> SojourndCommand {
        do {
            return try SojourndCommand.parse(arguments)
        } catch {
            throw Refusal("\(self): flags: \(SojourndCommand.message(for: error))")
        }
    }

    /// What to tell somebody who has the node listen elsewhere than where clients look for it: by flags,
    /// or in a socket unit. Nil if it listens there, as far as can be told without looking names up.
    func objection(to places: [CacheNode.Node.Place]) -> String? {
        let node = member.node
        let isThere = places.contains { place in
            place.port == node.port
                && (!Self.isAddress(node.host) || place.description.contains(":\(host):")
                    || place.description.contains(":0.0.0.0:")
                    || place.description.contains("[::]"))
        }
        return isThere
            ? nil
            : "clients look for node \(node.name) at \(host):\(node.port), by \(path), and it does "
                + "not listen there"
    }

    private static func isAddress(_ host: String) -> Bool {
        var address = in6_addr()
        return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1
    }
}
