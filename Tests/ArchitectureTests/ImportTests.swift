import Glibc
import TestSupport
import Testing

/// Which module may import which: the shape of the project.
private enum Arrows {
    /// Of our own modules.
    static let own: [String: Set<String>] = [
        "AdminPage": [],
        "SessionMap": [], "SessionValues": [], "MemcacheProtocol": [], "HashRing": [],
        "Cluster": [],
        "ClusterFile": ["HashRing"],
        "EventLoop": ["CLibevent", "CLibeventHTTP", "COpenSSL"],
        "CacheNode": [
            "AdminPage", "Cluster", "EventLoop", "MemcacheProtocol", "SessionMap",
            "SessionValues",
        ],
        "SessionClient": ["MemcacheProtocol", "HashRing", "ClusterFile"],
        "HummingbirdSojourn": ["SessionClient"],
        "sojournd": [
            "CSandbox", "CacheNode", "ClusterFile", "EventLoop", "HashRing", "MemcacheProtocol",
            "SessionValues",
        ],
        "Reports": [],
        "LoadGenerator": ["EventLoop", "MemcacheProtocol", "HashRing", "Reports"],
        "sojourn": [
            "SessionClient", "EventLoop", "MemcacheProtocol", "HashRing", "ClusterFile",
            "LoadGenerator", "Reports",
        ],
        "ClientBenchmark": ["HashRing", "SessionClient"],
        "SessionPages": ["HashRing", "SessionClient"],
        "RingBenchmark": ["HashRing"],
    ]
    /// Modules of the toolchain that every module may import.
    static let everywhere: Set<String> = ["Glibc", "Musl", "Darwin", "Synchronization"]
    /// Modules of other people's packages.
    static let packages: [String: Set<String>] = [
        "CacheNode": ["Histogram", "Logging"],
        "ClusterFile": ["Yams"],
        "SessionClient": [
            "NIOCore", "NIOPosix", "NIOSSL", "DequeModule", "Logging", "Metrics",
            "ServiceLifecycle", "Crypto", "FoundationEssentials", "Foundation",
        ],
        "HummingbirdSojourn": [
            "Hummingbird", "Crypto", "FoundationEssentials", "Foundation",
        ],
        "sojournd": ["Logging", "ArgumentParser"],
        "LoadGenerator": ["Histogram"],
        "sojourn": [
            "ArgumentParser", "FoundationEssentials", "Logging", "NIOCore", "NIOHTTP1", "NIOPosix",
        ],
        "ClientBenchmark": ["NIOCore", "NIOPosix"],
        "SessionPages": ["Logging"],
    ]

    static func allowed(in module: String) -> Set<String>? {
        own[module].map { $0.union(everywhere).union(packages[module] ?? []) }
    }

    /// Arrows that the table allows and no import uses: nobody should come to rely on them unseen.
    static func unused(by module: String, importing imported: Set<String>) -> [String] {
        (own[module] ?? []).union(packages[module] ?? []).subtracting(imported).sorted()
    }
}

/// One `import` line.
private struct Import: CustomStringConvertible {
    var file: String
    var line: Int
    var imported: String
    var description: String { "\(file):\(line) imports \(imported)" }
}

let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
let sources = root + "/Sources"
let tests = root + "/Tests"

func names(in directory: String) throws -> [String] {
    try #require(fileNames(in: directory), "cannot open \(directory)").filter { !$0.hasPrefix(".") }
}

func text(of path: String) throws -> String {
    try #require(contents(of: path), "cannot open \(path)")
}

/// The module that a line imports: attributes and an access level may stand before `import`, a kind
/// such as `struct` behind it.
func importedModule(in line: Substring) -> String? {
    var words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
    let levels: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
    while let first = words.first, first.hasPrefix("@") || levels.contains(first) {
        words.removeFirst()
    }
    guard words.first == "import", words.count > 1 else { return nil }
    let kinds: Set<Substring> = [
        "struct", "class", "enum", "protocol", "func", "var", "let", "typealias",
    ]
    let path = kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
    return path.split(separator: ".").first.map(String.init)
}

