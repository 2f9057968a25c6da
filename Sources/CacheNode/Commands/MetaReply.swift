import MemcacheProtocol
import SessionMap

/// What the flags of a meta command ask to be shown, in the order in which they stand in its line.
///
/// Source: doc/protocol.txt, "Meta Commands": of the flags, k O s t c f l h come back.
extension ReplyWriter {
    /// Room for a reply line: two letters and a length; each flag at most once, that is a key (in
    /// base64 a third longer), an opaque token and numbers; and what the node adds.
    static let metaLineByteCountMax = 16 + 2 * ProtocolLimits.keyByteCountMax + 32 + 8 * 22

    /// Shows what a retrieval asks of an item, in passing finding out what becomes of it.
    @inline(__always)
    mutating func write(
        retrieved hit: Hit, _ request: MetaRequest, line: Span<UInt8>, times: MetaTimes
    ) -> HitUse {
        var use = HitUse()
        use.claims = hit.isNew
        var deadline = hit.isNew ? .never : hit.deadline
        request.forEachFlag(in: line) { letter, word in
            switch letter {
            case UInt8(ascii: "T"):
                deadline = times.touch
                use.deadline = deadline
            case UInt8(ascii: "N"):
                guard hit.isNew else { break }
                deadline = times.vivify
                use.deadline = deadline
            case UInt8(ascii: "R"):
                let isDue = deadline != .never && deadline.seconds < times.recache.seconds
                if isDue, !hit.isNew, !hit.isClaimed { use.claims = true }
            case UInt8(ascii: "t"): write(secondsLeft: deadline.secondsLeft(at: times.now))
            case UInt8(ascii: "c"): write(" c", hit.casUnique)
            case UInt8(ascii: "f"): write(" f", UInt64(hit.clientFlags))
            case UInt8(ascii: "s"): write(" s", UInt64(hit.valueByteCount))
            case UInt8(ascii: "l"): write(" l", UInt64(hit.secondsSinceAccess))
            case UInt8(ascii: "h"): write(hit.wasFetched ? " h1" : " h0")
            case UInt8(ascii: "k"): write(keyOf: hit)
            case UInt8(ascii: "O"): write(opaque: line.extracting(word.range))
            default: break
            }
        }
        if hit.isClaimed { write(" Z") }
        if hit.isStale {
            write(" X")
            if !hit.isClaimed { use.claims = true }
        }
        if use.claims { write(" W") }
        return use
    }

    /// Shows what `ms` asks of the item that it has stored, or would have.
    @inline(__always)
    mutating func write(stored hit: Hit?, _ request: MetaRequest, line: Span<UInt8>) {
        request.forEachFlag(in: line) { letter, word in
            switch letter {
            case UInt8(ascii: "c"): write(" c", hit?.casUnique ?? 0)
            case UInt8(ascii: "s"):
                write(" s", UInt64(hit?.valueByteCount ?? request.valueByteCount))
            case UInt8(ascii: "k"): write(keyOf: request, line: line)
            case UInt8(ascii: "O"): write(opaque: line.extracting(word.range))
            default: break
            }
        }
    }

    /// Shows what `ma` asks of the number that it has written.
    mutating func write(
        counted hit: Hit, _ request: MetaRequest, line: Span<UInt8>, times: MetaTimes
    ) -> HitUse {
        var use = HitUse()
        var deadline = hit.isNew ? .never : hit.deadline
        request.forEachFlag(in: line) { letter, word in
            switch letter {
            case UInt8(ascii: "T"):
                deadline = times.touch
                use.deadline = deadline
            case UInt8(ascii: "N"):
                guard hit.isNew else { break }
                deadline = times.vivify
                use.deadline = deadline
            case UInt8(ascii: "t"): write(secondsLeft: deadline.secondsLeft(at: times.now))
            case UInt8(ascii: "c"): write(" c", hit.casUnique)
            case UInt8(ascii: "k"): write(keyOf: request, line: line)
            case UInt8(ascii: "O"): write(opaque: line.extracting(word.range))
            default: break
            }
        }
        return use
    }

    /// Shows what can be shown without an item: the key and the opaque token.
    mutating func write(echoesOf request: MetaRequest, line: Span<UInt8>) {
        request.forEachFlag(in: line) { letter, word in
            switch letter {
            case UInt8(ascii: "k"): write(keyOf: request, line: line)
            case UInt8(ascii: "O"): write(opaque: line.extracting(word.range))
            default: break
            }
        }
    }

    // MARK: One flag

    @inline(__always)
    private mutating func write(_ flag: StaticString, _ number: UInt64) {
        write(flag)
        write(decimal: number)
    }

    @inline(__always)
    private mutating func write(secondsLeft: UInt32?) {
        if let secondsLeft { write(" t", UInt64(secondsLeft)) } else { write(" t-1") }
    }

    private mutating func write(opaque word: Span<UInt8>) {
        write(" ")
        write(word)
    }

    /// The key as it was sent.
    private mutating func write(keyOf request: MetaRequest, line: Span<UInt8>) {
        write(" k")
        write(line.extracting(request.key.range))
        if request.flags.has(.encodedKey) { write(" b") }
    }

    /// The key as it was sent by the client that stored the item.
    private mutating func write(keyOf hit: Hit) {
        write(" k")
        write(bareKeyOf: hit)
        if hit.hasEncodedKey { write(" b") }
    }

    mutating func write(bareKeyOf hit: Hit) {
        guard hit.hasEncodedKey else { return hit.copyKey(into: skip(hit.keyByteCount)) }
        var target = skip(Base64.encodedByteCount(ofByteCount: hit.keyByteCount))
        hit.withKey { key in
            Base64.encode(key.bindMemory(to: UInt8.self).span) { byte in
                target[0] = byte
                target = UnsafeMutableRawBufferPointer(rebasing: target[1...])
            }
        }
    }

    private mutating func write(_ bytes: Span<UInt8>) {
        let target = skip(bytes.count)
        bytes.withUnsafeBytes { target.copyMemory(from: $0) }
    }
}

extension MetaRequest {
    /// Calls `body` with each flag's letter and its whole word, in order.
    @inline(__always)
    fileprivate func forEachFlag(
        in line: Span<UInt8>, _ body: (_ letter: UInt8, _ word: ByteRange) -> Void
    ) {
        var position = flagsStart
        while let word = nextWord(in: line, from: position) {
            body(line[word.start], word)
            position = word.end
        }
    }
}

/// The deadlines that a meta command's exptimes stand for; never, where there is none.
struct MetaTimes {
    let now: UInt32
    /// `T`
    private(set) var touch = Deadline.never
    /// `N`
    private(set) var vivify = Deadline.never
    /// `R`: an item that expires before this is to be made anew.
    private(set) var recache = Deadline.never

    @inline(__always)
    init(_ request: MetaRequest, rule: ExptimeRule, now: Moment) {
        self.now = now.seconds
        let flags = request.flags
        if flags.has(.exptime) { touch = rule.deadline(request.exptime, now: now) }
        if flags.has(.vivify) { vivify = rule.deadline(request.vivifyExptime, now: now) }
        if flags.has(.recache) { recache = rule.deadline(request.recacheExptime, now: now) }
    }
}
