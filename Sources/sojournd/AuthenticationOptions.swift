import CacheNode
import Glibc

/// What `-Y`, `-S` and `-o auth_...` say.
struct AuthenticationOptions {
    private var rules = AuthenticationRules()
    /// The first that was given.
    private var firstName: String?

    static let prefix = "auth_"

    mutating func read(_ name: String, _ value: String?) throws(Refusal) {
        firstName = firstName ?? name
        if name == "auth_mtls" || name == "auth_shared_file", let value {
            throw Refusal("\(name) takes no value, not \"\(value)\"")
        }
        switch name {
        case "auth_timeout":
            rules.timeoutSeconds = try ExtendedOptions.number(
                name, value, AuthenticationRules.timeoutSecondsRange)
        case "auth_mtls": rules.acceptsCertificates = true
        case "auth_shared_file": rules.mayFileBeShared = true
        case "auth_uids": rules.userIDs = try Self.userIDs(value)
        default: throw Refusal("Illegal suboption \"\(name)\"")
        }
    }

    /// Numbers or names, separated by colons.
    private static func userIDs(_ value: String?) throws(Refusal) -> [UInt32] {
        let words = (value ?? "").split(separator: ":", omittingEmptySubsequences: false)
        var numbers: [UInt32] = []
        for word in words {
            if let number = UInt32(word) {
                numbers.append(number)
            } else if !word.isEmpty, let user = getpwnam(String(word)) {
                numbers.append(user.pointee.pw_uid)
            } else {
                throw Refusal(
                    "auth_uids must be users of this machine, by number or name, separated by colons, "
                        + "not \"\(value ?? "")\"")
            }
        }
        guard numbers.count <= AuthenticationRules.userIDCountMax else {
            throw Refusal(
                "auth_uids can name \(AuthenticationRules.userIDCountMax) users at most")
        }
        return numbers
    }

    /// - Parameters:
    ///   - passwordFile: `-Y`.
    ///   - isSASLOnly: `-S`.
    func apply(
        to node: inout NodeConfiguration, passwordFile: String?, isSASLOnly: Bool
    ) throws(Refusal) {
        var rules = rules
        rules.passwordFile = passwordFile
        if passwordFile == "" { throw Refusal("-Y needs a path") }
        if isSASLOnly {
            guard passwordFile != nil else {
                throw Refusal(
                    "-S needs users and passwords: give -Y FILE, with lines user:password")
            }
            guard node.bindingProtocol != .ascii else {
                throw Refusal("You cannot allow the ASCII protocol while using SASL.")
            }
            node.bindingProtocol = .binary
        }
        if !rules.userIDs.isEmpty {
            guard node.listening.contains(where: \.mayBeUnix) else {
                throw Refusal(
                    "auth_uids has no meaning without -s: TCP does not tell who a peer is")
            }
        } else if passwordFile == nil {
            if let firstName { throw Refusal("\(firstName) has no meaning without -Y") }
            return
        }
        if rules.acceptsCertificates { try checkCertificates(node) }
        node.authentication = rules
    }

    private func checkCertificates(_ node: NodeConfiguration) throws(Refusal) {
        guard let tls = node.tls else {
            throw Refusal("auth_mtls has no meaning without -Z: a certificate comes by TLS")
        }
        guard node.space.asksForCertificates(tls) else {
            throw Refusal(
                "auth_mtls has no meaning where nobody is asked for a certificate: "
                    + "give ssl_verify_mode=1 or mtls: in front of an address")
        }
    }
}
