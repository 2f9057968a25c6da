import TestSupport
import Testing

@testable import sojourn

/// Redis' replies, however they are cut, and what only a broken or hostile server would send.
@Suite(.timeLimit(.minutes(10)))
struct RESPReaderTests {
    private func read(_ text: String, cuts: Cuts = .whole) throws -> [RESPValue] {
        var reader = RESPReader()
        var values: [RESPValue] = []
        let bytes = Array(text.utf8)
        var start = 0
        for length in cuts.lengths(of: bytes.count) {
            reader.append(bytes[start..<(start + length)])
            start += length
            while let value = try reader.next() { values.append(value) }
        }
        return values
    }

    @Test("Replies are the same, cut at every place")
    func cuts() throws {
        let text =
            "+OK\r\n-WRONGTYPE no string\r\n:-2\r\n:1500\r\n$-1\r\n$0\r\n\r\n$5\r\na\r\nbc\r\n*-1\r\n*0\r\n"
            + "*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n+PONG\r\n"
        let expected: [RESPValue] = [
            .simple("OK"), .error("WRONGTYPE no string"), .number(-2), .number(1_500), .bytes(nil),
            .bytes([]),
            .bytes(Array("a\r\nbc".utf8)), .list(nil), .list([]),
            .list([
                .bytes(Array("17".utf8)),
                .list([.bytes(Array("a".utf8)), .bytes(Array("b".utf8))]),
            ]), .simple("PONG"),
        ]
        #expect(try read(text) == expected)
        #expect(try read(text, cuts: .pieces(byteCount: 1)) == expected)
        for place in 1..<text.utf8.count {
            #expect(try read(text, cuts: .once(at: place)) == expected)
        }
    }

    @Test(
        "What no Redis says ends the conversation",
        arguments: [
            "\r\n", "VERSION 1.6\r\n", ":x\r\n", ":\r\n", "$-2\r\n", "$x\r\n", "$536870913\r\n",
            "$1\r\nabc",
            "*-2\r\n", "*1000001\r\n", "*1\r\n*1\r\n*1\r\n", "+OK\rx",
        ])
    func notUnderstood(text: String) {
        #expect(throws: RESPReader.NotUnderstood.self) { try read(text) }
        #expect(throws: RESPReader.NotUnderstood.self) {
            try read(text, cuts: .pieces(byteCount: 1))
        }
    }

    @Test("A line without an end is not waited for, and an announced string takes no memory")
    func bounds() throws {
        #expect(throws: RESPReader.NotUnderstood.self) {
            try read("+" + String(repeating: "x", count: RESPReader.lineByteCountMax + 1))
        }
        #expect(try read("$536870912\r\n").isEmpty)
        #expect(try read("*1000000\r\n").isEmpty)
    }

    @Test(
        "Addresses of Redis",
        arguments: [
            ("redis://host", "host", 6_379, nil, nil, 0),
            ("redis://host:7000/3", "host", 7_000, nil, nil, 3),
            ("redis://:secret@host/", "host", 6_379, nil, "secret", 0),
            ("redis://me:a%40b:c@[::1]:1", "::1", 1, "me", "a@b:c", 0),
        ] as [(String, String, Int, String?, String?, Int)])
    func addresses(
        text: String, host: String, port: Int, user: String?, password: String?, database: Int
    ) throws {
        let place = try #require(RedisPlace(text))
        #expect(place.host == host && place.port == port && place.database == database)
        #expect(place.user == user && place.password == password)
    }

    @Test(
        "What is no address of Redis",
        arguments: [
            "host", "redis://", "redis://h:0", "redis://h:99999", "redis://h/x", "redis://secret@h",
            "redis://:%zz@h", "redis://h/-1",
        ])
    func noAddresses(text: String) { #expect(RedisPlace(text) == nil) }
}
