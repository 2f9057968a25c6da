import SessionValues
import Testing

@testable import CacheNode

@Suite(.timeLimit(.minutes(10)))
struct SessionQueryTests {
    private func query(_ line: String) throws -> SessionQuery { try SessionQuery(line.utf8) }

    @Test("A question says what is to be done, and with which sessions")
    func read() throws {
        let query = try query(
            "revoke space=shop user=ann%20b rule=php:%20user_id key_prefix=s: contains=%00%FF older_than=7200 "
                + "idle_for=60 larger_than=65536 except=s:1 except=s%3A2 show_keys")
        #expect(query.command == .revoke)
        #expect(query.space == "shop" && query.user == Array("ann b".utf8))
        #expect(query.rule?.description == "php: user_id" && query.keyPrefix == Array("s:".utf8))
        #expect(query.needle == [0, 255] && query.olderThanSeconds == 7_200)
        #expect(query.idleSeconds == 60 && query.largerThanByteCount == 65_536 && query.showsKeys)
        #expect(query.excepted == [Array("s:1".utf8), Array("s:2".utf8)])
        #expect(try self.query("list").command == .list)
        #expect(try self.query("count").user == nil)
        #expect(try self.query("spaces").command == .spaces)
    }

    @Test(
        "What is no question is refused, and said why",
        arguments: [
            ("", "expected list"), ("flush_all", "expected list"), ("list x=1", "no word"),
            ("list users", "no word"), ("list user=", "user needs"), ("list user=%4", "two digits"),
            ("list user=%zz", "two digits"), ("list older_than=2h", "must be a number"),
            ("list idle_for=-1", "must be a number"), ("list larger_than=4294967296", "must be"),
            ("list rule=xml", "no form"), ("revoke", "whose"), ("revoke except=a", "whose"),
            ("revoke space=a", "whose"),
        ])
    func refuse(line: String, reason: String) {
        #expect {
            try query(line)
        } throws: { error in
            (error as? SessionQuery.Mistake)?.sentence.contains(reason) == true
        }
    }

    @Test("Bounds of questions hold")
    func bounds() throws {
        func isTaken(_ line: String) -> Bool { (try? query(line)) != nil }
        for count in [255, 256, 257] {
            #expect(isTaken("list user=" + String(repeating: "u", count: count)) == (count <= 256))
        }
        for count in [249, 250, 251] {
            #expect(
                isTaken("list key_prefix=" + String(repeating: "u", count: count)) == (count <= 250)
            )
        }
        for count in [1_023, 1_024, 1_025] {
            #expect(
                isTaken("list contains=" + String(repeating: "u", count: count)) == (count <= 1_024)
            )
        }
        for count in [63, 64, 65] {
            #expect(
                isTaken("list" + String(repeating: " except=k", count: count)) == (count <= 64))
        }
    }

    @Test("Any bytes go through a line and back")
    func percent() {
        let all = Array(UInt8.min ... .max)
        #expect(PercentEncoding.decoded(PercentEncoding.encoded(all).utf8) == all)
        #expect(PercentEncoding.encoded("a b%".utf8) == "a%20b%25")
    }
}
