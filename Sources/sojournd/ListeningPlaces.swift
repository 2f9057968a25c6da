import CacheNode
import HashRing

/// Where the node listens over TCP: what `-p` and `-l` say.
struct ListeningPlaces {
    let places: [NodeConfiguration.TCPPlace]
    /// The addresses as they were written, for `stats settings`; nil if none were.
    let interfaces: String?

    init(port: String?, hosts texts: [String], isTLSEnabled: Bool) throws(Refusal) {
        let port = try Self.port(port ?? "11211")
        let hosts = texts.flatMap { $0.split(separator: ",") }
        interfaces = hosts.isEmpty ? nil : hosts.joined(separator: ",")
        guard let port else {
            throw Refusal("Nothing to listen on: -p 0 turns TCP off, and there is no -s")
        }
        var places: [NodeConfiguration.TCPPlace] = []
        for host in hosts.isEmpty ? ["127.0.0.1"] : hosts {
            places.append(
                try Self.place(String(host), port: port, isTLSEnabled: isTLSEnabled))
        }
        self.places = places
    }

    /// Nothing for 0, which is off; 0, which is any port, for -1.
    private static func port(_ text: String) throws(Refusal) -> Int? {
        guard let number = Int(text), (-1...65_535).contains(number) else {
            throw Refusal("ERROR: Invalid port number \(text).")
        }
        if number == 0 { return nil }
        return max(number, 0)
    }

    /// `host`, `host:port`, `v6`, `[v6]`, `[v6]:port`; `*` is every address. Before it may stand `notls:`,
    /// `btls:` or `mtls:`.
    private static func place(
        _ text: String, port: Int, isTLSEnabled: Bool
    ) throws(Refusal) -> NodeConfiguration.TCPPlace {
        var host = text[...]
        var security = ListenerSecurity.standard
        for prefixed in [ListenerSecurity.clear, .basic, .mutual]
        where host.hasPrefix(prefixed.rawValue + ":") {
            guard isTLSEnabled else {
                throw Refusal("'\(prefixed.rawValue)' option is valid only when SSL is enabled")
            }
            security = prefixed
            host = host.dropFirst(prefixed.rawValue.utf8.count + 1)
            break
        }
        if host.hasPrefix("proto[") || host.hasPrefix("tag[") || host.hasPrefix("tag_") {
            throw Refusal(
                "Listeners with a protocol or a tag of their own are not supported: \(text)")
        }
        guard !host.isEmpty else { throw Refusal("-l \(text) has no address") }
        guard let parts = HostText(String(host)) else {
            throw Refusal("ERROR: Invalid address \(host).")
        }
        var own = port
        if !parts.rest.isEmpty {
            let portText = parts.rest.joined(separator: ":")
            guard let number = Int(portText), (1...65_535).contains(number) else {
                throw Refusal("ERROR: Invalid port number \(portText).")
            }
            own = number
        }
        return NodeConfiguration.TCPPlace(
            host: parts.host == "*" ? nil : String(parts.host), port: own, security: security)
    }
}
