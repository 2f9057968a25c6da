import Testing

@testable import MemcacheProtocol

private func line(_ line: MetaLine, key: String = "key") -> String {
    let key = Array(key.utf8)
    let text = written { line.encode(to: &$0) { $0.write(key.span) } }
    return String(text.dropLast())
}

private func line(_ line: ClassicLine, keys: [String] = ["key"]) -> String {
    let keys = keys.map { Array($0.utf8) }
    let text = written {
        line.encode(to: &$0, keyCount: keys.count) { number, writer in
            let key = keys[number]
            writer.write(key.span)
        }
    }
    return String(text.dropLast())
}

/// What a client writes is what a node reads.
@Suite(.timeLimit(.minutes(10)))
struct RequestLineTests {
    @Test("A node reads every classic line as it was meant")
    func classic() throws {
        let key = ByteRange(start: 4, count: 3)
        let stored = StoreHeader(
            verb: .set, key: key, clientFlags: 0, exptime: -1, valueByteCount: 12, isQuiet: false)
        #expect(parse(line(.set(exptime: -1, valueByteCount: 12))) == .store(stored))
        let several = line(.get, keys: ["a", "bc", "d"])
        #expect(several == "get a bc d")
        #expect(
            parse(several)
                == .retrieve(Retrieval(showsCASUnique: false, exptime: nil, keysStart: 4)))
        guard case .retrieve(let sliding) = parse(line(.gat(exptime: 60))) else {
            Issue.record("gat is no retrieval")
            return
        }
        #expect(sliding.exptime == 60)
        #expect(
            parse(line(.touch(exptime: .max)))
                == .touch(key: ByteRange(start: 6, count: 3), exptime: .max, isQuiet: false))
        #expect(
            parse(line(.delete)) == .delete(key: ByteRange(start: 7, count: 3), isQuiet: false))
    }

    @Test("The longest classic line has its room")
    func longestClassic() {
        let longest = ClassicLine.set(exptime: .min, valueByteCount: .max)
        #expect(line(longest, keys: [""]).utf8.count + 2 <= ClassicLine.byteCountMax)
    }

    @Test("A node reads every flag of a meta line with the number that was written")
    func meta() throws {
        var written = MetaLine(.set)
        written.valueByteCount = 12
        written.mode = .add
        written.clientFlags = .max
        written.exptime = .min
        written.comparison = .max
        written.casUnique = 7
        written.flags = [.showsKey, .value, .showsClientFlags, .showsUnique, .showsTime, .quiet]
        written.opaque = 0x0123_4567_89ab_cdef
        let text = line(written)
        let request = try metaRequest(text)
        #expect(request.valueByteCount == 12 && request.mode == UInt8(ascii: "E"))
        #expect(request.clientFlags == .max && request.exptime == .min)
        #expect(request.comparison == .max && request.casUnique == 7)
        #expect(
            request.flags
                == written.flags.union([
                    .mode, .clientFlags, .exptime, .compare, .newUnique, .opaque,
                ]))
        #expect(text.hasSuffix(" O0123456789abcdef"))

        written = MetaLine(.arithmetic)
        written.delta = .max
        written.mode = .decrement
        written.vivifyExptime = -1
        written.initial = 5
        let sum = try metaRequest(line(written))
        #expect(sum.delta == .max && sum.mode == UInt8(ascii: "D"))
        #expect(sum.vivifyExptime == -1 && sum.initial == 5)
        #expect(sum.flags == [.delta, .mode, .vivify, .initial])
    }

    @Test("Without flags a meta line is verb and key")
    func bare() {
        let words: [(MetaVerb, String)] = [
            (.get, "mg"), (.delete, "md"), (.arithmetic, "ma"), (.debug, "me"),
        ]
        for (verb, word) in words { #expect(line(MetaLine(verb), key: "k") == "\(word) k") }
    }

    @Test("A time is asked for after it is set")
    func timeAfterTouch() {
        var sliding = MetaLine(.get)
        sliding.exptime = 60
        sliding.flags = [.showsTime, .value]
        #expect(line(sliding) == "mg key T60 v t")
    }
}
