/// A conversation with a node as it is written in a file of `Tests/Transcripts`.
///
///     # comment                   ! flags of the node, before anything else
///                                 !s flags of this project's node alone, behind them
///     > TEXT    send with CR LF   >> TEXT   send as it is
///     < TEXT    expect a line     << TEXT   expect bytes       <n   nothing may arrive
///     <* TEXT   skip lines until this one
///     >b NAME FIELD ...           <b NAME FIELD ...   binary packets: see `TranscriptPacket`
///     + NAME N ...   counters changed by so much since the last time   += NAME VALUE   its value
///     ~ Ns      move the clock    @b   another connection   = closed   = half-close
///     = watches                   this project's node goes on telling it when it half-closes
///     differs: memcached REASON   from here on `<s`, `+s`, `=s` hold for this project's node alone
///                                 and `<o`, `+o`, `=o` for memcached
///     oracle: skip REASON         memcached is not asked at all
///
/// In a text: `\r \n \\ \{ \xNN` are bytes, `{x*N}` is a repetition, `{name}` a decimal number that
/// is captured and then reused, `{*}` the rest of the line.
package struct Transcript: Sendable {
    /// Whom a line is about.
    package enum Side: Sendable {
        case oracle, own
    }

    package enum Segment: Equatable, Sendable {
        case literal([UInt8])
        case number(String)
        /// The number of that name in 8 bytes.
        case bigEndian(String)
        case anything(byteCount: Int)
        case restOfLine
    }

    package enum Action: Sendable {
        case send([Segment])
        case expect([Segment])
        case skip(to: [Segment])
        case expectNothing
        case expectClosed
        case endSending
        case watches
        case connection(String)
        case changes([(name: String, amount: Int)])
        case value(name: String, text: String)
        case clock(seconds: Int)
    }

    package struct Step: Sendable {
        package var line: Int
        /// Nothing is both.
        package var side: Side?
        package var action: Action
    }

    package let name: String
    package internal(set) var flags: [String] = []
    /// Flags that memcached does not know.
    package internal(set) var ownFlags: [String] = []
    /// Why memcached is not asked.
    package internal(set) var oracleSkip: String?
    package internal(set) var steps: [Step] = []

    package var movesClock: Bool {
        steps.contains { if case .clock = $0.action { true } else { false } }
    }

    /// Whether a reply is expected to tell a time in seconds: `t100`, `l0`, `exp=100`, `la=0`. It is
    /// another one if a second ends between two commands.
    package var tellsSeconds: Bool {
        steps.contains { step in
            switch step.action {
            case .expect(let segments), .skip(let segments):
                segments.contains { segment in
                    guard case .literal(let bytes) = segment else { return false }
                    return String(decoding: bytes, as: UTF8.self)
                        .split(whereSeparator: \.isWhitespace).contains(where: Self.isTime)
                }
            default: false
            }
        }
    }

    package var needsClockStopped: Bool { movesClock || tellsSeconds }

    private static func isTime(_ word: Substring) -> Bool {
        ["t", "l", "exp=", "la="].contains { prefix in
            guard word.hasPrefix(prefix) else { return false }
            let number = word.dropFirst(prefix.count)
            return !number.isEmpty && number.allSatisfy { "0"..."9" ~= $0 }
        }
    }

    package var readsCounters: Bool {
        steps.contains {
            switch $0.action {
            case .changes, .value: true
            default: false
            }
        }
    }

    package init(name: String, text: String) throws(TranscriptFailure) {
        var reader = TranscriptReader(name: name)
        try reader.read(Array(text.utf8))
        self = reader.transcript
    }

    init(name: String) { self.name = name }
}

/// What is wrong with a transcript or with what a node answers to it.
package struct TranscriptFailure: Error, CustomStringConvertible {
    package var name: String
    package var line: Int
    package var reason: String

    package init(name: String, line: Int, _ reason: String) {
        self.name = name
        self.line = line
        self.reason = reason
    }

    package var description: String { "\(name):\(line): \(reason)" }
}
