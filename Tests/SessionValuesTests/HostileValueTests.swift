import TestSupport
import Testing

@testable import SessionValues

/// Values that somebody has made to be hard to read.
@Suite(.timeLimit(.minutes(10)))
struct SessionValuesHostileTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("What stands in a text is no field")
    func texts() throws {
        #expect(try found("php: user_id", in: #"n|s:20:"user_id|s:3:"bob";";"#) == "!cut_off")
        #expect(
            try found("php: user_id", in: #"n|s:19:"user_id|s:3:"bob"; ";user_id|s:3:"ann";"#)
                == "ann")
        #expect(
            try found("php: user_id", in: #"a:1:{s:1:"n";s:23:"s:7:"user_id";s:1:"7";}";}"#) == "-")
        #expect(try found("json: user", in: #"{"n":"\",\"user\":\"bob\"","user":"ann"}"#) == "ann")
        #expect(try found("json: user", in: #"{"n":"\\","user":"ann"}"#) == "ann")
        #expect(try found("json: user", in: #"{"x":{"user":"bob"},"y":["user","bob"]}"#) == "-")
    }

    @Test("Of two fields of one name the later one counts, as for PHP and JavaScript")
    func twice() throws {
        #expect(try found("php: u", in: #"u|i:1;u|i:2;"#) == "2")
        #expect(try found("php: u", in: #"a:2:{s:1:"u";i:1;s:1:"u";N;}"#) == "-")
        #expect(try found("php: a.u", in: #"a|a:1:{s:1:"u";i:1;}a|i:5;"#) == "-")
        #expect(try found("json: a.u", in: #"{"a":{"u":1},"a":{"u":2}}"#) == "2")
        #expect(try found("json: a.u", in: #"{"a":{"u":1},"a":{}}"#) == "-")
        #expect(try found("json: a.u", in: #"{"a":{"u":1},"a":7}"#) == "-")
        #expect(try found("json: u", in: #"{"u":[1],"u":"ann"}"#) == "ann")
    }

    @Test("A length that is not true is a damaged value, and no reading beyond it")
    func lengths() throws {
        for count in ["2", "4", "99999999999", "18446744073709551616", "-1", "", "0x3"] {
            let user = try found("php: u", in: "u|s:\(count):\"ann\";")
            #expect(user.hasPrefix("!"), "\(count): \(user)")
        }
        #expect(
            try found("igbinary: u", in: [0, 0, 0, 2, 0x16, 0xFF, 0xFF, 0xFF, 0xFF]) == "!cut_off")
        #expect(
            try found("igbinary: u", in: [0, 0, 0, 2, 0x13, 0xFF, 0xFF, 0xFF, 0xFF, 1])
                == "!cut_off")
        let huge: [UInt8] = [0x80, 5, 0x8D] + Array(repeating: 0xFF, count: 8) + [0x2E]
        #expect(try found("django", in: huge) == "!cut_off")
        #expect(
            try found("rails", in: [4, 8, UInt8(ascii: "{"), 4, 255, 255, 255, 127, 0])
                == "!cut_off")
        #expect(
            try found("rails", in: [4, 8, UInt8(ascii: "["), 0xFC, 0, 0, 0, 0]) == "!malformed")
    }

    @Test("Users of 256 bytes are found, longer ones are not")
    func users() throws {
        for count in [255, 256, 257] {
            let name = String(repeating: "x", count: count)
            let expected = count <= 256 ? name : "!user_too_long"
            #expect(try found("php: u", in: "u|s:\(count):\"\(name)\";") == expected)
            #expect(try found("json: u", in: "{\"u\":\"\(name)\"}") == expected)
            #expect(try found("bytes: u=(x+)", in: "u=\(name);") == expected)
        }
        #expect(
            try found(
                "json: u", in: "{\"u\":\"\(String(repeating: "x", count: 300))\",\"u\":\"ann\"}")
                == "ann")
    }

    private static let depth = 100_000

    @Test("Values that are nested to 100,000 are read, or said to be too deep")
    func nested() throws {
        let depth = Self.depth
        func repeated(_ text: String, _ count: Int = depth) -> String {
            String(repeating: text, count: count)
        }
        #expect(
            try found("json: u", in: "{\"x\":\(repeated("["))\(repeated("]")),\"u\":\"ann\"}")
                == "ann")
        #expect(
            try found(
                "json: u", in: "{\"x\":\(repeated("{\"u\":"))1\(repeated("}")),\"u\":\"ann\"}")
                == "ann")
        #expect(try found("json: u", in: repeated("[")) == "!cut_off")
        #expect(
            try found("php: u", in: "x|\(repeated("a:1:{i:0;"))N;\(repeated("}"))u|s:3:\"ann\";")
                == "ann")
        #expect(
            try found(
                "php: u", in: "a:2:{i:0;\(repeated("a:1:{i:0;"))N;\(repeated("}"))s:1:\"u\";i:5;}")
                == "5")
        let deep = Array(repeating: [0x14, 1, 6, 0] as [UInt8], count: depth).flatMap(\.self)
        let binary = [0, 0, 0, 2, 0x14, 2, 0x11, 1, 0x78] + deep + [0, 0x11, 1, 0x75, 6, 9]
        #expect(try found("php: u", in: binary) == "9")
        let lists = Array(repeating: UInt8(ascii: "]"), count: depth)
        #expect(try found("django", in: [0x80, 5] + lists + [0x2E]) == "!too_deep")
        let marks = Array(repeating: UInt8(ascii: "("), count: depth)
        #expect(try found("django", in: [0x80, 5] + marks + [0x2E]) == "!too_deep")
        let hashes =
            Array(repeating: [UInt8(ascii: "["), 6], count: depth).flatMap(\.self) as [UInt8]
        #expect(
            try found("rails: u", in: [4, 8, UInt8(ascii: "{"), 6, 0x30] + hashes + [0x30])
                == "!too_deep")
        let wrapped = Array(repeating: UInt8(ascii: "I"), count: depth)
        #expect(try found("rails: u", in: [4, 8, UInt8(ascii: "["), 6] + wrapped).hasPrefix("!"))
    }

    @Test("Values of 128 MiB take the time of their bytes, whatever is in them")
    func large() throws {
        let count = 128 << 20
        let clock = ContinuousClock()
        let fill = [UInt8](repeating: UInt8(ascii: "u"), count: count)
        let cases: [(String, [UInt8], String)] = [
            ("php: u", bytes("x|s:\(count):\"") + fill + bytes("\";u|i:7;"), "7"),
            ("json: u", bytes("{\"x\":\"") + fill + bytes("\",\"u\":7}"), "7"),
            ("json: u", bytes("{\"x\":\"") + fill, "!cut_off"),
            ("php: u", fill, "!other_form"), ("bytes: u=([0-9]+)", fill + bytes("u=7"), "7"),
            ("bytes: (u+)x", fill, "-"),
            ("django", [0x80, 5, UInt8(ascii: "X")] + fill, "!cut_off"),
            ("json: u", bytes(String(repeating: "[", count: 1 << 20)) + fill, "!malformed"),
        ]
        for (rule, value, expected) in cases {
            var user = ""
            let time = try clock.measure { user = try found(rule, in: value) }
            // It goes on to a thing that is no number.
            let isRight = user == expected || expected == "!malformed" && user.hasPrefix("!")
            #expect(isRight && time < .seconds(30), "\(rule): \(user) in \(time)")
        }
    }

    @Test("What the client has compressed is not read, whatever it looks like")
    func compressed() throws {
        let value = bytes("u|s:3:\"ann\";")
        #expect(try found("php: u", in: value, clientFlags: 0) == "ann")
        #expect(try found("php: u", in: value, clientFlags: 0x50) == "!compressed")
        #expect(try found("django", in: try sample("django"), clientFlags: 8) == "!compressed")
        #expect(try found("rails", in: try sample("marshal"), clientFlags: 3) == "!compressed")
        #expect(try found("rails", in: [0x78, 0x9C, 1, 2]) == "!compressed")
        #expect(try found("php: u", in: "eyJpdiI6IkFiYyI=") == "!encrypted")
        #expect(try found("rails", in: "YWJj--ZGVm--Z2hp") == "!encrypted")
    }

    @Test(
        "Random bytes are read without harm, and alike however they lie",
        arguments: 0..<12 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let alphabets: [[UInt8]] = [
            bytes("{}[]\":,\\u0e1 \""), bytes("aOsiNdbrR:;{}\"0123|"),
            [0, 2, 0x11, 0x14, 0x0E, 0x17, 6, 1, 0x25],
            [0x80, 4, 0x7D, 0x28, 0x75, 0x73, 0x2E, 0x8C, 1, 0x94, 0x68],
            [4, 8, 0x7B, 0x5B, 0x22, 0x49, 0x3A, 0x3B, 6, 7, 0x6F, 0x69],
        ]
        let heads: [[UInt8]] = [
            [], [0, 0, 0, 2], [0x80, 5, 0x7D], [4, 8], bytes("u|"), bytes("{\"u\":"),
        ]
        let rules = [
            "php: u", "json: u.u", "django", "rails: u", "igbinary: u", "bytes: u*(u+)[^u]",
        ]
        var finders = try rules.map { UserFinder(try UserRule($0)) }
        for _ in 0..<400 {
            let alphabet = alphabets.randomElement(using: &generator) ?? []
            let head = heads.randomElement(using: &generator) ?? []
            let count = Int.random(in: 0...80, using: &generator)
            let value =
                head + (0..<count).map { _ in alphabet.randomElement(using: &generator) ?? 0 }
            for place in finders.indices {
                let whole = found(by: &finders[place], in: value)
                let cut = found(by: &finders[place], in: value, cuts: .random(seed: seed))
                #expect(whole == cut, "seed \(seed), \(rules[place]): \(value)")
            }
        }
    }
}
