import Testing

@testable import MemcacheProtocol

@Suite(.timeLimit(.minutes(10)))
struct RetrievalParsingTests {
    @Test("The four retrievals differ in what they show and touch, not in their keys")
    func retrievals() {
        #expect(
            parse("get k")
                == .retrieve(Retrieval(showsCASUnique: false, exptime: nil, keysStart: 4)))
        #expect(
            parse("gets k l")
                == .retrieve(Retrieval(showsCASUnique: true, exptime: nil, keysStart: 5)))
        #expect(
            parse("gat 10 k")
                == .retrieve(Retrieval(showsCASUnique: false, exptime: 10, keysStart: 6)))
        #expect(
            parse("gats -1 k")
                == .retrieve(Retrieval(showsCASUnique: true, exptime: -1, keysStart: 7)))
    }

    @Test(
        "A retrieval without a key is a bad format",
        arguments: [
            "get", "gets", "gat", "gats", "get ", "gets   ", "gat 1", "gats 1 ", "gat ",
        ])
    func noKey(line: String) {
        #expect(parse(line) == failure(.badFormat))
    }

    @Test("gat tells a bad exptime only when there is a key")
    func badExptime() {
        #expect(parse("gat x k") == failure(.invalidExptime))
        #expect(parse("gats 2147483648 k") == failure(.invalidExptime))
        #expect(parse("gat x") == failure(.badFormat))
    }

    @Test(
        "A key has at most 250 bytes, the first as well as a later one",
        arguments: [
            "get ", "gets ", "gat 0 ", "gats 0 ", "get a b ", "gat 0 a ",
        ])
    func keyLength(start: String) {
        let limit = ProtocolLimits.keyByteCountMax
        for count in [limit - 1, limit] {
            guard case .retrieve = parse(start + times(count)) else {
                Issue.record("\(count) bytes are refused behind \(start)")
                return
            }
        }
        #expect(parse(start + times(limit + 1)) == failure(.badFormat))
    }

    @Test(
        "What only begins like a retrieval is no command",
        arguments: [
            "getx k", "ge k", "g", "gatss 0 k", "GET k", "get\tk",
        ])
    func others(line: String) {
        #expect(parse(line) == failure(.error))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct StorageParsingTests {
    private struct NoStore: Error {
        var line: String
    }

    private func stored(_ line: String) throws -> StoreHeader {
        guard case .store(let header) = parse(line) else { throw NoStore(line: line) }
        return header
    }

    @Test("Each storage verb gives its mode and wire values")
    func verbs() throws {
        let verbs: [(String, StoreHeader.Verb)] = [
            ("set", .set), ("add", .add), ("replace", .replace), ("append", .append),
            ("prepend", .prepend),
        ]
        for (word, verb) in verbs {
            let line = "\(word) key 7 -3 12"
            let header = try stored(line)
            #expect(header.verb == verb)
            #expect(text(header.key, of: line) == "key")
            #expect(header.clientFlags == 7)
            #expect(header.exptime == -3)
            #expect(header.valueByteCount == 12)
            #expect(!header.isQuiet)
        }
        let line = "cas key 4294967295 2147483647 0 18446744073709551615 noreply"
        let header = try stored(line)
        #expect(header.verb == .cas(.max))
        #expect(header.clientFlags == .max)
        #expect(header.exptime == .max)
        #expect(header.isQuiet)
    }

    @Test("Surplus words are let be, and only the last word makes it quiet")
    func surplusWords() throws {
        #expect(try stored("set k 0 0 1 what noreply").isQuiet)
        #expect(try stored("set k 0 0 1 a b c d e f noreply").isQuiet)
        #expect(try !stored("set k 0 0 1 noreply what").isQuiet)
        #expect(try !stored("set k 0 0 1 NOREPLY").isQuiet)
    }

    @Test(
        "A length that is none leaves nothing to swallow, and is told even with noreply",
        arguments: [
            "set k 0 0", "set k 0 0 x", "set k 0 0 -1", "set k 0 0 +1", "set k 0 0 1x",
            "set k 0 0 2147483646", "set k 0 0 4294967296", "set k 0 0 noreply",
            "set k 0 0 x noreply", "cas k 0 0", "cas k 0 0 x 1", "add k", "append",
        ])
    func badLength(line: String) {
        #expect(parse(line) == failure(.badFormat))
    }

    @Test("The longest length on a line is 2,147,483,645")
    func lengthLimit() throws {
        let limit = ProtocolLimits.valueByteCountMax
        #expect(try stored("set k 0 0 \(limit - 1)").valueByteCount == limit - 1)
        #expect(try stored("set k 0 0 \(limit)").valueByteCount == limit)
        #expect(parse("set k 0 0 \(limit + 1)") == failure(.badFormat))
    }

    @Test(
        "With a good length every other error swallows the data block",
        arguments: [
            "set \(times(251)) 0 0 5", "set k x 0 5", "set k -1 0 5", "set k 0 x 5",
            "set k 4294967296 0 5", "set k 0 4294967296 5", "set k 0 -2147483649 5", "cas k 0 0 5",
            "cas k 0 0 5 x",
            "cas k 0 0 5 -1", "cas k 0 0 5 18446744073709551616",
        ])
    func swallowed(line: String) {
        #expect(parse(line) == failure(.badFormat, .swallow(byteCount: 7)))
    }

    @Test("An exptime between 2^31 and 2^32 is the negative number that its 32 bits are")
    func unsignedExptime() throws {
        for (text, exptime): (String, Int32) in [
            ("2147483647", .max), ("2147483648", .min), ("4294967295", -1), ("-1", -1),
            ("-2147483648", .min),
        ] {
            for verb in ["set", "add", "replace", "append", "prepend"] {
                #expect(try stored("\(verb) k 0 \(text) 5").exptime == exptime, "\(verb) \(text)")
            }
            #expect(try stored("cas k 0 \(text) 5 1").exptime == exptime, "cas \(text)")
        }
        for line in ["touch k 4294967295", "gat 4294967295 k", "gats 2147483648 k"] {
            #expect(parse(line) == failure(.invalidExptime), "\(line)")
        }
    }

    @Test("noreply takes the place of a missing CAS unique, and hides the error about it")
    func casWithoutUnique() {
        #expect(
            parse("cas k 0 0 5 noreply")
                == failure(.badFormat, .swallow(byteCount: 7), isQuiet: true))
    }

    @Test("A key of 249 and 250 bytes is stored, one of 251 is not")
    func keyLength() throws {
        let limit = ProtocolLimits.keyByteCountMax
        for count in [limit - 1, limit] {
            #expect(try stored("set \(times(count)) 0 0 1").key.count == count)
        }
        #expect(
            parse("set \(times(limit + 1)) 0 0 1 noreply")
                == failure(.badFormat, .swallow(byteCount: 3), isQuiet: true))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct OneKeyParsingTests {
    @Test("delete, touch, incr and decr take their words")
    func commands() {
        let key = ByteRange(start: 7, count: 1)
        #expect(parse("delete k") == .delete(key: key, isQuiet: false))
        #expect(parse("delete k 0 noreply") == .delete(key: key, isQuiet: true))
        let other = ByteRange(start: 6, count: 1)
        #expect(parse("touch k -5") == .touch(key: other, exptime: -5, isQuiet: false))
        let third = ByteRange(start: 5, count: 1)
        #expect(
            parse("incr k 18446744073709551615")
                == .arithmetic(key: third, delta: .max, increments: true, isQuiet: false))
        #expect(
            parse("decr k 0 noreply")
                == .arithmetic(key: third, delta: 0, increments: false, isQuiet: true))
    }

    @Test(
        "A word too few is a bad format",
        arguments: [
            "delete", "touch", "touch k", "incr", "incr k", "decr k", "incr noreply",
        ])
    func tooFewWords(line: String) {
        #expect(parse(line) == failure(.badFormat))
    }

    @Test("The only word of a delete is its key, and silences all the same")
    func deleteNoreply() {
        #expect(
            parse("delete noreply")
                == .delete(key: ByteRange(start: 7, count: 7), isQuiet: true))
    }

    @Test("A number that is none has an error of its own, quiet when asked for")
    func badNumbers() {
        #expect(parse("touch k x") == failure(.invalidExptime))
        #expect(parse("touch k 2147483648 noreply") == failure(.invalidExptime, isQuiet: true))
        #expect(parse("incr k -1") == failure(.invalidDelta))
        #expect(parse("decr k 18446744073709551616") == failure(.invalidDelta))
        #expect(parse("incr k noreply") == failure(.invalidDelta, isQuiet: true))
    }

    @Test(
        "A key has at most 250 bytes", arguments: ["delete K", "touch K 0", "incr K 1", "decr K 1"])
    func keyLength(form: String) {
        func line(_ count: Int) -> String {
            form.split(separator: "K", omittingEmptySubsequences: false)
                .joined(separator: times(count))
        }
        let limit = ProtocolLimits.keyByteCountMax
        for count in [limit - 1, limit] {
            if case .failure = parse(line(count)) { Issue.record("\(count) bytes are refused") }
        }
        #expect(parse(line(limit + 1)) == failure(.badFormat))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct AdministrationParsingTests {
    @Test("Commands of one word are known, in small letters only")
    func oneWord() {
        #expect(parse("mn") == .noop)
        #expect(parse("quit") == .quit)
        #expect(parse("version") == .version)
        #expect(parse("quit now") == .quit)
        for line in ["MN", "Quit", "VERSION", "versions", "qui"] {
            #expect(parse(line) == failure(.error), "\(line)")
        }
    }

    @Test("flush_all keeps its delay as it was sent")
    func flushAll() {
        #expect(parse("flush_all") == .flushAll(delay: nil, isQuiet: false))
        #expect(parse("flush_all noreply") == .flushAll(delay: nil, isQuiet: true))
        #expect(
            parse("flush_all 10")
                == .flushAll(delay: ByteRange(start: 10, count: 2), isQuiet: false))
        #expect(
            parse("flush_all x noreply")
                == .flushAll(delay: ByteRange(start: 10, count: 1), isQuiet: true))
    }

    @Test("verbosity and cache_memlimit want a number")
    func numbers() {
        #expect(parse("verbosity 3 noreply") == .verbosity(level: 3, isQuiet: true))
        for line in ["verbosity", "verbosity x", "verbosity -1"] {
            #expect(parse(line) == failure(.badFormat), "\(line)")
        }
        #expect(parse("cache_memlimit 64") == .cacheMemlimit(megabytes: 64, isQuiet: false))
        for line in ["cache_memlimit", "cache_memlimit x", "cache_memlimit 4294967296"] {
            #expect(parse(line) == failure(.error), "\(line)")
        }
    }

    @Test("shutdown knows graceful and no other word")
    func shutdown() {
        #expect(parse("shutdown") == .shutdown(.immediate, isQuiet: false))
        #expect(parse("shutdown graceful") == .shutdown(.graceful, isQuiet: false))
        #expect(parse("shutdown now") == .shutdown(.unknown, isQuiet: false))
        #expect(parse("shutdown graceful now") == .shutdown(.unknown, isQuiet: false))
    }

    @Test("debugtime is a command only when asked for")
    func debugtime() {
        #expect(parse("debugtime p") == failure(.error))
        #expect(parse("debugtime p", knowsDebugtime: true) == .debugtime(.pause))
        #expect(parse("debugtime r", knowsDebugtime: true) == .debugtime(.resume))
        #expect(parse("debugtime -31", knowsDebugtime: true) == .debugtime(.advance(seconds: -31)))
        for line in ["debugtime", "debugtime x", "debugtime 2147483648"] {
            #expect(parse(line, knowsDebugtime: true) == failure(.error), "\(line)")
        }
    }

    @Test("stats has pages, and no word for others")
    func stats() {
        let pages: [(String, StatsPage)] = [
            ("stats", .general), ("stats settings", .settings), ("stats  settings", .settings),
            ("stats items", .items), ("stats slabs", .slabs), ("stats conns", .connections),
            ("stats locks", .locks), ("stats requests", .requests), ("stats latency", .latency),
            ("stats sessions", .sessions),
            ("stats sizes", .sizes), ("stats reset", .reset), ("stats reset noreply", .reset),
            ("stats detail on", .detail(.on)), ("stats detail off", .detail(.off)),
            ("stats detail dump", .detail(.dump)), ("stats detail", .detail(.unknown)),
            ("stats detail o", .detail(.unknown)),
            ("stats cachedump 1 0", .cachedump(.keys(slabClass: 1, limit: 0))),
            ("stats cachedump 1", .cachedump(.wrong(.badCommandLine))),
            ("stats cachedump x 0", .cachedump(.wrong(.badFormat))),
        ]
        for (line, page) in pages { #expect(parse(line) == .stats(page), "\(line)") }
        for line in ["stats r", "stats noreply", "stats RESET"] {
            #expect(parse(line) == failure(.error), "\(line)")
        }
    }

    @Test("A browser's request line closes the connection without a word")
    func http() {
        #expect(parse("GET / HTTP/1.1") == failure(.error, .close))
        #expect(parse("POST HTTP/") == failure(.error, .close))
        #expect(parse("HTTP/1.1") == failure(.error))
        #expect(parse("GET HTTP/1.1 x") == failure(.error))
    }

    @Test("What is no command is an error, quiet when its last word says so")
    func unknown() {
        #expect(parse("nonsense") == failure(.error))
        #expect(parse("nonsense noreply") == failure(.error, isQuiet: true))
        #expect(parse("noreply") == failure(.error))
        #expect(parse(" get k") == failure(.error))
        #expect(parse("") == failure(.error))
        #expect(parse("   ") == failure(.error))
        #expect(parse("set\tk 0 0 1") == failure(.error))
    }
}
