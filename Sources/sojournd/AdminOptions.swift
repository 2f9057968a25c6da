import CacheNode
import HashRing

/// What `--admin` and `-o admin_...` say.
struct AdminOptions {
    private var passwordFile: String?
    private var chainFile: String?
    private var keyFile: String?
    private var authorityFile: String?
    /// The first that was given.
    private var firstName: String?

    static let prefix = "admin_"

    /// - Parameter path: makes a path one that is meant later, too.
    mutating func read(
        _ name: String, _ value: String?, path: (String) -> String
    ) throws(Refusal) {
        firstName = firstName ?? name
        guard let value, !value.isEmpty else { throw Refusal("Missing \(name) argument") }
        switch name {
        case "admin_auth_file": passwordFile = path(value)
        case "admin_chain_cert": chainFile = path(value)
        case "admin_key": keyFile = path(value)
        case "admin_ca_cert": authorityFile = path(value)
        default: throw Refusal("Illegal suboption \"\(name)\"")
        }
    }

    /// - Parameters:
    ///   - text: `--admin`.
    ///   - definedNode: where the others are, too.
    func apply(
        to node: inout NodeConfiguration, place text: String?, definedNode: DefinedNode?,
        path: (String) -> String
    ) throws(Refusal) {
        guard let text else {
            if let firstName { throw Refusal("\(firstName) has no meaning without --admin") }
            return
        }
        var rules = AdminRules(place: try Self.place(text, path: path))
        rules.passwordFile = passwordFile
        (rules.chainFile, rules.keyFile) = (chainFile, keyFile)
        rules.authorityFile = authorityFile
        if let definedNode {
            rules.members = definedNode.adminMembers
            rules.ownName = definedNode.nodeName
        }
        guard rules.members.count <= AdminRules.memberCountMax else {
            throw Refusal("--admin: at most \(AdminRules.memberCountMax) other nodes can have one")
        }
        try check(rules, text)
        node.admin = rules
    }

    private func check(_ rules: AdminRules, _ text: String) throws(Refusal) {
        if chainFile == nil {
            if keyFile != nil { throw Refusal("admin_key has no meaning without admin_chain_cert") }
            if authorityFile != nil {
                throw Refusal("admin_ca_cert has no meaning without admin_chain_cert")
            }
        } else if case .unix = rules.place {
            throw Refusal(
                "admin_chain_cert has no meaning with a Unix socket, of which nothing is encrypted")
        }
        guard !rules.place.isLocal else { return }
        var missing: [String] = []
        if chainFile == nil { missing.append("admin_chain_cert=FILE,admin_key=FILE (TLS)") }
        if passwordFile == nil { missing.append("admin_auth_file=FILE (users and passwords)") }
        guard missing.isEmpty else {
            throw Refusal(
                "--admin \(text): others can come there, and see and end sessions: give -o "
                    + missing.joined(separator: " and ")
                    + ", or listen on 127.0.0.1 or a Unix socket")
        }
    }

    /// `PORT`, `HOST:PORT`, `:PORT`, `[v6]:PORT`, or a path.
    private static func place(
        _ text: String, path: (String) -> String
    ) throws(Refusal) -> AdminRules.Place {
        if text.contains("/") { return .unix(path: path(text)) }
        if let port = port(text[...]) { return .tcp(host: "127.0.0.1", port: port) }
        if text.hasPrefix(":"), let port = port(text.dropFirst()) {
            return .tcp(host: nil, port: port)
        }
        guard let parts = HostText(text), parts.rest.count == 1, !parts.host.isEmpty,
            let port = port(parts.rest[0][...])
        else {
            throw Refusal(
                "--admin needs PORT, HOST:PORT, :PORT or the path of a Unix socket, not \"\(text)\""
            )
        }
        return .tcp(host: parts.host == "*" ? nil : String(parts.host), port: port)
    }

    /// 0 is any free one.
    private static func port(_ text: Substring) -> Int? {
        guard let number = Int(text), (0...65_535).contains(number), text.first != "+" else {
            return nil
        }
        return number
    }
}
