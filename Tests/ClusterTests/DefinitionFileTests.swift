import Glibc
import TestSupport
import Testing

@testable import CacheNode
@testable import Cluster

/// By which generation a node acts, as it is written down beside the memory file.
@Suite(.timeLimit(.minutes(10)))
final class DefinitionFileTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.path + "/arena.definition"
    }

    private func content(_ number: Int, previous: Int? = nil) -> DefinitionFile.Content {
        .init(acted: "generation: \(number)\n", previous: previous.map { "generation: \($0)\n" })
    }

    @Test("What was written last is found, and of another cluster nothing")
    func roundTrip() throws {
        #expect(try DefinitionFile(path, cluster: 1, memory: 7).load() == nil)
        for number in 1...5 {
            let file = try DefinitionFile(path, cluster: 1, memory: 7)
            _ = file.load()
            #expect(file.store(content(number, previous: number == 1 ? nil : number - 1)))
            #expect(file.store(content(number)))
        }
        #expect(try DefinitionFile(path, cluster: 1, memory: 7).load() == content(5))
        #expect(try DefinitionFile(path, cluster: 2, memory: 7).load() == nil)
    }

    @Test("Whom it has outlived is found, but not for another memory: they may know more than that")
    func outlived() throws {
        var written = content(1)
        written.outlived = [0, 63]
        do {
            let file = try DefinitionFile(path, cluster: 1, memory: 7)
            #expect(file.store(written))
        }
        #expect(try DefinitionFile(path, cluster: 1, memory: 7).load() == written)
        #expect(try DefinitionFile(path, cluster: 1, memory: 8).load() == content(1))
    }

    @Test(
        "A death in the middle of writing leaves what was written before",
        arguments: [0, 9, 39, 45, 50, 58])
    func torn(place: Int) throws {
        do {
            let file = try DefinitionFile(path, cluster: 1, memory: 7)
            #expect(file.store(content(1)))
            #expect(file.store(content(2, previous: 1)))
        }
        // The second one is at the start.
        var bytes = try #require(FileManagerless.bytes(of: path))
        bytes[place] ^= 1
        try FileManagerless.write(bytes, to: path)
        #expect(try DefinitionFile(path, cluster: 1, memory: 7).load() == content(1))
    }

    @Test("The longest texts fit, and a file of something else is nothing")
    func limits() throws {
        let longest = String(repeating: "x", count: PeerDefinition.textByteCountMax)
        do {
            let file = try DefinitionFile(path, cluster: 1, memory: 7)
            #expect(file.store(.init(acted: longest, previous: longest)))
            #expect(file.store(.init(acted: longest, previous: longest)))
        }
        #expect(
            try DefinitionFile(path, cluster: 1, memory: 7).load()
                == .init(acted: longest, previous: longest))
        try FileManagerless.write([UInt8](repeating: 0xFF, count: 1 << 18), to: path)
        #expect(try DefinitionFile(path, cluster: 1, memory: 7).load() == nil)
    }
}

private enum FileManagerless {
    static func bytes(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "w") else { throw Trouble("\(path)") }
        defer { fclose(file) }
        fwrite(bytes, 1, bytes.count, file)
    }
}
