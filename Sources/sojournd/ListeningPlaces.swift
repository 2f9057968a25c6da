import HashRing

/// Where the node listens over TCP: what `-p` and `-l` say.
struct ListeningPlaces {
    /// A nil host is every address, port 0 any free one.
    let places: [(host: String?, port: Int)]
    /// The addresses as they were written, for `stats settings`; nil if none were.
    let interfaces: String?

    init(port: String?, hosts texts: [String]) throws(Refusal) {
        let port = try Self.port(port ?? "11211")
        let hosts = texts.flatMap { $0.split(separator: ",") }
        interfaces = hosts.isEmpty ? nil : hosts.joined(separator: ",")
        guard let port else {
            throw Refusal("Nothing to listen on: -p 0 turns TCP off, and there is no -s")
        }
        var places: [(host: String?, port: Int)] = []
        for host in hosts.isEmpty ? ["127.0.0.1"] : hosts {
            places.append(try Self.place(String(host), port: port))
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

    /// `host`, `host:port`, `v6`, `[v6]`, `[v6]:port`; `*` is every address.
    private static func place(
        _ text: String, port: Int
    ) throws(Refusal) -> (host: String?, port: Int) {
        if text.hasPrefix("proto[") || text.hasPrefix("notls:") || text.hasPrefix("tag[") {
            throw Refusal(
                "Listeners with a protocol, a tag or TLS of their own are not supported: \(text)")
        }
        guard let parts = HostText(text) else { throw Refusal("ERROR: Invalid address \(text).") }
        var own = port
        if !parts.rest.isEmpty {
            let portText = parts.rest.joined(separator: ":")
            guard let number = Int(portText), (1...65_535).contains(number) else {
                throw Refusal("ERROR: Invalid port number \(portText).")
            }
            own = number
        }
        return (parts.host == "*" ? nil : String(parts.host), own)
    }
}
