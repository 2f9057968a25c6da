import TestSupport
import Testing

@testable import FuzzBodies

/// What a replay of a body's corpus finds.
private struct Replay {
    var inputCount = 0
    var problems: [String] = []

    init(of body: FuzzBody, check: ([UInt8]) -> String?) throws {
        let folder = "\(CorpusFiles.folder)/\(body.name)"
        for name in try #require(fileNames(in: folder), "no corpus: \(folder)") {
            let input = try #require(CorpusFiles.bytes(of: "\(folder)/\(name)"), "\(name)")
            inputCount += 1
            #expect(input.count <= body.byteCountMax, "\(body.name)/\(name) is too long")
            if let problem = check(input) { problems.append("\(body.name)/\(name): \(problem)") }
        }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct CorpusTests {
    @Test("Every input of a body's corpus is taken", arguments: FuzzBody.all.map(\.name))
    func replay(name: String) throws {
        let body = try #require(FuzzBody.named(name))
        let replay = try Replay(of: body, check: body.check)
        #expect(replay.inputCount >= 10, "too few to tell anything")
        #expect(replay.problems == [])
    }

    @Test("There is no corpus without a body")
    func folders() throws {
        let names = try #require(fileNames(in: CorpusFiles.folder))
        #expect(names.filter { !$0.hasPrefix(".") } == FuzzBody.all.map(\.name).sorted())
    }

    @Test("A body that is wrong about some of its inputs is found out by its corpus")
    func planted() throws {
        let replay = try Replay(of: .line) { line in
            // A parser that thinks nobody asks for what is longer than this.
            line.count > 250 ? "a line of \(line.count) bytes" : FuzzBody.line.check(line)
        }
        #expect(!replay.problems.isEmpty && replay.problems.count < replay.inputCount)
    }
}
