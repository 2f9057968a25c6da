import HashRing
import TestSupport
import Testing

/// What scripts/golden-placement wrote: where a real client or proxy put each of the keys.
struct GoldenCase: Sendable, CustomTestStringConvertible {
    /// The file and the line of the case.
    var place: String
    var strategy: Ring.Strategy
    var keyHash: Ring.KeyHash?
    var hashTag: Ring.HashTag?
    var nodes: [Node] = []
    var leftOut: Set<Int> = []
    /// For each key the index of its node; nil where the program refuses the key.
    var placed: [Int?] = []

    var testDescription: String { "\(place): \(strategy.rawValue), \(nodes.count) nodes" }

    func ring() throws -> Ring {
        let ring = try Ring(
            nodes: nodes, strategy: strategy, keyHash: keyHash, hashTag: hashTag)
        return leftOut.isEmpty ? ring : try ring.leavingOut(leftOut)
    }
}

/// A golden file that does not say what a golden file says.
struct GoldenFileError: Error, CustomStringConvertible {
    var description: String
}

enum GoldenFiles {
    static let sources = [
        "dalli", "gomemcache", "jump", "nginx", "perl", "php-memcached", "php-sessions", "pylibmc",
        "pymemcache", "python-memcached", "spymemcached", "twemproxy",
    ]

    static func keys() throws -> [String] { try lines(of: "keys").map(String.init) }

    static func cases(of source: String) throws -> [GoldenCase] {
        var cases: [GoldenCase] = []
        for (number, line) in try lines(of: source).enumerated() where !line.isEmpty {
            let place = "\(source).txt:\(number + 1)"
            let words = line.split(separator: " ")
            if words[0] == "case" {
                cases.append(try makeCase(words.dropFirst(), place: place))
            } else if words[0] != "made-by" {
                guard !cases.isEmpty else {
                    throw GoldenFileError(description: "\(place): before the first case: \(line)")
                }
                try add(words, to: &cases[cases.count - 1], place: place)
            }
        }
        return cases
    }

    private static func makeCase(_ words: ArraySlice<Substring>, place: String) throws -> GoldenCase
    {
        guard let name = words.first, let strategy = Ring.Strategy(rawValue: String(name)) else {
            throw GoldenFileError(description: "\(place): no such strategy: \(words)")
        }
        var golden = GoldenCase(place: place, strategy: strategy)
        for word in words.dropFirst() {
            let parts = word.split(separator: "=", maxSplits: 1)
            switch parts[0] {
            case "hash": golden.keyHash = try known(Ring.KeyHash(rawValue: String(parts[1])), place)
            case "tag": golden.hashTag = try known(Ring.HashTag(String(parts[1])), place)
            default: throw GoldenFileError(description: "\(place): unknown: \(word)")
            }
        }
        return golden
    }

    private static func add(
        _ words: [Substring], to golden: inout GoldenCase, place: String
    ) throws {
        switch words[0] {
        case "node":
            let port = try known(Int(words[2]), place)
            let weight = try known(Int(words[3]), place)
            golden.nodes.append(
                Node(
                    host: String(words[1]), port: port, weight: weight,
                    ringName: words.count > 4 ? String(words[4]) : nil))
        case "left-out":
            golden.leftOut = Set(try words.dropFirst().map { try known(Int($0), place) })
        case "placed":
            golden.placed = try words[1].utf8.map { digit in
                digit == UInt8(ascii: "-") ? nil : try known(value(of: digit), place)
            }
        default: throw GoldenFileError(description: "\(place): unknown: \(words[0])")
        }
    }

    private static func known<Value>(_ value: Value?, _ place: String) throws -> Value {
        guard let value else { throw GoldenFileError(description: "\(place): not understood") }
        return value
    }

    /// A digit of 62: 0 to 9, A to Z, a to z.
    private static func value(of digit: UInt8) -> Int? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(digit - UInt8(ascii: "0"))
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): Int(digit - UInt8(ascii: "A")) + 10
        case UInt8(ascii: "a")...UInt8(ascii: "z"): Int(digit - UInt8(ascii: "a")) + 36
        default: nil
        }
    }

    private static func lines(of name: String) throws -> [Substring] {
        let folder = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/")
        let path = "\(folder)/Golden/\(name).txt"
        guard let text = contents(of: path) else {
            throw GoldenFileError(description: "cannot open \(path)")
        }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }
}
