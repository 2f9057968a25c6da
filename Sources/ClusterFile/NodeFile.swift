import Yams

/// The text of a node's configuration, `sojournd --config FILE`: words with values, for the node and for each of its
/// spaces, in the order of the file. What they mean is the node's.
///
///     threads: 2
///     spaces:
///     - name: sessions
///       listen: 127.0.0.1:11211
///       memory_limit: 512
package struct NodeFile {
    package struct Word {
        package enum Value: Equatable {
            case text(String)
            case list([String])
        }

        package let name: String
        package let value: Value
        fileprivate let file: String
        fileprivate let path: String
        fileprivate let line: Int

        package func error(_ problem: String) -> DefinitionError {
            DefinitionError(file: file, line: line, field: path, problem: problem)
        }
    }

    package struct Space {
        package let name: String
        package let words: [Word]
        fileprivate let file: String
        fileprivate let path: String
        fileprivate let line: Int

        package func error(_ problem: String) -> DefinitionError {
            DefinitionError(file: file, line: line, field: path, problem: problem)
        }
    }

    package let path: String
    package let words: [Word]
    package let spaces: [Space]

    package static let spaceCountMax = 64
    package static let nameByteCountMax = 32

    package init(contentsOf path: String) throws(DefinitionError) {
        try self.init(yaml: try ClusterDefinition.text(of: path), file: path)
    }

    /// - Parameter file: what errors call the text.
    package init(yaml: String, file: String) throws(DefinitionError) {
        path = file
        let root = try ClusterDefinition.compose(yaml, file: file, as: "a node's configuration")
        let fields = try Fields(root, path: "", file: file)
        guard let list = root["spaces"]?.sequence, !list.isEmpty else {
            throw fields.error("spaces", "expected a list of at least one space")
        }
        guard list.count <= Self.spaceCountMax else {
            throw fields.error(
                "spaces", "a node has at most \(Self.spaceCountMax) spaces, not \(list.count)")
        }
        words = try Self.words(root, "", file, without: "spaces")
        var spaces: [Space] = []
        for (index, node) in list.enumerated() {
            let space = try Self.space(node, "spaces[\(index)]", file)
            if spaces.contains(where: { $0.name == space.name }) {
                throw space.error("there is a space \(space.name) already; names must differ")
            }
            spaces.append(space)
        }
        self.spaces = spaces
    }

    private static func space(
        _ node: Yams.Node, _ path: String, _ file: String
    ) throws(DefinitionError) -> Space {
        var fields = try Fields(node, path: path, file: file)
        let name = try fields.value(
            "name", "a name of at most \(nameByteCountMax) letters, digits, _ and -"
        ) { text in isName(text) ? text : nil }
        guard let name else {
            throw fields.error("name", "missing; a space is known by its name")
        }
        return Space(
            name: name, words: try words(node, path, file, without: "name"), file: file,
            path: path, line: node.mark?.line ?? 1)
    }

    private static func isName(_ text: String) -> Bool {
        text.utf8.count <= nameByteCountMax
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            } && text.utf8.first.map { $0 != UInt8(ascii: "-") } == true
    }

    private static func words(
        _ node: Yams.Node, _ path: String, _ file: String, without other: String
    ) throws(DefinitionError) -> [Word] {
        // Whose values are of no use, and where.
        var fields = try Fields(node, path: path, file: file)
        var words: [Word] = []
        for (key, value) in node.mapping ?? [:] {
            guard let name = key.string, name != other else { continue }
            let isList = value.sequence != nil
            let texts =
                isList
                ? try fields.texts(name, "texts") ?? []
                : [try fields.text(name, "a value") ?? ""]
            words.append(
                Word(
                    name: name, value: isList ? .list(texts) : .text(texts[0]), file: file,
                    path: path.isEmpty ? name : "\(path).\(name)",
                    line: value.mark?.line ?? key.mark?.line ?? 1))
        }
        return words
    }
}
