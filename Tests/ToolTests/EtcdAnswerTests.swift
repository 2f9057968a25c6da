import Glibc
import TestSupport
import Testing

@testable import sojourn

/// What etcd's gateway says, as bytes; the answers are those of etcd 3.4.23.
@Suite(.timeLimit(.minutes(10)))
struct EtcdAnswerTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private let key = #""key":"L3MvZA==","create_revision":"2","version":"1""#
    private let header = #""header":{"cluster_id":"324952591200643719","revision":"5"}"#

    @Test("A value is read, and that there is none")
    func reading() throws {
        let there = "{\(header),\"kvs\":[{\(key),\"mod_revision\":\"2\",\"value\":\"aGVsbG8=\"}]}"
        #expect(
            try EtcdAnswer.reading(bytes(there))
                == EtcdReading(revision: 5, value: EtcdValue(bytes: bytes("hello"), revision: 2)))
        let empty = "{\(header),\"kvs\":[{\(key),\"mod_revision\":\"3\"}],\"count\":\"1\"}"
        #expect(try EtcdAnswer.reading(bytes(empty)).value == EtcdValue(bytes: [], revision: 3))
        #expect(
            try EtcdAnswer.reading(bytes("{\(header)}")) == EtcdReading(revision: 5, value: nil))
    }

    @Test(
        "A watch tells that it has begun, what was put, and what was deleted; the last one counts")
    func news() throws {
        func news(_ result: String) throws(EtcdTrouble) -> EtcdNews {
            try EtcdAnswer.news(bytes("{\"result\":{\(header)\(result)}}"))
        }
        #expect(try news(#","created":true"#) == .nothing)
        #expect(try news("") == .nothing)
        let put = "{\"kv\":{\(key),\"mod_revision\":\"3\",\"value\":\"aGVsbG8=\"}}"
        let value = EtcdValue(bytes: bytes("hello"), revision: 3)
        #expect(try news(",\"events\":[\(put)]") == .put(value))
        let deletion = #"{"type":"DELETE","kv":{"key":"L3MvZA==","mod_revision":"4"}}"#
        #expect(try news(",\"events\":[\(put),\(deletion)]") == .deleted(revision: 4))
        #expect(try news(",\"events\":[\(deletion),\(put)]") == .put(value))
        #expect(throws: EtcdTrouble.compacted(4)) {
            try news(#","canceled":true,"compact_revision":"4""#)
        }
        #expect(throws: EtcdTrouble.refused("no token")) {
            try news(#","created":true,"canceled":true,"cancel_reason":"no token""#)
        }
    }

    @Test("Errors of a stream are told, in the words of 3.4 and of later ones")
    func streamErrors() {
        for text in [
            #"{"error":{"grpc_code":14,"http_code":503,"message":"gone","http_status":"x"}}"#,
            #"{"error":{"code":14,"message":"gone","details":[]}}"#, #"{"error":"gone"}"#,
        ] {
            #expect(throws: EtcdTrouble.unable("gone")) { try EtcdAnswer.news(bytes(text)) }
        }
    }

    @Test("What is asked wrongly is refused, and what etcd cannot do now is no refusal")
    func statuses() {
        let old = #"{"error":"etcdserver: no","message":"etcdserver: no","code":16}"#
        let new = #"{"code":16,"message":"etcdserver: no","details":[]}"#
        for text in [old, new] {
            #expect(
                EtcdAnswer.trouble(status: 401, bytes(text))
                    == .refused("etcdserver: no (HTTP 401)"))
        }
        #expect(EtcdAnswer.trouble(status: 503, bytes(old)) == .unable("etcdserver: no (HTTP 503)"))
        #expect(
            EtcdAnswer.trouble(status: 404, bytes("Not\u{1B}[2J Found"))
                == .refused("Not?[2J Found (HTTP 404)"))
        #expect(EtcdAnswer.trouble(status: 500, []) == .unable(" (HTTP 500)"))
    }

    @Test("A token is a word")
    func token() throws {
        #expect(try EtcdAnswer.token(bytes("{\(header),\"token\":\"abc.15\"}")) == "abc.15")
        for text in [#"{"token":""}"#, #"{"token":"a\r\nHost: b"}"#, "{}", #"{"token":7}"#] {
            #expect(throws: EtcdTrouble.self, "\(text)") { try EtcdAnswer.token(bytes(text)) }
        }
    }

    @Test(
        "Nonsense is a trouble, and never more than that",
        arguments: [
            "", "{", "[]", "null", "7", "\"\"", "<html>", "{\"header\":7}",
            #"{"header":{"revision":"-1"}}"#, #"{"header":{"revision":"9223372036854775807"}}"#,
            #"{"header":{"revision":1e300}}"#, #"{"header":{"revision":"x"}}"#,
            #"{"header":{"revision":"1"},"kvs":[{}]}"#,
            #"{"header":{"revision":"1"},"kvs":[{"mod_revision":"1","value":"%"}]}"#,
            #"{"header":{"revision":"1"},"kvs":[{"mod_revision":"1","value":7}]}"#,
            #"{"result":{"events":[{}]}}"#, #"{"result":{"events":[{"type":"X","kv":{}}]}}"#,
            #"{"result":{"events":[{"type":"DELETE","kv":{}}]}}"#,
            String(repeating: "[", count: 100_000),
            String(repeating: "{\"result\":", count: 100_000),
        ])
    func nonsense(text: String) {
        #expect(throws: EtcdTrouble.self) { try EtcdAnswer.reading(bytes(text)) }
        #expect(throws: EtcdTrouble.self) { try EtcdAnswer.news(bytes(text)) }
        #expect(throws: EtcdTrouble.self) { try EtcdAnswer.token(bytes(text)) }
    }

    @Test("Any bytes in the place of any others are an answer or a trouble")
    func damage() {
        let seed =
            getenv("SOJOURN_SEED").flatMap { UInt64(String(cString: $0)) }
            ?? .random(in: 0...999_999)
        print("etcd's answers: SOJOURN_SEED=\(seed)")
        var random = SeededGenerator(seed: seed)
        let whole = bytes(
            "{\(header),\"result\":{\"events\":[{\"kv\":{\(key),\"mod_revision\":\"3\",\"value\":\"aGVsbG8=\"}}]},"
                + "\"kvs\":[{\"mod_revision\":\"2\",\"value\":\"aGVsbG8=\"}],\"token\":\"t\"}")
        for _ in 0..<2_000 {
            var line = whole
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: line.indices, using: &random)
                line[place] = UInt8.random(in: 0...255, using: &random)
            }
            line = Array(line.prefix(Int.random(in: 0...line.count * 2, using: &random)))
            _ = try? EtcdAnswer.reading(line)
            _ = try? EtcdAnswer.news(line)
            _ = try? EtcdAnswer.token(line)
        }
    }

    @Test("A question has key and revision as the gateway takes them")
    func questions() throws {
        let read = EtcdQuestion.read(key: "/s/d")
        #expect(read.path == "/v3/kv/range")
        #expect(String(decoding: try read.body(), as: UTF8.self) == #"{"key":"L3MvZA=="}"#)
        let watch = String(
            decoding: try EtcdQuestion.watch(key: "/s/d", from: 42).body(), as: UTF8.self)
        #expect(watch.hasPrefix(#"{"create_request":{"#))
        #expect(watch.contains(#""key":"L3MvZA==""#) && watch.contains(#""start_revision":"42""#))
        let login = String(
            decoding: try EtcdQuestion.authenticate(user: "a\"b", password: "p\\").body(),
            as: UTF8.self)
        #expect(login.contains(#""name":"a\"b""#) && login.contains(#""password":"p\\""#))
    }

    @Test("Lines are the same at any cut, and an end without a line's end is one")
    func lines() throws {
        let text = bytes("one\n\ntwo\nthree")
        for size in 1...text.count {
            var lines = BoundedLines()
            var found: [[UInt8]] = []
            for start in stride(from: 0, to: text.count, by: size) {
                try lines.append(text[start..<min(start + size, text.count)])
                found += lines.take()
            }
            #expect(found == [bytes("one"), bytes("two")])
            lines.end()
            #expect(lines.take() == [bytes("three")])
            lines.end()
            #expect(lines.take().isEmpty)
        }
    }

    @Test("A line has a bound")
    func longLine() throws {
        let limit = BoundedLines.byteCountMax
        for count in [limit - 1, limit] {
            var lines = BoundedLines()
            try lines.append(Array(repeating: UInt8(ascii: "x"), count: count))
            try lines.append([UInt8(ascii: "\n")])
            #expect(lines.take().map(\.count) == [count])
        }
        var lines = BoundedLines()
        #expect(throws: EtcdTrouble.tooLong) {
            try lines.append(Array(repeating: UInt8(ascii: "x"), count: limit + 1))
        }
    }

    @Test("An endpoint is a URL of scheme, host and port")
    func endpoints() throws {
        for (url, description) in [
            ("http://a", "http://a:2379"), ("https://10.0.0.1:1/", "https://10.0.0.1:1"),
            ("http://[::1]:65535", "http://[::1]:65535"), ("http://[::1]", "http://[::1]:2379"),
        ] {
            #expect(EtcdEndpoint(url)?.description == description)
        }
        #expect(EtcdEndpoint("https://a")?.isSecure == true)
        for url in [
            "", "a:1", "http://", "http://:1", "ftp://a", "http://a/b", "http://u@a", "http://a:0",
            "http://a:65536", "http://a:x", "http://a:1:2", "http://a b", "http://a\r\nb",
            "http://a?x", "http://[::1", "http://ä",
        ] {
            #expect(EtcdEndpoint(url) == nil, "\(url)")
        }
    }
}
