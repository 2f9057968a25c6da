#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// `lru`, `lru_crawler`, `slabs`, `watch`, `refresh_certs` and `config`.
///
/// Sub-commands are whole words; memcached 1.6.45 takes any beginning of one for it.
extension CommandParser {
    /// The command of a line with one of these verbs; nothing for others.
    static func operatorCommand(
        _ line: Span<UInt8>, _ words: Words, verb: ByteRange
    ) -> Command? {
        let command: OperatorCommand
        if line.holds("lru", at: verb) {
            command = lru(line, words)
        } else if line.holds("lru_crawler", at: verb) {
            command = crawler(line, words)
        } else if line.holds("slabs", at: verb) {
            command = slabs(line, words)
        } else if line.holds("refresh_certs", at: verb) {
            command = .refreshCertificates
        } else if line.holds("config", at: verb) {
            command = configuration(line, words)
        } else if line.holds("watch", at: verb) {
            // The one that does not know `noreply`: it would be an event.
            return .operate(watch(line, after: verb), isQuiet: false)
        } else {
            return nil
        }
        return .operate(command, isQuiet: isQuiet(line, words))
    }

    private static func configuration(_ line: Span<UInt8>, _ words: Words) -> OperatorCommand {
        guard words.count == 3, let what = words[1], let name = words[2],
            line.holds("get", at: what)
        else { return .refused(.error) }
        if line.holds("cluster", at: name) { return .showCluster }
        return line.holds("definition", at: name) ? .showDefinition : .refused(.error)
    }

    // MARK: lru

    private static func lru(_ line: Span<UInt8>, _ words: Words) -> OperatorCommand {
        guard let what = words[1], let first = words[2] else { return .refused(.error) }
        if line.holds("tune", at: what) { return tuneSegments(line, words) }
        if line.holds("mode", at: what) {
            if line.holds("flat", at: first) { return .tune(.isSegmented(false)) }
            if line.holds("segmented", at: first) { return .tune(.isSegmented(true)) }
        } else if line.holds("temp_ttl", at: what), let ttl = line.signed32(at: first) {
            return .tune(.temporaryTTL(ttl))
        }
        return .refused(.error)
    }

    private static func tuneSegments(_ line: Span<UInt8>, _ words: Words) -> OperatorCommand {
        guard let hotPercent = words[2].flatMap({ line.unsigned32(at: $0) }),
            let warmPercent = words[3].flatMap({ line.unsigned32(at: $0) }),
            let hotFactor = words[4].flatMap({ line.double(at: $0) }),
            let warmFactor = words[5].flatMap({ line.double(at: $0) })
        else { return .refused(.error) }
        guard UInt64(hotPercent) + UInt64(warmPercent) <= 80 else {
            return .refused(.tooMuchHotAndWarm)
        }
        guard hotFactor > 0, warmFactor > 0 else { return .refused(.badAgeFactors) }
        return .tune(
            .segments(
                hotPercent: hotPercent, warmPercent: warmPercent, hotFactor: hotFactor,
                warmFactor: warmFactor))
    }

    // MARK: slabs

    private static func slabs(_ line: Span<UInt8>, _ words: Words) -> OperatorCommand {
        guard let what = words[1] else { return .refused(.error) }
        if line.holds("reassign", at: what), words.count == 4 {
            guard let source = words[2].flatMap({ line.signed32(at: $0) }),
                let target = words[3].flatMap({ line.signed32(at: $0) })
            else { return .refused(.badFormat) }
            return .reassign(source: source, target: target)
        }
        guard line.holds("automove", at: what), let how = words[2] else {
            return .refused(.error)
        }
        let ratio = words[3].flatMap { line.double(at: $0) }
        if line.holds("ratio", at: how) {
            return ratio.map { .tune(.automoveRatio($0)) } ?? .refused(.error)
        }
        if line.holds("freeratio", at: how) {
            return ratio.map { .tune(.automoveFreeRatio($0)) } ?? .refused(.error)
        }
        if line.holds("window", at: how) {
            guard let seconds = words[3].flatMap({ line.unsigned32(at: $0) }) else {
                return .refused(.badFormat)
            }
            return (3...1_800).contains(seconds)
                ? .tune(.automoveWindow(seconds)) : .refused(.badWindow)
        }
        guard let level = line.unsigned32(at: how) else { return .refused(.badFormat) }
        return level <= 2 ? .tune(.automove(level)) : .refused(.error)
    }

