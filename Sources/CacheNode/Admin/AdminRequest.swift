import EventLoop
import MemcacheProtocol

/// A request of the page, a program or a probe, apart from how it came.
struct AdminRequest {
    var method: HTTPRequest.Method
    var path: String
    var query = ""
    var body: [UInt8] = []
    var headers: [(name: String, value: String)] = []
    var peer = SocketAddress.unknown

    /// Of those that are looked at.
    static let headerNames = [
        "authorization", "cookie", "host", "content-type", "sec-fetch-site", "sec-fetch-mode",
    ]

    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    /// The first of this name that was sent.
    func cookie(_ name: String) -> String? {
        for (header, value) in headers where header == "cookie" {
            for part in value.split(separator: ";") {
                let words = part.split(separator: "=", maxSplits: 1)
                guard words.count == 2, Self.trimmed(words[0]) == name else { continue }
                return Self.trimmed(words[1])
            }
        }
        return nil
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }

    /// The user and the password of HTTP's Basic login (RFC 7617).
    var credentials: (user: [UInt8], password: [UInt8])? {
        guard let value = header("authorization") else { return nil }
        let words = value.split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "basic" else { return nil }
        let text = Array(words[1].utf8)
        guard let count = Base64.decodedByteCount(text.span) else { return nil }
        var decoded = [UInt8](repeating: 0, count: count)
        var span = decoded.mutableSpan
        _ = Base64.decode(text.span, into: &span)
        guard let colon = decoded.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        return (Array(decoded[..<colon]), Array(decoded[(colon + 1)...]))
    }

    /// Whether it is a browser's: it would ask by itself for a password, instead of the page.
    var isFromBrowser: Bool { header("sec-fetch-mode") != nil }

    /// Whether another site has sent it, by what its browser says; older ones say nothing.
    var isFromElsewhere: Bool {
        guard let site = header("sec-fetch-site") else { return false }
        return site != "same-origin" && site != "none"
    }
}

/// The fields of a form, or of a query: `name=value&...`, percent-encoded, with `+` for a space.
struct FormFields {
    /// The first of each name counts.
    private var values: [String: [UInt8]] = [:]
    static let countMax = 32

    /// Nothing of what is no form.
    init?(_ bytes: [UInt8]) {
        let parts = bytes.split(separator: UInt8(ascii: "&"))
        guard parts.count <= Self.countMax else { return nil }
        for part in parts {
            let words = part.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decoded(words[0]),
                let value = words.count > 1 ? Self.decoded(words[1]) : []
            else { return nil }
            let text = String(decoding: name, as: UTF8.self)
            if values[text] == nil { values[text] = value }
        }
    }

    init?(_ text: String) { self.init(Array(text.utf8)) }

    private static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        PercentEncoding.decoded(text.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: " ") : $0 }[...])
    }

    /// Nothing where it is missing or empty.
    subscript(name: String) -> [UInt8]? { values[name].flatMap { $0.isEmpty ? nil : $0 } }

    func text(_ name: String) -> String? { self[name].map { String(decoding: $0, as: UTF8.self) } }
}
