import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// The runner itself: one that cannot fail proves nothing.
@Suite(.timeLimit(.minutes(10)))
struct TranscriptRunTests {
    private func hold(_ text: String) throws {
        try TranscriptRun.hold(
            Transcript(name: "example.txt", text: text), with: InProcessNode(), as: .own)
    }

    @Test(
        "A file with anything that is not understood is refused",
        arguments: [
            "", "# only a comment\n", "> version\n", "> get k\n< END", "> get k\r\n< END\n",
            "> get k \n< END\n", "? what\n< END\n", ">get k\n< END\n", "<END\n", "= open\n< END\n",
            "> {x}\n< END\n", "> {*}\n< END\n", "> {x*y}\n< END\n", "> {x*3\n< END\n",
            "> \\q\n< END\n", "> \\x4\n< END\n", "<<\n", "<s END\n", "+s cmd_get 1\n",
            "+ cmd_get\n",
            "+ cmd_get x\n", "+= cmd_get\n", "~ 1\n< END\n", "@ab\n< END\n", "@B\n< END\n",
            "> get k\n! -A\n< END\n", "! -A\n! -A\n< END\n", "differs: it is better\n< END\n",
            "=s closed\n",
        ])
    func refused(text: String) {
        #expect(throws: TranscriptFailure.self) {
            _ = try Transcript(name: "example.txt", text: text)
        }
    }

    @Test(
        "A name that is not in kebab case is refused",
        arguments: [
            "Example.txt", "two--words.txt", "-x.txt", "x_y.txt", "x.text", ".txt",
        ])
    func names(name: String) {
        #expect(throws: TranscriptFailure.self) {
            _ = try Transcript(name: name, text: "> mn\n< MN\n")
        }
    }

    @Test(
        "A conversation that goes as written is held to its end",
        arguments: [
            "> get k\n< END\n", ">> get k\\r\\n\n<< END\\r\\n\n", "> set k 0 0 1\n> x\n< STORED\n",
            ">> get\n<n\n@b\n> mn\n< MN\n@a\n>> \\r\\n\n< {*}\n", "> quit\n= closed\n",
            ">> get k\n= half-close\n= closed\n",
            "> set k 0 0 3\n> abc\n< STORED\n> gets k\n< VALUE k 0 3 {cas}\n< abc\n< END\n"
                + "> cas k 0 0 1 {cas}\n> x\n< STORED\n",
            "> get k\n< END\n+ get_misses 1 get_hits 0\n> get k\n< END\n+ get_misses 1\n",
            "> stats reset\n< {*}\n+= get_misses 0\n",
            "> get {k*250}\n<< END\n>> mn\\r\\n\n<< \\x0d\n< \n"
                + "< MN\n",
            "> stats settings\n<* STAT maxconns {*}\n<* END\n",
            "> set k 0 10 1\n> x\n< STORED\n~ 9s\n> touch k 1\n< TOUCHED\n~ 1s\n> get k\n< END\n",
            "differs: memcached says more\n> get k\n<o END of memcached\n<s END\n",
        ])
    func held(text: String) throws {
        // Every line that is expected at all is a line without white space at its end.
        try hold(text.replacing("< \n", with: "<< \\n\n"))
    }

    @Test(
        "A conversation that goes another way fails",
        arguments: [
            "> get k\n< STORED\n", "> get k\n< EN\n", "> get k\n< ENDE\n", "> get k\n<< EN\n",
            "> get k\n<n\n", "> get k\n= closed\n", "> quit\n< END\n", "> quit\n<n\n",
            "> get k\n< END\n> get k\n", ">> get k\n< END\n", "> get k\n< END\n+ get_misses 2\n",
            "> get k\n< END\n+ no_such_counter 0\n", "> get k\n< END\n+= get_misses 2\n",
            "> get k\n<* STORED\n", "> set k 0 10 1\n> x\n< STORED\n~ 9s\n> get k\n< END\n",
            "> set k 0 0 1\n> x\n< STORED\n> gets k\n< VALUE k 0 1 {n}\n< x\n< END\n> get {n}\n< {n}\n",
            "@b\n> get k\n@a\n> get k\n< END\n",
        ])
    func failed(text: String) {
        #expect(throws: TranscriptFailure.self) { try hold(text) }
    }
}