    // MARK: lru_crawler

    private static func crawler(_ line: Span<UInt8>, _ words: Words) -> OperatorCommand {
        guard let what = words[1] else { return .refused(.error) }
        if words.count == 2 {
            if line.holds("enable", at: what) { return .enableCrawler }
            return line.holds("disable", at: what) ? .disableCrawler : .refused(.error)
        }
        guard words.count == 3, let argument = words[2] else { return .refused(.error) }
        if line.holds("crawl", at: what) { return .crawl(selection(line, argument)) }
        if line.holds("metadump", at: what) {
            return .dump(.metadata, selection(line, argument))
        }
        if line.holds("mgdump", at: what) { return .dump(.commands, selection(line, argument)) }
        let isSleep = line.holds("sleep", at: what)
        guard isSleep || line.holds("tocrawl", at: what) else { return .refused(.error) }
        guard let number = line.unsigned32(at: argument) else { return .refused(.badFormat) }
        if !isSleep { return .tune(.crawlerItemCount(number)) }
        return number <= 1_000_000
            ? .tune(.crawlerSleepMicroseconds(number)) : .refused(.sleepTooLong)
    }

    /// `all`, `hash`, or numbers of classes with commas between them.
    private static func selection(_ line: Span<UInt8>, _ word: ByteRange) -> ItemSelection {
        if line.holds("all", at: word) { return .all }
        if line.holds("hash", at: word) { return .hash }
        var classes: UInt64 = 0
        var start = word.start
        while start < word.end {
            var end = start
            while end < word.end, line[end] != UInt8(ascii: ",") { end += 1 }
            if end > start {
                let digits = ByteRange(start: start, count: end - start)
                guard let number = line.unsigned32(at: digits),
                    ItemSelection.classNumbers.contains(Int(number))
                else { return .badClass }
                classes |= 1 << UInt64(number)
            }
            start = end + 1
        }
        return classes == 0 ? .none : .classes(classes)
    }

    // MARK: watch

    private static func watch(_ line: Span<UInt8>, after verb: ByteRange) -> OperatorCommand {
        var events: WatchedEvents = []
        var position = verb.end
        while let word = nextWord(in: line, from: position) {
            position = word.end
            guard let event = event(line, word) else { return .watch(nil) }
            events.insert(event)
        }
        return .watch(events.isEmpty ? .fetchers : events)
    }

    private static func event(_ line: Span<UInt8>, _ word: ByteRange) -> WatchedEvents? {
        if line.holds("fetchers", at: word) { return .fetchers }
        if line.holds("mutations", at: word) { return .mutations }
        if line.holds("evictions", at: word) { return .evictions }
        if line.holds("connevents", at: word) { return .connections }
        if line.holds("deletions", at: word) { return .deletions }
        let isForeign =
            line.holds("sysevents", at: word) || line.holds("rawcmds", at: word)
            || line.holds("proxyreqs", at: word) || line.holds("proxyevents", at: word)
            || line.holds("proxyuser", at: word)
        return isForeign ? .foreign : nil
    }
}

extension Span where Element == UInt8 {
    /// A number with a fraction, as the C library reads it, of at most 31 bytes.
    fileprivate func double(at range: ByteRange) -> Double? {
        guard range.count > 0, range.count < 32 else { return nil }
        var text = InlineArray<32, CChar>(repeating: 0)
        for index in 0..<range.count {
            text[index] = CChar(bitPattern: self[range.start + index])
        }
        return text.span.withUnsafeBufferPointer { text -> Double? in
            guard let start = text.baseAddress else { return nil }
            var end: UnsafeMutablePointer<CChar>?
            let number = strtod(start, &end)
            guard let end, end - UnsafeMutablePointer(mutating: start) == range.count else {
                return nil
            }
            return number
        }
    }
}
