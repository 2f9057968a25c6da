import HashRing
import Yams

/// A definition's text, and changes of its nodes that leave everything else as somebody wrote it: comments, order, blanks.
///
/// Each node must begin a line of its own, as in the documentation's examples. A change is read again before it is given
/// back: it says what was meant, or it is refused.
public struct DefinitionText: Sendable {
    /// What errors call the file.
    public let file: String
    public let text: String
    public let definition: ClusterDefinition

    public init(contentsOf path: String) throws(DefinitionError) {
        try self.init(try ClusterDefinition.text(of: path), file: path)
    }

    public init(_ text: String, file: String) throws(DefinitionError) {
        self.text = text
        self.file = file
        definition = try ClusterDefinition(yaml: text, file: file)
    }

    /// The next generation, with one more node, behind the others.
    public func adding(_ node: NewNode) throws(DefinitionError) -> DefinitionText {
        let id = try freeID()
        return try changed(at: definition.members.count, keeps: definition.members.indices) {
            $0.insert(node, id: id, since: $1, before: definition.members.count)
        }
    }

    /// The next generation, without a node.
    public func removing(_ name: String) throws(DefinitionError) -> DefinitionText {
        let place = try place(of: name)
        guard definition.members.count > 1 else {
            throw error("\(name) is the only node: a cluster has one at least")
        }
        return try changed(at: nil, keeps: definition.members.indices.filter { $0 != place }) {
            (lines, _) in lines.remove(place)
        }
    }

    /// The next generation, with another node in the place of one in the list.
    public func replacing(
        _ name: String, with node: NewNode
    ) throws(DefinitionError) -> DefinitionText {
        let place = try place(of: name)
        let id = try freeID()
        return try changed(at: place, keeps: definition.members.indices.filter { $0 != place }) {
            (lines, generation) in
            lines.replace(place, with: node, id: id, since: generation)
        }
    }

    /// One that no node has, and as far as that can be told none has had.
    private func freeID() throws(DefinitionError) -> Int {
        let taken = definition.memberIDs
        let range = ClusterDefinition.Peers.idRange
        let next = (taken.max() ?? -1) + 1
        guard let id = range.contains(next) ? next : range.first(where: { !taken.contains($0) })
        else { throw error("there are \(taken.count) nodes, and no id is left") }
        return id
    }

    private func place(of name: String) throws(DefinitionError) -> Int {
        if let place = definition.members.firstIndex(where: { $0.node.name == name }) {
            return place
        }
        let names = definition.nodes.map(\.name).joined(separator: ", ")
        throw error("the nodes are \(names), not \(name)")
    }

    private func error(_ problem: String) -> DefinitionError {
        DefinitionError(file: file, line: nil, field: "nodes", problem: problem)
    }

    /// - Parameters:
    ///   - place: where the new node is to be, if there is one.
    ///   - kept: the nodes that stay as they are.
    private func changed(
        at place: Int?, keeps kept: some Sequence<Int>,
        _ edit: (inout DefinitionLines, _ generation: Int) -> Void
    ) throws(DefinitionError) -> DefinitionText {
        let generation = definition.generation + 1
        guard ClusterDefinition.generationRange.contains(generation) else {
            throw error("there is no generation after \(definition.generation)")
        }
        var lines = try DefinitionLines(text, file: file, generation: generation)
        let ids = definition.memberIDs
        for (place, member) in definition.members.enumerated() where member.id == nil {
            lines.number(place, as: ids[place])
        }
        edit(&lines, generation)
        let new = try DefinitionText(lines.text, file: file)
        var expected = definition
        expected.generation = generation
        for (place, id) in ids.enumerated() { expected.members[place].id = id }
        expected.members = kept.map { expected.members[$0] }
        var rest = new.definition
        if let place, rest.members.indices.contains(place) { rest.members.remove(at: place) }
        // Where it does not say, that is another number of nodes' matter.
        expected.copyCount = rest.copyCount
        guard rest == expected else {
            throw error(
                "cannot be changed line by line; change it by hand, and give it the next generation"
            )
        }
        return new
    }
}

/// The lines of a definition by whose they are.
private struct DefinitionLines {
    private struct Node {
        var own: [Substring]
        /// Up to the next one: comments and blanks; behind the last one everything else.
        var behind: [Substring]
        /// Where its fields begin in its first line, and whether they are in braces.
        var column: Int
        var isFlow: Bool
    }

    private var head: [Substring]
    private var nodes: [Node] = []
    /// What is before the dash of a node.
    private var indentation = ""

    var text: String {
        (head + nodes.flatMap { $0.own + $0.behind }).joined(separator: "\n")
    }

