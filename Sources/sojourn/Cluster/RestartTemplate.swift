import HashRing

/// The command that restarts a node, with places for what it is.
struct RestartTemplate {
    struct Trouble: Error, CustomStringConvertible {
        let description: String
    }

    private enum Part {
        case text(Substring)
        case name, host, port
    }

    private let parts: [Part]

    init(_ text: String) throws(Trouble) {
        var parts: [Part] = []
        var rest = text[...]
        while let start = rest.firstIndex(of: "{") {
            parts.append(.text(rest[..<start]))
            rest = rest[start...]
            let places: [(String, Part)] = [
                ("{name}", .name), ("{host}", .host), ("{port}", .port),
            ]
            if let (place, part) = places.first(where: { rest.hasPrefix($0.0) }) {
                parts.append(part)
                rest = rest.dropFirst(place.count)
            } else {
                // The shell's own.
                parts.append(.text("{"))
                rest = rest.dropFirst()
            }
        }
        parts.append(.text(rest))
        let namesNode = parts.contains {
            switch $0 {
            case .name, .host, .port: true
            case .text: false
            }
        }
        guard namesNode else {
            throw Trouble(
                description: "{name}, {host} or {port} was expected in it: each node has its own")
        }
        self.parts = parts
    }

    func command(for node: Node) -> String {
        parts.map { part in
            switch part {
            case .text(let text): String(text)
            case .name: Self.quoted(node.name)
            case .host: Self.quoted(node.host)
            case .port: "\(node.port)"
            }
        }.joined()
    }

    /// As one word of a shell's, whatever is in it.
    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
                UInt8(ascii: "_"), UInt8(ascii: ":"):
                true
            default: false
            }
        }
        return isPlain && !text.isEmpty
            ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }
}
