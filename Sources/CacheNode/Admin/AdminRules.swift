/// `--admin`, and the options that begin with `admin_`: where the operator's page and what monitors read is served, and to
/// whom.
package struct AdminRules: Equatable, Sendable {
    package enum Place: Equatable, Sendable, CustomStringConvertible {
        /// No host is every address, port 0 any free one.
        case tcp(host: String?, port: Int)
        case unix(path: String)

        package var description: String {
            switch self {
            case .tcp(let host, let port): "\(host ?? "*"):\(port)"
            case .unix(let path): path
            }
        }

        /// Whether nobody on another machine can come by it.
        package var isLocal: Bool {
            switch self {
            case .unix: true
            case .tcp(let host?, _): host == "localhost" || host == "::1" || host.hasPrefix("127.")
            case .tcp(nil, _): false
            }
        }
    }

    /// Another member of the cluster, and where it serves its own page.
    package struct Member: Equatable, Sendable {
        package var name: String
        package var host: String
        package var port: Int

        package init(name: String, host: String, port: Int) {
            (self.name, self.host, self.port) = (name, host, port)
        }
    }

    package var place: Place
    /// `admin_auth_file`: users and passwords, as `-Y` has them.
    package var passwordFile: String?
    /// `admin_chain_cert` and `admin_key`.
    package var chainFile: String?
    package var keyFile: String?
    /// `admin_ca_cert`: who signs the other members' certificates.
    package var authorityFile: String?
    /// The others, by the cluster's definition.
    package var members: [Member] = []
    /// By the same.
    package var ownName: String?

    package static let memberCountMax = 64
    /// Visitors, and other members that are asked, with room to spare.
    static let descriptorCount = 160

    package init(place: Place) { self.place = place }
}
