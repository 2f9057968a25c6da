import Testing

@testable import MemcacheProtocol

@Suite(.timeLimit(.minutes(10)))
struct MetaRequestTests {
    @Test("The verbs are two letters and a space, or the whole line")
    func verbs() {
        let verbs: [(String, MetaVerb)] = [
            ("mg", .get), ("ms", .set), ("md", .delete), ("ma", .arithmetic), ("me", .debug),
        ]
        for (word, verb) in verbs {
            #expect(parse(word) == .meta(verb))
            #expect(parse("\(word) k") == .meta(verb))
            #expect(parse("\(word)  k v") == .meta(verb))
            #expect(parse("\(word)x k") == failure(.error))
            #expect(parse(word.uppercased() + " k") == failure(.error))
            #expect(parse("\(word)\tk") == failure(.error))
            #expect(parse(" \(word) k") == failure(.error))
        }
        #expect(parse("mn") == .noop)
        #expect(parse("mn k v noreply") == .noop)
        #expect(parse("mx k") == failure(.error))
        #expect(parse("m") == failure(.error))
    }

    @Test("Key and data length are where the line has them")
    func keyAndLength() throws {
        for line in ["mg key v", "mg   key v", "md key  v", "ma key v   "] {
            let request = try metaRequest(line)
            #expect(text(request.key, of: line) == "key")
            #expect(request.valueByteCount == 0)
            #expect(request.flags == [.value])
        }
        let line = "ms  key  12  T5"
        let stored = try metaRequest(line)
        #expect(text(stored.key, of: line) == "key")
        #expect(stored.valueByteCount == 12)
        #expect(stored.flags == [.exptime])
        #expect(stored.exptime == 5)
    }

    @Test("The flags' words are those after the key, or after the data length")
    func flagsStart() throws {
        for (line, rest) in [
            ("mg key v s", " v s"), ("mg key", ""), ("ms key 12 T5 q", " T5 q"), ("ms key 0", ""),
            ("me Zm9v b", " b"),
        ] {
            let start = try metaRequest(line).flagsStart
            #expect(String(decoding: Array(line.utf8)[start...], as: UTF8.self) == rest)
        }
    }

    @Test("Tokens are read as what they are")
    func tokens() throws {
        let all = try metaRequest(
            "mg k T-5 N30 R2147483647 C18446744073709551615 E77 F4294967295 J13 D99 MI")
        #expect(all.exptime == -5)
        #expect(all.vivifyExptime == 30)
        #expect(all.recacheExptime == .max)
        #expect(all.comparison == .max)
        #expect(all.casUnique == 77)
        #expect(all.clientFlags == .max)
        #expect(all.initial == 13)
        #expect(all.delta == 99)
        #expect(all.mode == UInt8(ascii: "I"))
        #expect(
            all.flags == [
                .exptime, .vivify, .recache, .compare, .newUnique, .clientFlags, .initial, .delta,
                .mode,
            ])
    }

    @Test("What is not said is 0, and a number counts by one")
    func defaults() throws {
        let none = try metaRequest("ma k")
        #expect(none.flags.isEmpty)
        #expect(none.exptime == 0)
        #expect(none.clientFlags == 0)
        #expect(none.comparison == 0)
        #expect(none.initial == 0)
        #expect(none.delta == 1)
        #expect(none.mode == 0)
    }

    @Test("A mode is its first byte, and none is 0")
    func modes() throws {
        #expect(try metaRequest("ms k 1 MAppend").mode == UInt8(ascii: "A"))
        #expect(try metaRequest("ma k M+").mode == UInt8(ascii: "+"))
        #expect(try metaRequest("ma k M").mode == 0)
    }

    @Test("Text behind a flag that has no token is let be")
    func textBehindFlags() throws {
        #expect(try metaRequest("mg k vx s5 kkk").flags == [.value, .showsSize, .showsKey])
        #expect(try metaRequest("mg k v T5").flags == [.value, .exptime])
    }
}

@Suite(.timeLimit(.minutes(10)))
struct MetaFlagsTests {
    @Test("A flag is one of 25 letters, each with a bit of its own")
    func letters() {
        let known = Array("bcfhklqstuvxCDEFIJMNORTPL".utf8)
        var all = MetaFlags()
        for byte in UInt8.min ... .max {
            guard let flag = MetaFlags(letter: byte) else {
                #expect(!known.contains(byte), "\(byte)")
                continue
            }
            #expect(known.contains(byte), "\(byte)")
            #expect(flag.rawValue.nonzeroBitCount == 1)
            #expect(all.isDisjoint(with: flag))
            all.insert(flag)
        }
        #expect(all.rawValue.nonzeroBitCount == known.count)
    }

    @Test("The names stand for their letters")
    func names() {
        let names: [(String, MetaFlags)] = [
            ("b", .encodedKey), ("c", .showsUnique), ("f", .showsClientFlags),
            ("h", .showsFetched), ("k", .showsKey), ("l", .showsAccess), ("q", .quiet),
            ("s", .showsSize), ("t", .showsTime), ("u", .noAccess), ("v", .value), ("x", .empty),
            ("C", .compare), ("D", .delta), ("E", .newUnique), ("F", .clientFlags),
            ("I", .invalidate), ("J", .initial), ("M", .mode), ("N", .vivify), ("O", .opaque),
            ("R", .recache), ("T", .exptime), ("P", .path), ("L", .location),
        ]
        for (letter, flag) in names {
            #expect(letter.utf8.first.flatMap { MetaFlags(letter: $0) } == flag)
        }
    }
}
