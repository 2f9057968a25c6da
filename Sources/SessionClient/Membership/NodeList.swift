public import HashRing

/// A list of nodes as text, one per line, as twemproxy writes them:
///
///     # host:port[:weight] [name]
///     10.0.0.1:11211:1 alpha
///     [fd00::2]:11211:2 beta
///     sessions-3:11211
///
/// The name is what logs call the node, and, as with twemproxy, what its points are made from instead of
/// host and port (`Node.ringName`): leave it out where clients without such names share the ring. Empty lines, and all that follows a `#`, mean nothing.
public enum NodeList {
    /// What is wrong, and in which line.
    public struct Mistake: Error, Hashable, Sendable, CustomStringConvertible {
        /// The first is 1.
        public let line: Int
        /// In words.
        public let reason: String
        /// Line and reason.
        public var description: String { "line \(line): \(reason)" }
    }

    /// Bytes of a list: enough for the nodes of the largest ring.
    public static let byteCountMax = 1_048_576

    /// - Throws: for a line that is no node. Whether the nodes make a ring is not looked at.
    public static func parse(_ text: String) throws(Mistake) -> [Node] {
        guard text.utf8.count <= byteCountMax else {
            throw Mistake(line: 1, reason: "more than \(byteCountMax) bytes")
        }
        var nodes: [Node] = []
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (number, line) in lines.enumerated() {
            let content = line.prefix { $0 != "#" }
            let words = content.split(whereSeparator: \.isWhitespace)
            guard let place = words.first else { continue }
            do throws(PlaceMistake) {
                guard words.count <= 2 else { throw PlaceMistake("more than a node and its name") }
                nodes.append(try node(place, name: words.count > 1 ? String(words[1]) : nil))
            } catch {
                throw Mistake(line: number + 1, reason: error.reason)
            }
        }
        return nodes
    }

    private struct PlaceMistake: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    private static func node(_ place: Substring, name: String?) throws(PlaceMistake) -> Node {
        var host = ""
        var rest = place
        if place.first == "[" {
            guard let end = place.firstIndex(of: "]") else {
                throw PlaceMistake("no ] after the address")
            }
            host = String(place[place.index(after: place.startIndex)..<end])
            rest = place[place.index(after: end)...]
        } else {
            host = String(place.prefix { $0 != ":" })
            rest = place.dropFirst(host.count)
        }
        guard !host.isEmpty else { throw PlaceMistake("no host") }
        let numbers = rest.split(separator: ":", omittingEmptySubsequences: false)
        // In front of the first colon there is nothing.
        guard numbers.first?.isEmpty ?? true, numbers.count <= 3 else {
            throw PlaceMistake("'\(place)' is not host:port:weight")
        }
        var node = Node(host: host)
        if numbers.count > 1 { node.port = try number(numbers[1], "port") }
        if numbers.count > 2 { node.weight = try number(numbers[2], "weight") }
        // To twemproxy it is a name like others; here it would stand for the place, which has other points.
        guard name?.hasSuffix(":11211") != true else {
            throw PlaceMistake("the name '\(name ?? "")' ends like an address; leave ':11211' out")
        }
        return Node(
            name: name, host: host, port: node.port, weight: node.weight, ringName: name)
    }

    private static func number(_ text: Substring, _ what: String) throws(PlaceMistake) -> Int {
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(text) else {
            throw PlaceMistake("the \(what) '\(text)' is no number")
        }
        return number
    }
}
