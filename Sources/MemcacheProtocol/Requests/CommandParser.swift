/// Reads one command line of the classic text protocol.
///
/// Goals: no allocation; every line gives a command or a failure with its recovery. Not goals:
/// finding the line (`LineFraming`), the data block (it is counted by the connection).
///
/// Source of the rules: memcached's doc/protocol.txt and, where it is silent, version 1.6.45.
package enum CommandParser {
    /// - Parameter knowsDebugtime: whether `debugtime` is a command.
    package static func parse(_ line: Span<UInt8>, knowsDebugtime: Bool = false) -> Command {
        let frequent: Command?
        switch line.firstByte {
        case UInt8(ascii: "g"): frequent = retrieval(line)
        case UInt8(ascii: "m"): frequent = meta(line)
        case let first?: frequent = storage(line, first: first)
        case nil: frequent = nil
        }
        return frequent ?? parse(wordsOf: line, knowsDebugtime: knowsDebugtime)
    }

    /// The commands that few send. Not inlined: the others need no room for words.
    @inline(never)
    private static func parse(wordsOf line: Span<UInt8>, knowsDebugtime: Bool) -> Command {
        let words = Words(line)
        guard let verb = words[0], !verb.isEmpty else {
            // Behind a space nothing is a command. Who ends such a line in `noreply` waits for no answer.
            return .failure(Failure(.error, isQuiet: isQuiet(line, words)))
        }
        switch verb.count {
        case 4:
            if line.holds("incr", at: verb) { return arithmetic(line, words, increments: true) }
            if line.holds("decr", at: verb) { return arithmetic(line, words, increments: false) }
            if line.holds("quit", at: verb) { return .quit }
        case 5:
            if line.holds("touch", at: verb) { return touch(line, words) }
            if line.holds("stats", at: verb) { return stats(line, words) }
        case 6:
            if line.holds("delete", at: verb) { return delete(line, words) }
        case 7:
            if line.holds("version", at: verb) { return .version }
        default: break
        }
        return administration(line, words, verb: verb, knowsDebugtime: knowsDebugtime)
    }

    // MARK: Retrieval

    @inline(__always)
    private static func retrieval(_ line: Span<UInt8>) -> Command? {
        if line.starts(with: "get ") { return keys(line, from: 4, showsCASUnique: false) }
        if line.starts(with: "gets ") { return keys(line, from: 5, showsCASUnique: true) }
        if line.starts(with: "gat ") { return getAndTouch(line, from: 4, showsCASUnique: false) }
        if line.starts(with: "gats ") { return getAndTouch(line, from: 5, showsCASUnique: true) }
        let whole = ByteRange(start: 0, count: line.count)
        let isBare =
            line.holds("get", at: whole) || line.holds("gets", at: whole)
            || line.holds("gat", at: whole) || line.holds("gats", at: whole)
        return isBare ? .failure(Failure(.badFormat)) : nil
    }

    private static func keys(
        _ line: Span<UInt8>, from start: Int, showsCASUnique: Bool, exptime: Int32? = nil
    ) -> Command {
        guard checkKeys(line, from: start) else { return .failure(Failure(.badFormat)) }
        return .retrieve(
            Retrieval(showsCASUnique: showsCASUnique, exptime: exptime, keysStart: start))
    }

    /// One key that is too long voids the whole command, so all are looked at first.
    private static func checkKeys(_ line: Span<UInt8>, from start: Int) -> Bool {
        var position = start
        // Among so many bytes there is a space, or they are part of a key that is too long. Only their
        // end is looked at: a line of 512 KiB takes microseconds, however many keys it has.
        while line.count - position > ProtocolLimits.keyByteCountMax {
            var end = position + ProtocolLimits.keyByteCountMax
            while end >= position, line[end] != UInt8(ascii: " ") { end -= 1 }
            guard end >= position else { return false }
            position = end + 1
        }
        position = start
        while position < line.count, line[position] == UInt8(ascii: " ") { position += 1 }
        return position < line.count
    }

    /// The retrieval that a line starts whose end has not arrived, and which is looked at in parts; or
    /// what is wrong with it already.
    package static func retrievalInParts(_ start: Span<UInt8>) -> Command {
        if start.starts(with: "get ") { return retrievalInParts(4, showsCASUnique: false) }
        if start.starts(with: "gets ") { return retrievalInParts(5, showsCASUnique: true) }
        let showsCASUnique = start.starts(with: "gats ")
        let verbByteCount = showsCASUnique ? 5 : 4
        guard showsCASUnique || start.starts(with: "gat "),
            let word = nextWord(in: start, from: verbByteCount)
        else { return .failure(Failure(.badFormat, recovery: .close)) }
        guard let exptime = start.signed32(at: word), word.end < start.count else {
            return .failure(Failure(.invalidExptime))
        }
        return retrievalInParts(word.end, showsCASUnique: showsCASUnique, exptime: exptime)
    }

    private static func retrievalInParts(
        _ keysStart: Int, showsCASUnique: Bool, exptime: Int32? = nil
    ) -> Command {
        .retrieve(
            Retrieval(showsCASUnique: showsCASUnique, exptime: exptime, keysStart: keysStart))
    }

    private static func getAndTouch(
        _ line: Span<UInt8>, from start: Int, showsCASUnique: Bool
    ) -> Command {
        if let expiry = nextNumber(in: line, from: start, isSigned: true),
            let exptime = Int32(exactly: expiry.number)
        {
            return keys(line, from: expiry.end, showsCASUnique: showsCASUnique, exptime: exptime)
        }
        guard let exptime = nextWord(in: line, from: start),
            nextWord(in: line, from: exptime.end) != nil
        else { return .failure(Failure(.badFormat)) }
        return .failure(Failure(.invalidExptime))
    }

    // MARK: Meta commands

    @inline(__always)
    private static func meta(_ line: Span<UInt8>) -> Command? {
        guard line.count >= 2, line.count == 2 || line[2] == UInt8(ascii: " ") else { return nil }
        switch line[1] {
        case UInt8(ascii: "g"): return .meta(.get)
        case UInt8(ascii: "s"): return .meta(.set)
        case UInt8(ascii: "d"): return .meta(.delete)
        case UInt8(ascii: "a"): return .meta(.arithmetic)
        case UInt8(ascii: "e"): return .meta(.debug)
        case UInt8(ascii: "n"): return .noop
        default: return nil
        }
    }

    // MARK: Storage

    /// Word by word, without taking the whole line apart: the second most frequent line there is.
    @inline(__always)
    private static func storage(_ line: Span<UInt8>, first: UInt8) -> Command? {
        switch first {
        case UInt8(ascii: "s") where line.hasVerb("set"): return store(line, from: 3, .set)
        case UInt8(ascii: "a") where line.hasVerb("add"): return store(line, from: 3, .add)
        case UInt8(ascii: "a") where line.hasVerb("append"):
            return store(line, from: 6, .append)
        case UInt8(ascii: "c") where line.hasVerb("cas"): return store(line, from: 3, .cas(0))
        case UInt8(ascii: "r") where line.hasVerb("replace"):
            return store(line, from: 7, .replace)
        case UInt8(ascii: "p") where line.hasVerb("prepend"):
            return store(line, from: 7, .prepend)
        default: return nil
        }
    }

    private static func store(
        _ line: Span<UInt8>, from start: Int, _ verb: StoreHeader.Verb
    ) -> Command {
        guard let key = nextWord(in: line, from: start),
            key.count <= ProtocolLimits.keyByteCountMax,
            let flags = nextNumber(in: line, from: key.end),
            let clientFlags = UInt32(exactly: flags.number),
            let expiry = nextNumber(in: line, from: flags.end, isSigned: true),
            let exptime = storedExptime(expiry.number),
            let length = nextNumber(in: line, from: expiry.end),
            length.number <= ProtocolLimits.valueByteCountMax
        else { return storageMistake(line) }
        var verb = verb
        var isQuiet = false
        // There may be more, as there always is for `cas`.
        if length.end < line.count {
            isQuiet = Self.isQuiet(line, Words(line))
            if case .cas = verb {
                guard
                    let unique = nextWord(in: line, from: length.end).flatMap({
                        line.unsigned(at: $0)
                    })
                else { return storageMistake(line) }
                verb = .cas(unique)
            }
        } else if case .cas = verb {
            return storageMistake(line)
        }
        return .store(
            StoreHeader(
                verb: verb, key: key, clientFlags: clientFlags, exptime: exptime,
                valueByteCount: Int(length.number), isQuiet: isQuiet))
    }

    /// libmemcached 1.0.16 sends -1 as 4294967295: what fits 32 bits without a sign is the negative
    /// number that these bits are. Storage commands alone take it so.
    @inline(__always)
    private static func storedExptime(_ number: Int64) -> Int32? {
        guard number >= Int64(Int32.min), number <= Int64(UInt32.max) else { return nil }
        return Int32(truncatingIfNeeded: number)
    }

    /// How to go on after a storage command that is none.
    private static func storageMistake(_ line: Span<UInt8>) -> Command {
        let words = Words(line)
        guard let length = words[4].flatMap({ line.unsigned32(at: $0) }),
            length <= ProtocolLimits.valueByteCountMax
        else {
            // Nobody knows how long the data block is: what follows is read as commands. The error is
            // told even with `noreply`, which a line in pieces cannot claim to have.
            return .failure(Failure(.badFormat))
        }
        return .failure(
            Failure(
                .badFormat, recovery: .swallow(byteCount: Int(length) + 2),
                isQuiet: isQuiet(line, words)))
    }

    // MARK: One key

    /// `delete key [anything] [noreply]`. memcached 1.6.45 ignores any number of further words;
    /// libmemcached's `memccapable` wants an error for them, as 1.6.18 gave it.
    private static func delete(_ line: Span<UInt8>, _ words: Words) -> Command {
        guard words.count <= 4 else { return .failure(Failure(.badFormat)) }
        let isQuiet = isQuiet(line, words)
        guard let key = key(words) else {
            return .failure(Failure(.badFormat, isQuiet: isQuiet))
        }
        return .delete(key: key, isQuiet: isQuiet)
    }

    private static func touch(_ line: Span<UInt8>, _ words: Words) -> Command {
        guard let exptimeWord = words[2] else { return .failure(Failure(.badFormat)) }
        let isQuiet = isQuiet(line, words)
        guard let key = key(words) else {
            return .failure(Failure(.badFormat, isQuiet: isQuiet))
        }
        guard let exptime = line.signed32(at: exptimeWord) else {
            return .failure(Failure(.invalidExptime, isQuiet: isQuiet))
        }
        return .touch(key: key, exptime: exptime, isQuiet: isQuiet)
    }

    private static func arithmetic(
        _ line: Span<UInt8>, _ words: Words, increments: Bool
    ) -> Command {
        guard let deltaWord = words[2] else { return .failure(Failure(.badFormat)) }
        let isQuiet = isQuiet(line, words)
        guard let key = key(words) else {
            return .failure(Failure(.badFormat, isQuiet: isQuiet))
        }
        guard let delta = line.unsigned(at: deltaWord) else {
            return .failure(Failure(.invalidDelta, isQuiet: isQuiet))
        }
        return .arithmetic(key: key, delta: delta, increments: increments, isQuiet: isQuiet)
    }

    private static func key(_ words: Words) -> ByteRange? {
        guard let key = words[1], key.count <= ProtocolLimits.keyByteCountMax else { return nil }
        return key
    }

    /// `noreply` counts as the last word, whatever stands before it.
    static func isQuiet(_ line: Span<UInt8>, _ words: Words) -> Bool {
        words.count > 1 && line.holds("noreply", at: words.last)
    }

    // MARK: The node

    private static func administration(
        _ line: Span<UInt8>, _ words: Words, verb: ByteRange, knowsDebugtime: Bool
    ) -> Command {
        if line.holds("flush_all", at: verb) { return flushAll(line, words) }
        if line.holds("verbosity", at: verb) { return verbosity(line, words) }
        if line.holds("cache_memlimit", at: verb) { return cacheMemlimit(line, words) }
        if line.holds("shutdown", at: verb) {
            return .shutdown(shutdownMode(line, words), isQuiet: isQuiet(line, words))
        }
        if knowsDebugtime, line.holds("debugtime", at: verb) { return debugtime(line, words) }
        if let command = operatorCommand(line, words, verb: verb) { return command }
        // A browser, or somebody who makes one send commands: not a word to them.
        if words.count > 1, line.starts(with: "HTTP/", at: words.last.start) {
            return .failure(Failure(.error, recovery: .close))
        }
        return .failure(Failure(.error, isQuiet: isQuiet(line, words)))
    }

    private static func flushAll(_ line: Span<UInt8>, _ words: Words) -> Command {
        let isQuiet = isQuiet(line, words)
        let hasDelay = words.count != (isQuiet ? 2 : 1)
        return .flushAll(delay: hasDelay ? words[1] : nil, isQuiet: isQuiet)
    }

    private static func verbosity(_ line: Span<UInt8>, _ words: Words) -> Command {
        let isQuiet = isQuiet(line, words)
        guard let level = words[1].flatMap({ line.unsigned32(at: $0) }) else {
            return .failure(Failure(.badFormat, isQuiet: isQuiet))
        }
        return .verbosity(level: level, isQuiet: isQuiet)
    }

    private static func cacheMemlimit(_ line: Span<UInt8>, _ words: Words) -> Command {
        let isQuiet = isQuiet(line, words)
        guard let megabytes = words[1].flatMap({ line.unsigned32(at: $0) }) else {
            return .failure(Failure(.error, isQuiet: isQuiet))
        }
        return .cacheMemlimit(megabytes: megabytes, isQuiet: isQuiet)
    }

    private static func shutdownMode(_ line: Span<UInt8>, _ words: Words) -> ShutdownMode {
        guard let mode = words[1] else { return .immediate }
        return words.count == 2 && line.holds("graceful", at: mode) ? .graceful : .unknown
    }

    private static func debugtime(_ line: Span<UInt8>, _ words: Words) -> Command {
        guard let change = words[1] else { return .failure(Failure(.error)) }
        if line.holds("p", at: change) { return .debugtime(.pause) }
        if line.holds("r", at: change) { return .debugtime(.resume) }
        guard let seconds = line.signed32(at: change) else { return .failure(Failure(.error)) }
        return .debugtime(.advance(seconds: Int64(seconds)))
    }

    // MARK: Statistics

    private static func stats(_ line: Span<UInt8>, _ words: Words) -> Command {
        guard let page = words[1] else { return .stats(.general) }
        if line.holds("settings", at: page) { return .stats(.settings) }
        if line.holds("items", at: page) { return .stats(.items) }
        if line.holds("slabs", at: page) { return .stats(.slabs) }
        if line.holds("conns", at: page) { return .stats(.connections) }
        if line.holds("sizes", at: page) { return .stats(.sizes) }
        if line.holds("locks", at: page) { return .stats(.locks) }
        if line.holds("requests", at: page) { return .stats(.requests) }
        if line.holds("latency", at: page) { return .stats(.latency) }
        if line.holds("sessions", at: page) { return .stats(.sessions) }
        if line.holds("clients", at: page) { return .stats(.clients) }
        if line.holds("restarts", at: page) { return .stats(.restarts) }
        if line.holds("top", at: page) { return top(line, words) }
        if line.holds("reset", at: page) { return .stats(.reset) }
        if line.holds("detail", at: page) { return .stats(.detail(detail(line, words))) }
        if line.holds("cachedump", at: page) {
            return .stats(.cachedump(cachedump(line, words)))
        }
        return .failure(Failure(.error))
    }

    private static func top(_ line: Span<UInt8>, _ words: Words) -> Command {
        guard let word = words[2] else { return .stats(.top(.all)) }
        let text = line.extracting(word.range).withUnsafeBytes {
            String(decoding: $0, as: UTF8.self)
        }
        guard let question = StatsPage.TopWord(rawValue: text) else {
            return .failure(Failure(.statsTopUsage))
        }
        return .stats(.top(.one(question)))
    }

    private static func detail(_ line: Span<UInt8>, _ words: Words) -> StatsPage.Detail {
        guard let word = words[2] else { return .unknown }
        if line.holds("on", at: word) { return .on }
        if line.holds("off", at: word) { return .off }
        return line.holds("dump", at: word) ? .dump : .unknown
    }

    private static func cachedump(
        _ line: Span<UInt8>, _ words: Words
    ) -> StatsPage.Cachedump {
        guard let classWord = words[2], let limitWord = words[3] else {
            return .wrong(.badCommandLine)
        }
        guard let slabClass = line.unsigned32(at: classWord),
            let limit = line.unsigned32(at: limitWord)
        else { return .wrong(.badFormat) }
        return .keys(slabClass: slabClass, limit: limit)
    }
}
