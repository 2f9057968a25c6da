import ArgumentParser
import CacheNode
import ClusterFile
import EventLoop
import Glibc
import HashRing

/// What this process is in a cluster's definition: a node (`--cluster FILE --name NODE`), or a front of the nodes
/// (`--cluster FILE --front`), for which the definition says nothing but where they are.
///
/// The definition says what flags would: address (`-l`, `-p`), memory (`-m`), memory file (`-e`), TLS (`-Z`),
/// users (`-Y`) and further flags. What is typed on the command line wins.
struct DefinedNode: CustomStringConvertible {
    /// Of the definition.
    let path: String
    /// None of a front.
    let member: ClusterDefinition.Member?
    private let definition: ClusterDefinition
    private let text: String
    private let tls: ClusterDefinition.TLS?
    private let credentialsFile: String?
    /// What is the node's is said elsewhere.
    var isOfSpace = false

    var description: String {
        member.map { "\(path), node \($0.node.name)" } ?? "\(path), a front"
    }

    /// Nil if the command line names no cluster.
    init?(_ command: SojourndCommand) throws(Refusal) {
        guard let path = command.cluster else {
            guard command.name == nil else {
                throw Refusal("--name needs --cluster, the definition that has this node")
            }
            guard !command.front else {
                throw Refusal("--front needs --cluster, the definition that has the nodes")
            }
            return nil
        }
        let definition: ClusterDefinition
        do {
            text = try ClusterDefinition.text(of: path)
            definition = try ClusterDefinition(yaml: text, file: path)
        } catch {
            throw Refusal("\(error)")
        }
        self.path = path
        self.definition = definition
        if command.front {
            guard command.name == nil else { throw Refusal("--front does not go with --name") }
            guard definition.peers != nil else {
                throw Refusal("--front: the nodes of \(path) have no peers, and pass nothing on")
            }
            (member, tls, credentialsFile) = (nil, nil, nil)
            return
        }
        let names = definition.nodes.map(\.name).joined(separator: ", ")
        guard let name = command.name else {
            throw Refusal("--cluster needs --name: the nodes of \(path) are \(names)")
        }
        guard let member = definition.members.first(where: { $0.node.name == name }) else {
            throw Refusal("the nodes of \(path) are \(names), not \(name)")
        }
        self.member = member
        tls = definition.tls
        credentialsFile = definition.credentialsFile
    }

    /// The members of the cluster, where they keep the copies themselves.
    func peers() throws(Refusal) -> PeerConfiguration? {
        guard let peers = definition.peers else { return nil }
        let own: PeerDefinition
        do {
            own = try PeerDefinition(definition, text: text)
        } catch {
            throw Refusal("\(self): \(error)")
        }
        var configuration = PeerConfiguration(
            own, me: member.flatMap { own.number(of: $0.node.name) },
            clusterName: definition.name,
            secret: try peers.secretFile.map(Self.secret), read: PeerDefinition.read)
        if let text = Process.environment(Self.wireVersionVariable) {
            guard let number = UInt16(text), configuration.hold(atWireVersion: number) else {
                throw Refusal("\(Self.wireVersionVariable): there is no version \(text)")
            }
        }
        configuration.needsMajority = peers.partition == .majority
        configuration.silenceMilliseconds = peers.timeoutMilliseconds
        configuration.tls = peers.tls.map { tls in
            var settings = PeerTLSSettings(
                authorityFile: tls.authorityFile, chainFile: tls.certificateFile)
            settings.keyFile = tls.keyFile
            settings.serverName = tls.serverName
            return settings
        }
        return configuration
    }

    /// For tests: this variable holds a node at an earlier version of what members say to each other.
    private static let wireVersionVariable = "SOJOURN_TEST_WIRE_VERSION"

    /// The least that nobody guesses.
    private static let secretByteCountMin = 32

    /// In the definition; none of a front.
    var nodeName: String? { member?.node.name }

    /// Where the other nodes serve their operators' pages.
    var adminMembers: [AdminRules.Member] {
        definition.members.compactMap { other in
            guard let place = other.admin, other.node.name != member?.node.name else { return nil }
            return AdminRules.Member(
                name: other.node.name, host: place.host, port: place.port)
        }
    }

    private static func secret(of path: String) throws(Refusal) -> [UInt8] {
        do {
            let file = try SecretFile(path, "the members' secret", byteCountMax: 4_096)
            if let exposure = file.exposure { throw Refusal(exposure) }
            let secret = file.withBytes { Array($0) }
            guard secret.count >= secretByteCountMin else {
                throw Refusal(
                    "\(file.name) has \(secret.count) bytes; at least \(secretByteCountMin) are needed"
                )
            }
            return secret
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw Refusal("\(error)")
        }
    }

    /// Where clients look for it; an IPv6 address in brackets.
    private static func host(_ member: ClusterDefinition.Member) -> String {
        member.node.host.contains(":") ? "[\(member.node.host)]" : member.node.host
    }

    private var arguments: [String] {
        guard let member else { return [] }
        return [
            "-l", Self.host(member), "-p", String(member.node.port), "-m",
            String(member.memoryMegabytes),
        ]
            + (member.memoryFile.map { ["-e", $0] } ?? []) + tlsArguments
            + (credentialsFile.map { ["-Y", $0] } ?? [])
            + (isOfSpace ? [] : member.admin.map { ["--admin", "\($0)"] } ?? []) + member.flags
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
        let flags = try parse(member?.flags ?? [])
        guard flags.cluster == nil, flags.name == nil, !flags.front, !flags.version else {
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
        guard let member else { return nil }
        let (node, host) = (member.node, Self.host(member))
        let isThere = places.contains { place in
            place.port == node.port
                && (!HostAddresses.isNumeric(node.host) || place.description.contains(":\(host):")
                    || place.description.contains(":0.0.0.0:")
                    || place.description.contains("[::]"))
        }
        return isThere
            ? nil
            : "clients look for node \(node.name) at \(host):\(node.port), by \(path), and it does "
                + "not listen there"
    }
}
