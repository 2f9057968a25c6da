import Testing

/// A declaration at the beginning of a line, with the lines above it that belong to it.
private struct Declaration {
    var name: String
    var attributes: String
    var hasTests = false

    var isLimited: Bool { attributes.contains("@Suite") && attributes.contains(".timeLimit(") }
}

private func declarations(in text: String) -> [Declaration] {
    let kinds: Set<Substring> = ["struct", "class", "actor", "enum", "extension"]
    var found: [Declaration] = []
    var above = ""
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
        if line.isEmpty || line.hasPrefix("}") {
            above = ""
        } else if line.hasPrefix(" ") {
            let isTest = line.drop { $0 == " " }.hasPrefix("@Test")
            // Above any declaration it is one of an attribute's lines.
            if isTest, !found.isEmpty { found[found.count - 1].hasTests = true }
            above += line
        } else {
            above += line
            let words = line.split(separator: " ")
            guard !line.hasPrefix("//"), !line.hasPrefix("import"),
                let kind = words.firstIndex(where: { kinds.contains($0) }), kind + 1 < words.count
            else {
                if line.hasPrefix("@Test") {
                    found.append(Declaration(name: "", attributes: above, hasTests: true))
                }
                continue
            }
            let name = words[kind + 1].prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            found.append(Declaration(name: String(name), attributes: above))
        }
    }
    return found
}

/// Types whose tests have no limit; a type may have tests in its extensions, which have its limit.
private func unlimited(_ declarations: [Declaration]) -> Set<String> {
    let limited = Set(declarations.filter(\.isLimited).map(\.name))
    return Set(declarations.filter(\.hasTests).map(\.name)).subtracting(limited)
}

@Suite(.timeLimit(.minutes(10)))
struct TimeLimitTests {
    @Test("Every suite has a time limit: a loop that does not end is told, and by its name")
    func everySuite() throws {
        var suiteCount = 0
        for module in try names(in: tests) where !module.hasSuffix(".md") {
            let files = try names(in: "\(tests)/\(module)").filter { $0.hasSuffix(".swift") }
            var found: [Declaration] = []
            for file in files {
                found += declarations(in: try text(of: "\(tests)/\(module)/\(file)"))
            }
            suiteCount += found.count(where: \.hasTests)
            for suite in unlimited(found).sorted() {
                Issue.record("\(module): \(suite) needs @Suite(.timeLimit(.minutes(10)))")
            }
        }
        #expect(suiteCount > 50)
    }

    @Test("A suite without a limit is recognised in all its forms")
    func forms() {
        let test = "\n    @Test func t() {}\n}\n"
        let without = [
            "struct S {", "@Suite struct S {", "@Suite(.ownThread)\nstruct S {",
            "@Suite(.serialized)\nfinal class S {", "// .timeLimit(\n\n@Suite struct S {",
            "@Suite(.timeLimit(.minutes(1)))\nstruct Other {}\n\nextension S {",
        ]
        for text in without {
            #expect(unlimited(declarations(in: text + test)) == ["S"], "\(text)")
        }
        let with = [
            "@Suite(.timeLimit(.minutes(1)))\nstruct S {",
            "/// Words.\n@Suite(.ownThread, .timeLimit(.minutes(1)))\nprivate struct S {",
            "@Suite(.timeLimit(.minutes(1))) struct S {",
            "@Suite(\n    .ownThread,\n    .timeLimit(.minutes(1)))\nstruct S {",
            "@Suite(.timeLimit(.minutes(1)))\nstruct S {\n}\n\nextension S {",
        ]
        for text in with { #expect(unlimited(declarations(in: text + test)) == [], "\(text)") }
        #expect(unlimited(declarations(in: "@Test func t() {\n}\n")) == [""])
        #expect(unlimited(declarations(in: "struct Helper {\n    var t = 1\n}\n")) == [])
    }
}
