import ArgumentParser
import ClusterFile

/// The words of a configuration file: those of the flags, with `_` between them, and those of `-o`.
enum ConfigurationWord {
    /// A flag and its value.
    case flag(String)
    /// A flag without one: true or false.
    case toggle(String)
    /// A flag that may be given several times.
    case flags(String)
    /// So many times.
    case repeated(String)
    /// Of `-o`.
    case option(String)

    /// What a space has.
    static func ofSpace(_ name: String) -> ConfigurationWord? {
        switch name {
        case "memory_limit", "max_item_size", "memory_file", "port", "unix_socket", "unix_mask",
            "conn_limit", "protocol", "auth_file", "stat_key_prefix", "cluster":
            .flag(name)
        case "node": .flag("name")
        case "listen": .flags(name)
        case "disable_evictions", "disable_cas", "lock_memory", "enable_ssl", "enable_sasl",
            "disable_flush_all", "disable_watch", "disable_dumping", "enable_shutdown", "front":
            .toggle(name)
        case _ where ofNode(name) != nil: nil
        default: .option(name)
        }
    }

    static let namesOfSpace = """
        listen, port, unix_socket, unix_mask, memory_limit, memory_file, max_item_size, conn_limit, \
        protocol, auth_file, enable_ssl, enable_sasl, disable_flush_all, disable_dumping, \
        disable_watch, disable_evictions, disable_cas, lock_memory, enable_shutdown, \
        stat_key_prefix, cluster, node, front, former_name
        """
    static let namesOfNode = """
        threads, max_reqs_per_event, listen_backlog, user, pidfile, verbose, enable_coredumps, \
        idle_timeout, output_timeout, operator, admin, admin_auth_file, admin_chain_cert, \
        admin_key, admin_ca_cert, sandbox, watchdog, top_sample, id_key_file, memory_limit, \
        conn_limit
        """

    /// What the node has, whatever its spaces.
    static func ofNode(_ name: String) -> ConfigurationWord? {
        switch name {
        case "threads", "max_reqs_per_event", "listen_backlog", "user", "pidfile", "admin":
            .flag(name)
        case "verbose": .repeated("v")
        case "enable_coredumps": .toggle(name)
        case _ where ExtendedOptions.ofNode.contains(name): .option(name)
        default: nil
        }
    }

    /// What stands on a command line in a word's place.
    struct Arguments {
        var flags: [String] = []
        var options: [String] = []
    }

    func arguments(_ word: NodeFile.Word) throws(DefinitionError) -> Arguments {
        switch self {
        case .flag(let name): return Arguments(flags: ["--\(Self.flag(name))", try text(word)])
        case .toggle(let name):
            return Arguments(flags: try isOn(word) ? ["--\(Self.flag(name))"] : [])
        case .flags(let name):
            return Arguments(flags: texts(word).flatMap { ["--\(Self.flag(name))", $0] })
        case .repeated(let letter):
            guard let count = Int(try text(word)), (0...5).contains(count) else {
                throw word.error("expected a number from 0 to 5, not '\(try text(word))'")
            }
            let letters = String(repeating: letter, count: count)
            return Arguments(flags: count > 0 ? ["-\(letters)"] : [])
        case .option(let name):
            // Users of a machine are one value; whatever else is a list is said several times.
            if name == "auth_uids" {
                return Arguments(options: ["\(name)=\(texts(word).joined(separator: ":"))"])
            }
            return Arguments(
                options: texts(word).compactMap { text in
                    switch text {
                    case "true": name
                    case "false": nil
                    default: "\(name)=\(text)"
                    }
                })
        }
    }

    private static func flag(_ name: String) -> String {
        String(name.map { $0 == "_" ? "-" : $0 })
    }

    private func text(_ word: NodeFile.Word) throws(DefinitionError) -> String {
        guard case .text(let text) = word.value else {
            throw word.error("expected one value, not a list")
        }
        return text
    }

    private func texts(_ word: NodeFile.Word) -> [String] {
        switch word.value {
        case .text(let text): [text]
        case .list(let texts): texts
        }
    }

    private func isOn(_ word: NodeFile.Word) throws(DefinitionError) -> Bool {
        switch try text(word) {
        case "true": return true
        case "false": return false
        case let text: throw word.error("expected true or false, not '\(text)'")
        }
    }
}