/// A module's files, those in its folders included, by their paths below `Sources`.
func files(of folder: String) throws -> [String] {
    try names(in: "\(sources)/\(folder)").flatMap { name in
        let path = "\(folder)/\(name)"
        return isDirectory("\(sources)/\(path)") ? try files(of: path) : [path]
    }
}

func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

private func imports(of module: String) throws -> [Import] {
    var found: [Import] = []
    for path in try files(of: module) where path.hasSuffix(".swift") {
        let lines = try text(of: "\(sources)/\(path)")
            .split(separator: "\n", omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() {
            if let imported = importedModule(in: line) {
                found.append(Import(file: path, line: number + 1, imported: imported))
            }
        }
    }
    return found
}

private func swiftModules() throws -> [String] {
    let others = ["CLibevent", "CLibeventHTTP", "COpenSSL", "CSandbox", "README.md"]
    return try names(in: sources).filter { !others.contains($0) }
}

@Suite(.timeLimit(.minutes(10)))
struct ImportTests {
    @Test("A module imports only what the arrows allow")
    func arrows() throws {
        let modules = try swiftModules()
        #expect(modules.contains("CacheNode"))
        for module in modules {
            let allowed = try #require(
                Arrows.allowed(in: module), "\(module) has no row in the table of arrows")
            for line in try imports(of: module) {
                #expect(allowed.contains(line.imported), "\(line)")
            }
        }
    }

    @Test("Every arrow of the table is used, and starts at a module that is there")
    func unusedArrows() throws {
        let modules = try swiftModules()
        for module in modules {
            let imported = Set(try imports(of: module).map(\.imported))
            for arrow in Arrows.unused(by: module, importing: imported) {
                Issue.record("\(module) does not import \(arrow): take the arrow out of the table")
            }
        }
        let rows = Set(Arrows.own.keys).union(Arrows.packages.keys)
        #expect(rows.subtracting(modules) == [], "rows of modules that are not there")
        // One that is missing is found, and one that is used is not.
        #expect(Arrows.unused(by: "ClusterFile", importing: ["HashRing", "Glibc"]) == ["Yams"])
    }

    @Test(
        "What the client decides, and what it sends and takes, imports no NIO",
        arguments: [
            "Wire/", "Copies/", "Sessions/", "Connections/ConnectionStateMachine.swift",
            "Connections/Exchange.swift", "Nodes/NodeHealth.swift",
        ])
    func clientCore(place: String) throws {
        let path = "SessionClient/\(place)"
        #expect(try files(of: "SessionClient").contains { $0.hasPrefix(path) })
        let lines = try imports(of: "SessionClient")
        #expect(lines.contains { $0.imported == "NIOCore" })
        for line in lines where line.file.hasPrefix(path) {
            #expect(!line.imported.hasPrefix("NIO"), "\(line)")
        }
    }

    @Test("Every module's folder has Swift files, and imports are found in them")
    func somethingIsCompared() throws {
        var count = 0
        for module in try swiftModules() {
            let files = try files(of: module).filter { $0.hasSuffix(".swift") }
            #expect(!files.isEmpty, "\(module) is empty")
            count += try imports(of: module).count
        }
        #expect(count > 10)
    }

    @Test("No folder hides sources from this comparison")
    func foldersAreWalked() throws {
        let paths = try swiftModules().flatMap { try files(of: $0) }
        #expect(paths.contains { $0.split(separator: "/").count > 2 }, "no folder was looked into")
        for path in paths
        where !path.hasSuffix("/README.md") && !path.contains(".docc/")
            && !path.hasPrefix("AdminPage/Files/")
        {
            #expect(path.hasSuffix(".swift"), "\(path) is no Swift file")
        }
    }

    @Test("An import is recognised in all its forms")
    func forms() {
        #expect(importedModule(in: "import Glibc") == "Glibc")
        #expect(importedModule(in: "package import Logging") == "Logging")
        #expect(importedModule(in: "@preconcurrency internal import CLibevent") == "CLibevent")
        #expect(importedModule(in: "import struct Foundation.Data") == "Foundation")
        #expect(importedModule(in: "    import Glibc  // why") == "Glibc")
        #expect(importedModule(in: "/// import of old files") == nil)
        #expect(importedModule(in: "important()") == nil)
    }
}
