import Testing

/// What applications import compiles where they are developed: on macOS, and with Musl.
@Suite(.timeLimit(.minutes(10)))
struct PortableImportTests {
    /// The libraries, and what they are made of.
    private static let modules = [
        "HashRing", "ClusterFile", "MemcacheProtocol", "SessionClient", "HummingbirdSojourn",
    ]

    /// Names that one thing has on different systems: whoever imports one of them imports the others where
    /// that one is not.
    private static let families: [Set<String>] = [
        ["Glibc", "Musl", "Darwin"], ["FoundationEssentials", "Foundation"],
    ]

    /// Names of a family that are missing in a file, and imports that no `#if canImport` decides on.
    private static func mistakes(in text: String) -> [String] {
        var imported: Set<String> = []
        var mistakes: [String] = []
        var condition: Substring?
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.drop { $0 == " " }
            if line.hasPrefix("#if ") || line.hasPrefix("#else") { condition = line }
            if line.hasPrefix("#endif") { condition = nil }
            guard let module = importedModule(in: line),
                families.contains(where: { $0.contains(module) })
            else { continue }
            imported.insert(module)
            let decides = condition.map { $0.contains("canImport(\(module))") || $0 == "#else" }
            if decides != true { mistakes.append("\(module) is imported on every system") }
        }
        for family in families where !family.isDisjoint(with: imported) {
            mistakes += family.subtracting(imported).sorted().map { "\($0) is not imported" }
        }
        return mistakes
    }

    @Test("No library imports what only Linux has", arguments: modules)
    func portable(module: String) throws {
        for path in try files(of: module) where path.hasSuffix(".swift") {
            let mistakes = Self.mistakes(in: try text(of: "\(sources)/\(path)"))
            #expect(mistakes.isEmpty, "\(path): \(mistakes)")
        }
    }

    @Test("An import of one system's name alone is told")
    func alone() {
        #expect(
            Self.mistakes(in: "import Glibc\n") == [
                "Glibc is imported on every system", "Darwin is not imported",
                "Musl is not imported",
            ])
        #expect(
            Self.mistakes(in: "    #if canImport(Glibc)\n        import Glibc\n    #endif\n") == [
                "Darwin is not imported", "Musl is not imported",
            ])
        #expect(
            Self.mistakes(
                in: """
                    #if canImport(FoundationEssentials)
                        import FoundationEssentials
                    #else
                        import Foundation
                    #endif
                    import HashRing
                    """
            ).isEmpty)
    }
}
