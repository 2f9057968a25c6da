import Testing

@testable import sojourn

/// What `sojourn sessions` takes, and where it looks for nodes.
@Suite(.timeLimit(.minutes(10)))
struct SessionsArgumentTests {
    @Test("Times and sizes are typed with their units")
    func units() {
        #expect(TypedTime(argument: "90")?.seconds == 90)
        #expect(TypedTime(argument: "90s")?.seconds == 90)
        #expect(TypedTime(argument: "30m")?.seconds == 1_800)
        #expect(TypedTime(argument: "2h")?.seconds == 7_200)
        #expect(TypedTime(argument: "7d")?.seconds == 604_800)
        for text in ["", "h", "-1", "2w", "1.5h", "99999999999", "49711d"] {
            #expect(TypedTime(argument: text) == nil, "\(text)")
        }
        #expect(ByteSize(argument: "500")?.byteCount == 500)
        #expect(ByteSize(argument: "64k")?.byteCount == 65_536)
        #expect(ByteSize(argument: "1M")?.byteCount == 1 << 20)
        for text in ["", "k", "-1", "1g", "5000m"] {
            #expect(ByteSize(argument: text) == nil, "\(text)")
        }
    }

    @Test("A node's operator's socket is what its flags say last")
    func sockets() {
        #expect(SessionTargets.socket(in: []) == nil)
        #expect(SessionTargets.socket(in: ["-o", "show_keys"]) == nil)
        #expect(
            SessionTargets.socket(in: ["-v", "-o", "sandbox,operator=/a,user_rule=django"]) == "/a")
        #expect(SessionTargets.socket(in: ["-o", "operator=/a", "-o", "operator=/b"]) == "/b")
        #expect(SessionTargets.socket(in: ["--extended=operator=/a"]) == "/a")
        #expect(SessionTargets.socket(in: ["-ooperator=/a"]) == "/a")
        #expect(SessionTargets.socket(in: ["--extended", "operator=/a", "-o"]) == "/a")
    }
}
