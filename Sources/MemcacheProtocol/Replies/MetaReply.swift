/// The reply to a meta command: two letters, and of what its flags ask for, as much as it has.
///
/// The flags come back in the order in which they stand in the request's line.
///
/// Source: doc/protocol.txt, "Meta Commands": of the flags, k O s t c f l h come back.
package struct MetaReply {
    package enum Code: Equatable, Sendable {
        /// `HD`
        case done
        /// `VA` and the value's length; the value follows the line.
        case value
        /// `EN`
        case miss
        /// `NF`, `NS`, `EX`
        case notFound, notStored, exists
    }

    /// The key, with the flag `k`.
    package enum KeyForm: Sendable {
        case asSent
        /// As the client sent it that stored the item.
        case asStored(isEncoded: Bool)
    }

    /// Room for a line: two letters and a length; each flag at most once, that is a key (in base64 a
    /// third longer), an opaque token and numbers; and what the node adds.
    package static let byteCountMax = 16 + 2 * ProtocolLimits.keyByteCountMax + 32 + 8 * 22

    /// What comes back where there is no item.
    package static let echoes: MetaFlags = [.showsKey, .opaque]
    /// What comes back of `mg`.
    package static let ofRetrieval: MetaFlags = [
        .showsKey, .opaque, .showsTime, .showsUnique, .showsClientFlags, .showsSize, .showsAccess,
        .showsFetched,
    ]
    /// What comes back of `ms`.
    package static let ofStorage: MetaFlags = [.showsKey, .opaque, .showsUnique, .showsSize]
    /// What comes back of `ma`.
    package static let ofArithmetic: MetaFlags = [.showsKey, .opaque, .showsUnique, .showsTime]

    package var code: Code
    /// Of the flags in the line, those that come back.
    package var shown: MetaFlags
    package var keyForm = KeyForm.asSent
    package var casUnique: UInt64 = 0
    package var clientFlags: UInt32 = 0
    package var valueByteCount = 0
    /// Until the item expires; none is never. A `t` is answered with what it is by then: a `T` in front
    /// of it, or an `N` of an item that was made, has changed it.
    package var secondsLeft: UInt32?
    package var secondsLeftTouched: UInt32?
    package var secondsLeftVivified: UInt32?
    package var secondsSinceAccess: UInt32 = 0
    package var wasFetched = false
    /// The item was made by this command.
    package var isNew = false
    /// `Z`: another client has been told to make a new value.
    package var isClaimed = false
    /// `X`
    package var isStale = false
    /// `W`: this client is to make a new value.
    package var claims = false

    package init(_ code: Code, shown: MetaFlags = MetaReply.echoes) {
        self.code = code
        self.shown = shown
    }

    /// - Parameters:
    ///   - line: the request's, without its end.
    ///   - key: the item's, decoded; looked at only where it is shown as stored.
    package func encode(
        _ request: MetaRequest, line: Span<UInt8>, key: Span<UInt8>, to writer: inout ReplyWriter
    ) {
        writeCode(to: &writer)
        var secondsLeft = secondsLeft
        var position = request.flagsStart
        while let word = nextWord(in: line, from: position) {
            position = word.end
            switch line[word.start] {
            case UInt8(ascii: "T"): secondsLeft = secondsLeftTouched
            case UInt8(ascii: "N"): if isNew { secondsLeft = secondsLeftVivified }
            case let letter:
                guard let flag = MetaFlags(letter: letter), shown.has(flag) else { continue }
                write(
                    flag, word, request, line: line, key: key, secondsLeft: secondsLeft,
                    to: &writer)
            }
        }
        if isClaimed { writer.write(" Z") }
        if isStale { writer.write(" X") }
        if claims { writer.write(" W") }
        writer.write("\r\n")
    }

    private func writeCode(to writer: inout ReplyWriter) {
        switch code {
        case .done: writer.write("HD")
        case .value:
            writer.write("VA ")
            writer.write(decimal: UInt64(valueByteCount))
        case .miss: writer.write("EN")
        case .notFound: writer.write("NF")
        case .notStored: writer.write("NS")
        case .exists: writer.write("EX")
        }
    }

    @inline(__always)
    private func write(
        _ flag: MetaFlags, _ word: ByteRange, _ request: MetaRequest, line: Span<UInt8>,
        key: Span<UInt8>, secondsLeft: UInt32?, to writer: inout ReplyWriter
    ) {
        switch flag {
        case .showsTime:
            if let secondsLeft {
                writer.write(" t", UInt64(secondsLeft))
            } else {
                writer.write(" t-1")
            }
        case .showsUnique: writer.write(" c", casUnique)
        case .showsClientFlags: writer.write(" f", UInt64(clientFlags))
        case .showsSize: writer.write(" s", UInt64(valueByteCount))
        case .showsAccess: writer.write(" l", UInt64(secondsSinceAccess))
        case .showsFetched: writer.write(wasFetched ? " h1" : " h0")
        case .showsKey: write(keyOf: request, line: line, key: key, to: &writer)
        case .opaque:
            writer.write(" ")
            writer.write(line.extracting(word.range))
        default: break
        }
    }

    private func write(
        keyOf request: MetaRequest, line: Span<UInt8>, key: Span<UInt8>,
        to writer: inout ReplyWriter
    ) {
        writer.write(" k")
        switch keyForm {
        case .asSent:
            writer.write(line.extracting(request.key.range))
            if request.flags.has(.encodedKey) { writer.write(" b") }
        case .asStored(let isEncoded):
            writer.write(metaKey: key, isEncoded: isEncoded)
            if isEncoded { writer.write(" b") }
        }
    }
}

extension ReplyWriter {
    @inline(__always)
    mutating func write(_ text: StaticString, _ number: UInt64) {
        write(text)
        write(decimal: number)
    }
}
