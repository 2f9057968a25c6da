import Glibc
import TestSupport
import Testing

@testable import sojourn

/// The file that `sojourn follow` writes.
@Suite(.timeLimit(.minutes(10)))
struct DefinitionTargetTests {
    private let first = Array("nodes: [{name: a, host: 10.0.0.1}]\n".utf8)
    private let second = Array("nodes: [{name: a, host: 10.0.0.2}]\n".utf8)

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test("A definition is written, and not again while it is what the file has")
    func written() throws {
        let directory = try TemporaryDirectory()
        let target = DefinitionTarget("\(directory.path)/cluster.yaml")
        #expect(target.obstacle == nil)
        #expect(try target.take(first, name: "k") == .written)
        #expect(contents(of: target.path)?.utf8.elementsEqual(first) == true)
        #expect(mode(target.path) == 0o644)
        #expect(try target.take(first, name: "k") == .unchanged)
        #expect(try target.take(second, name: "k") == .written)
        #expect(contents(of: target.path)?.utf8.elementsEqual(second) == true)
        #expect(directory.names == ["cluster.yaml"])
    }

    @Test("What stands in the file's place keeps its mode, and a link goes on leading there")
    func kept() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("nonsense", to: "file")
        chmod(file, 0o640)
        let link = "\(directory.path)/link"
        #expect(symlink("file", link) == 0)
        #expect(try DefinitionTarget(link).take(first, name: "k") == .written)
        #expect(contents(of: file)?.utf8.elementsEqual(first) == true)
        #expect(mode(file) == 0o640)
        var status = stat()
        #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    }

    @Test("What is no definition stays out, with the reason")
    func refused() throws {
        let directory = try TemporaryDirectory()
        let target = DefinitionTarget("\(directory.path)/cluster.yaml")
        #expect(try target.take(first, name: "k") == .written)
        let limit = DefinitionTarget.byteCountMax
        for (bytes, reason) in [
            ([], "k:1: expected a cluster's definition"), (Array("{".utf8), "k:2: not YAML"),
            ([0xff], "k: not UTF-8"), (Array("nodes: []".utf8), "expected a list of at least one"),
            (Array("nodes: [{host: a, port: 0}]".utf8), "k:1: nodes[0].port: expected"),
            (first + Array(repeating: UInt8(ascii: "#"), count: limit), "k: larger than 1048576"),
        ] as [([UInt8], String)] {
            guard case .refused(let told) = try target.take(bytes, name: "k") else {
                Issue.record("\(reason): it is taken")
                continue
            }
            #expect(told.contains(reason), "\(told)")
        }
        #expect(contents(of: target.path)?.utf8.elementsEqual(first) == true)
        // As large as it may be.
        let comment = Array(repeating: UInt8(ascii: "#"), count: limit - first.count)
        #expect(try target.take(first + comment, name: "k") == .written)
    }

    @Test("Where nothing can be written it says so, and leaves nothing")
    func obstacles() throws {
        let directory = try TemporaryDirectory()
        let folder = "\(directory.path)/folder"
        #expect(mkdir(folder, 0o755) == 0)
        defer { rmdir(folder) }
        #expect(DefinitionTarget(folder).obstacle == "\(folder) is not a file")
        let nowhere = DefinitionTarget("\(directory.path)/nowhere/cluster.yaml")
        #expect(nowhere.obstacle?.hasSuffix("nowhere: No such file or directory") == true)
        #expect(throws: DefinitionTarget.Trouble.self) { try nowhere.take(first, name: "k") }
        #expect(throws: DefinitionTarget.Trouble.self) {
            try DefinitionTarget(folder).take(first, name: "k")
        }
        #expect(directory.names == ["folder"])
    }
}
