import HashRing

/// Where a member of etcd takes requests: `http://HOST[:PORT]` or `https://HOST[:PORT]`.
struct EtcdEndpoint: Hashable, Sendable, CustomStringConvertible {
    let isSecure: Bool
    let host: String
    let port: Int

    static let defaultPort = 2_379

    /// Nil for what is no such URL, or has a path, a user or a query.
    init?(_ url: String) {
        let schemes = [("https://", true), ("http://", false)]
        guard let (scheme, isSecure) = schemes.first(where: { url.hasPrefix($0.0) }) else {
            return nil
        }
        var place = url.dropFirst(scheme.count)
        if place.last == "/" { place.removeLast() }
        guard place.utf8.allSatisfy({ $0 > UInt8(ascii: " ") && $0 < 0x7f }),
            !place.contains(where: { "/@?#\\".contains($0) }),
            let text = HostText(String(place)), !text.host.isEmpty, text.rest.count <= 1,
            !text.host.contains(where: { "[]".contains($0) })
        else { return nil }
        let port = text.rest.first.map { Int($0) ?? 0 } ?? Self.defaultPort
        guard (1...65_535).contains(port) else { return nil }
        self.isSecure = isSecure
        host = String(text.host)
        self.port = port
    }

    /// As HTTP names it.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    var description: String { (isSecure ? "https://" : "http://") + authority }
}