    /// Those of a definition with another generation.
    init(_ text: String, file: String, generation: Int) throws(DefinitionError) {
        // Lines are counted by what YAML takes for their ends.
        guard
            !text.unicodeScalars.contains(where: {
                "\r\u{85}\u{2028}\u{2029}".unicodeScalars.contains($0)
            })
        else {
            throw DefinitionError(
                file: file, line: nil, field: "",
                problem: "has other ends of lines than LF, and cannot be changed by a command")
        }
        let text = try Self.setting(generation, in: text, file: file)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let sequence = try Self.mapping(text, file)["nodes"]?.sequence
        let marks = sequence?.compactMap(\.mark) ?? []
        guard !marks.isEmpty, marks.count == sequence?.count else { throw Self.refusal(file, nil) }
        head = Array(lines[..<(marks[0].line - 1)])
        for (place, mark) in marks.enumerated() {
            let start = mark.line - 1
            let line = lines[start]
            let dash = line.prefix(mark.column - 1).drop { $0 == " " }
            guard dash.first == "-", dash.dropFirst().allSatisfy({ $0 == " " }) else {
                throw Self.refusal(file, mark.line)
            }
            indentation = String(line.prefix { $0 == " " })
            let limit = place + 1 < marks.count ? marks[place + 1].line - 1 : lines.count
            guard limit > start else { throw Self.refusal(file, mark.line) }
            var end = start + 1
            for next in start + 1..<limit {
                let blanks = lines[next].prefix { $0 == " " }
                let content = lines[next].dropFirst(blanks.count)
                if content.isEmpty || content.first == "#" { continue }
                guard blanks.count > indentation.count else { break }
                end = next + 1
            }
            nodes.append(
                Node(
                    own: Array(lines[start..<end]), behind: Array(lines[end..<limit]),
                    column: mark.column - 1,
                    isFlow: line.dropFirst(mark.column - 1).first == "{"))
        }
    }

    private static func mapping(
        _ text: String, _ file: String
    ) throws(DefinitionError) -> Yams.Node.Mapping {
        guard let root = try? Yams.compose(yaml: text), let mapping = root.mapping else {
            throw refusal(file, nil)
        }
        return mapping
    }

    private static func refusal(_ file: String, _ line: Int?) -> DefinitionError {
        DefinitionError(
            file: file, line: line, field: "nodes",
            problem:
                "each node must begin a line of its own, with a dash, to be changed by a command")
    }

    private static func setting(
        _ generation: Int, in text: String, file: String
    ) throws(DefinitionError) -> String {
        let mapping = try mapping(text, file)
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if let scalar = mapping["generation"]?.scalar, let mark = scalar.mark {
            let line = lines[mark.line - 1]
            guard line.dropFirst(mark.column - 1).hasPrefix(scalar.string) else {
                throw refusal(file, mark.line)
            }
            let rest = line.dropFirst(mark.column - 1 + scalar.string.count)
            lines[mark.line - 1] = "\(line.prefix(mark.column - 1))\(generation)\(rest)"[...]
        } else if let first = mapping.first?.key.mark, first.column == 1 {
            lines.insert("generation: \(generation)", at: first.line - 1)
        } else {
            throw refusal(file, nil)
        }
        return lines.joined(separator: "\n")
    }

    /// Writes the number down that a node has by its place, as that changes.
    mutating func number(_ place: Int, as id: Int) {
        let (line, column) = (nodes[place].own[0], nodes[place].column)
        let (head, rest) = (line.prefix(column), line.dropFirst(column))
        if nodes[place].isFlow {
            nodes[place].own[0] = "\(head){id: \(id), \(rest.dropFirst().drop { $0 == " " })"[...]
        } else {
            let blanks = String(repeating: " ", count: column)
            nodes[place].own.replaceSubrange(
                0...0, with: ["\(head)id: \(id)"[...], "\(blanks)\(rest)"[...]])
        }
    }

    mutating func remove(_ place: Int) {
        let removed = nodes.remove(at: place)
        // Comments behind it are the next one's.
        if place > 0 {
            nodes[place - 1].behind += removed.behind
        } else {
            head += removed.behind
        }
    }

    private func line(of node: NewNode, id: Int, since: Int) -> Substring {
        "\(indentation)- {\(node.fields(id: id, since: since))}"[...]
    }

    mutating func replace(_ place: Int, with node: NewNode, id: Int, since: Int) {
        nodes[place].own = [line(of: node, id: id, since: since)]
    }

    mutating func insert(_ node: NewNode, id: Int, since: Int, before place: Int) {
        var new = Node(
            own: [line(of: node, id: id, since: since)], behind: [], column: 0, isFlow: true)
        if place == nodes.count, place > 0 {
            swap(&new.behind, &nodes[place - 1].behind)
            // Comments at the end of the list stay above what follows.
        }
        nodes.insert(new, at: place)
    }
}
