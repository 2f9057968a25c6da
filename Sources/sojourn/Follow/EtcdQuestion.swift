import FoundationEssentials

/// What is asked of etcd, in the JSON of its gateway: keys and values are base64, and 64-bit numbers are texts.
///
/// Source: etcd.io, "gRPC gateway"; `/v3/` is what 3.4 and all later ones have.
enum EtcdQuestion: Sendable {
    case authenticate(user: String, password: String)
    case read(key: String)
    /// All changes from a revision on, as they come.
    case watch(key: String, from: Int64)

    var path: String {
        switch self {
        case .authenticate: "/v3/auth/authenticate"
        case .read: "/v3/kv/range"
        case .watch: "/v3/watch"
        }
    }

    func body() throws -> [UInt8] {
        switch self {
        case .authenticate(let name, let password):
            try Self.json(["name": name, "password": password])
        case .read(let key): try Self.json(["key": Self.base64(key)])
        case .watch(let key, let revision):
            try Self.json([
                "create_request": ["key": Self.base64(key), "start_revision": "\(revision)"]
            ])
        }
    }

    private static func json(_ value: some Encodable) throws -> [UInt8] {
        Array(try JSONEncoder().encode(value))
    }

    private static func base64(_ text: String) -> String {
        Data(text.utf8).base64EncodedString()
    }
}
