import Glibc
import Testing

/// A relative link of a page.
private struct Link: CustomStringConvertible {
    /// Below the root, with a slash first.
    var page: String
    var line: Int
    var target: String
    var description: String { "\(page):\(line): \(target)" }
}

/// The lines of a page that are no code, with their numbers.
private func prose(of text: String) -> [(number: Int, line: Substring)] {
    var lines: [(number: Int, line: Substring)] = []
    var isCode = false
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
        if line.drop(while: { $0 == " " }).hasPrefix("```") {
            isCode.toggle()
        } else if !isCode {
            lines.append((index + 1, line))
        }
    }
    return lines
}

/// Pictures are links, too. What has a scheme (`https:`, DocC's `doc:`) leads elsewhere and is left out.
private func links(in text: String, page: String) -> [Link] {
    prose(of: text).flatMap { number, line in
        line.replacing(#/(`+).+?\1/#, with: "").matches(of: #/\]\(([^)\s]+)[^)]*\)/#)
            .map { String($0.output.1) }
            .filter { $0.wholeMatch(of: #/[a-z]+:.*/#) == nil }
            .map { Link(page: page, line: number, target: $0) }
    }
}

/// What can follow `#` in a link to this page, by GitHub's rule: headings in small letters, with hyphens
/// instead of spaces and nothing else that is no letter or number; one that comes again is numbered.
private func anchors(in text: String) -> Set<String> {
    var counts: [String: Int] = [:]
    var found: Set<String> = []
    for (_, line) in prose(of: text) {
        guard let heading = line.wholeMatch(of: #/#{1,6} +(.+)/#)?.output.1 else { continue }
        let kept = heading.lowercased().filter {
            $0.isLetter || $0.isNumber || " -_".contains($0)
        }
        let name = String(kept.map { $0 == " " ? "-" : $0 })
        let count = counts[name, default: 0]
        counts[name] = count + 1
        found.insert(count == 0 ? name : "\(name)-\(count)")
    }
    return found
}

/// Why a link leads nowhere; nil if it leads somewhere.
private func mistake(in link: Link) throws -> String? {
    let parts = link.target.split(
        separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    let folder = link.page.prefix(through: link.page.lastIndex(of: "/") ?? link.page.startIndex)
    let path = parts[0].isEmpty ? root + link.page : root + folder + parts[0]
    guard !parts[0].hasPrefix("/"), access(path, F_OK) == 0 else { return "no such file" }
    guard parts.count == 2 else { return nil }
    guard path.hasSuffix(".md") else { return "an anchor of what is no page" }
    return anchors(in: try text(of: path)).contains(String(parts[1])) ? nil : "no such heading"
}

/// All pages below a folder, by their paths below the root.
private func pages(in folder: String = "") throws -> [String] {
    try names(in: root + folder).flatMap { name in
        let path = "\(folder)/\(name)"
        if isDirectory(root + path) { return try pages(in: path) }
        return name.hasSuffix(".md") ? [path] : []
    }
}

@Suite(.timeLimit(.minutes(10)))
struct LinkTests {
    @Test("Every relative link of every page leads to a file, and to a heading, that is there")
    func everyLink() throws {
        let all = try pages().flatMap { links(in: try text(of: root + $0), page: $0) }
        #expect(all.contains { $0.page == "/README.md" })
        #expect(all.count { $0.target.contains("#") } > 10)
        for link in all {
            if let mistake = try mistake(in: link) { Issue.record("\(link): \(mistake)") }
        }
    }

    @Test("The README can be read at one go: it has at most 200 lines")
    func length() throws {
        #expect(try text(of: root + "/README.md").split(separator: "\n").count > 50)
        #expect(try text(of: root + "/README.md").count { $0 == "\n" } <= 200)
    }

    @Test("Links are found in prose, and neither in code nor elsewhere in the world")
    func forms() {
        let page = """
            [a](b.md) and ![c](d/e.svg "title"), [`f`](g#h)
            `[no](no.md)` [w](https://example.org) [d](doc:Page)
            ```
            [no](no.md)
            ```
            [i](#j)
            """
        let found = links(in: page, page: "/x/y.md")
        #expect(found.map(\.target) == ["b.md", "d/e.svg", "g#h", "#j"])
        #expect(found.map(\.line) == [1, 1, 1, 6])
    }

    @Test("Headings have the anchors that GitHub gives them")
    func headings() {
        let page = "# A `b`, c: d's\n## E_f-g\n```\n# no\n```\n#no\n## E_f-g\n"
        #expect(anchors(in: page) == ["a-b-c-ds", "e_f-g", "e_f-g-1"])
    }

    @Test("A link that leads nowhere is told")
    func mistakes() throws {
        func mistake(_ target: String) throws -> String? {
            try ArchitectureTests.mistake(in: Link(page: "/Tests/x.md", line: 1, target: target))
        }
        #expect(try mistake("../README.md") == nil)
        #expect(try mistake("../README.md#limits") == nil)
        #expect(try mistake("../README.md#no-limits") == "no such heading")
        #expect(try mistake("README.txt") == "no such file")
        #expect(try mistake("/README.md") == "no such file")
        #expect(try mistake("../Sources#limits") == "an anchor of what is no page")
    }
}
