import Glibc
import MemcacheProtocol

/// Reading replies, and comparing them with what they must be.
extension Conversation {
    /// Takes bytes as they come, in parts of any size.
    func receive(_ bytes: UnsafeRawBufferPointer, at now: UInt64, second: UInt32) {
        var rest = bytes
        while rest.count > 0, !hasLostStep {
            if block != nil {
                rest = readBlock(rest, now, second)
            } else if context.wire == .echo {
                beginEcho(rest)
            } else {
                rest = readLine(rest, now, second)
            }
        }
    }

    /// The connection has ended, for a reason that is still to be counted or is already.
    func noteEnd(_ fault: Fault?, _ example: @autoclosure () -> String) {
        let unanswered = unansweredCount
        if fault == .closed, isWithinReply {
            tally.note(.cut, "the connection ended within a reply to \(headText)")
        } else if let fault {
            tally.note(fault, example())
        }
        tally.note(
            .unanswered, count: unanswered,
            "\(unanswered) requests had no reply when their connection ended")
    }

    // MARK: Lines

    private func readLine(
        _ bytes: UnsafeRawBufferPointer, _ now: UInt64, _ second: UInt32
    ) -> UnsafeRawBufferPointer {
        guard let base = bytes.baseAddress,
            let found = memchr(base, Int32(UInt8(ascii: "\n")), bytes.count)
        else {
            keepPartialLine(bytes)
            return UnsafeRawBufferPointer(rebasing: bytes[bytes.count...])
        }
        let count = UnsafeRawPointer(found) - base + 1
        let rest = UnsafeRawBufferPointer(rebasing: bytes[count...])
        let line = UnsafeRawBufferPointer(rebasing: bytes[..<count])
        if partialLine.isEmpty {
            take(line, now, second)
        } else {
            keepPartialLine(line)
            guard !hasLostStep else { return rest }
            let whole = partialLine
            partialLine.removeAll(keepingCapacity: true)
            whole.withUnsafeBytes { take($0, now, second) }
        }
        return rest
    }

    private func keepPartialLine(_ bytes: UnsafeRawBufferPointer) {
        let room = ReplyLineEnd.lineByteCountMax - partialLine.count
        guard bytes.count <= room else {
            return loseStep(
                .wrongReply,
                "expected a line for \(headText), came more than "
                    + "\(ReplyLineEnd.lineByteCountMax) bytes without its end")
        }
        partialLine.append(contentsOf: bytes)
    }

    /// - Parameter bytes: a line with its end.
    private func take(_ bytes: UnsafeRawBufferPointer, _ now: UInt64, _ second: UInt32) {
        guard bytes.count >= 2, bytes[bytes.count - 2] == UInt8(ascii: "\r") else {
            return loseStep(
                .wrongReply, "a line that does not end with CR LF: \(printable(bytes))")
        }
        let text = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - 2)])
        let span = text.assumingMemoryBound(to: UInt8.self).span
        guard !outstanding.isEmpty else {
            return loseStep(.wrongReply, "nothing was asked, came \(printable(text))")
        }
        let line = ReplyLine(span)
        if outstanding[0].isQuiet, !Self.isRefusal(line) { finishQuiet(now) }
        take(line, text, now, second)
    }

    private func take(
        _ line: ReplyLine, _ text: UnsafeRawBufferPointer, _ now: UInt64, _ second: UInt32
    ) {
        let request = outstanding[0]
        switch (line, request.verb) {
        case (.value(let key, _, let count), .get), (.value(let key, _, let count), .gat):
            beginValue(of: text, key, count, request, second)
        case (.metaValue(let count, let flagsStart), .get),
            (.metaValue(let count, let flagsStart), .gat):
            if request.askedCount == 1 {
                beginBlock(asked[0], count)
            } else if let key = ReplyLine.token(
                of: UInt8(ascii: "k"), in: text.assumingMemoryBound(to: UInt8.self).span,
                from: flagsStart)
            {
                beginValue(of: text, key, count, request, second)
            } else {
                loseStep(.wrongReply, "expected a key in \(printable(text))")
            }
        case (.end, .get), (.end, .gat): finishRetrieval(now, second)
        case (.metaNoop, .get) where request.askedCount > 1: finishRetrieval(now, second)
        case (.metaMiss, .get) where request.askedCount == 1, (.metaMiss, .gat),
            (.metaMiss, .touch):
            finishRetrieval(now, second)
        case (.touched, .touch), (.metaDone, .touch), (.deleted, .delete),
            (.metaDone, .delete):
            noteHit(asked[0])
            finish(now)
        case (.notFound, .touch), (.notFound, .delete), (.metaNotFound, .delete):
            finishRetrieval(now, second)
        case (.stored, .set), (.metaDone, .set), (.metaNoop, .noop): finish(now)
        default: takeOther(line, text, now)
        }
    }

    /// A line that a quiet command may be answered with, too.
    private static func isRefusal(_ line: ReplyLine) -> Bool {
        switch line {
        case .notStored, .exists, .metaNotStored, .metaExists: true
        default: line.isError
        }
    }

    /// Errors, and what is no reply to the oldest request.
    private func takeOther(_ line: ReplyLine, _ text: UnsafeRawBufferPointer, _ now: UInt64) {
        guard Self.isRefusal(line) else {
            return loseStep(
                .wrongReply, "expected a reply to \(headText), came \(printable(text))")
        }
        tally.note(.refused, "\(headText) was answered \(printable(text))")
        head.isRight = false
        finish(now)
    }

    // MARK: Values

    /// Values come in the order in which they were asked for, those of misses left out.
    private func beginValue(
        of line: UnsafeRawBufferPointer, _ key: ByteRange, _ count: Int, _ request: Outstanding,
        _ second: UInt32
    ) {
        var place = head.askedCount
        while place < request.askedCount {
            if isKey(asked[place].key, line, key) {
                for missed in head.askedCount..<place { noteMiss(asked[missed], second) }
                head.askedCount = place
                return beginBlock(asked[place], count)
            }
            place += 1
        }
        tally.note(.wrongKey, "expected a value of \(headText), came \(printable(line))")
        head.isRight = false
        block = Block(
            asked: Asked(key: 0), offset: 0, count: count, endCount: 2, isRight: false)
    }

    private func isKey(_ number: UInt64, _ line: UnsafeRawBufferPointer, _ key: ByteRange) -> Bool {
        withUnsafeTemporaryAllocation(
            of: UInt8.self, capacity: ProtocolLimits.keyByteCountMax
        ) { scratch in
            guard let base = scratch.baseAddress, let text = line.baseAddress else { return false }
            let count = context.keys.write(number, to: base)
            return count == key.count && memcmp(base, text + key.start, count) == 0
        }
    }

    private func beginBlock(_ asked: Asked, _ count: Int) {
        let expected = context.values.byteCount(asked.key, asked.revision)
        let isRight = count == expected
        if !isRight {
            tally.note(
                .wrongValue,
                "\(headText): expected a value of \(expected) bytes, came one of \(count)")
            head.isRight = false
        }
        noteHit(asked)
        head.askedCount += 1
        block = Block(asked: asked, offset: 0, count: count, endCount: 2, isRight: isRight)
    }

    private func beginEcho(_ bytes: UnsafeRawBufferPointer) {
        guard !outstanding.isEmpty else {
            return loseStep(.wrongReply, "nothing was sent, came \(printable(bytes))")
        }
        let asked = asked[0]
        let count = context.values.byteCount(asked.key, asked.revision)
        block = Block(asked: asked, offset: 0, count: count, endCount: 0, isRight: true)
    }

    private func readBlock(
        _ bytes: UnsafeRawBufferPointer, _ now: UInt64, _ second: UInt32
    ) -> UnsafeRawBufferPointer {
        guard var block else { return bytes }
        var used = min(bytes.count, max(0, block.count - block.offset))
        if used > 0 {
            if block.isRight {
                let part = UnsafeRawBufferPointer(rebasing: bytes[..<used])
                compare(part, &block)
            }
            block.offset += used
        }
        while used < bytes.count, block.offset < block.count + block.endCount {
            let expected = UInt8(ascii: block.offset == block.count ? "\r" : "\n")
            guard bytes[used] == expected else {
                loseStep(
                    .wrongReply,
                    "\(headText): expected the value's end after \(block.count) bytes, "
                        + "came \(printable(bytes[used...]))")
                return bytes
            }
            used += 1
            block.offset += 1
        }
        self.block = block
        if block.offset == block.count + block.endCount { finishBlock(now, second) }
        return UnsafeRawBufferPointer(rebasing: bytes[used...])
    }

    private func compare(_ bytes: UnsafeRawBufferPointer, _ block: inout Block) {
        let isRight = context.values.matches(
            block.asked.key, block.asked.revision, from: block.offset, bytes)
        guard !isRight else { return }
        block.isRight = false
        head.isRight = false
        tally.note(
            .wrongValue,
            "\(headText): a value of the right length, other than expected from byte "
                + "\(block.offset) on: \(printable(bytes))")
    }

    private func finishBlock(_ now: UInt64, _ second: UInt32) {
        block = nil
        let request = outstanding[0]
        // The end of a classic retrieval is a line of its own, and so is that of several `mg`.
        guard context.wire == .echo || context.wire == .meta && request.askedCount == 1 else {
            return
        }
        finish(now)
    }

    // MARK: Ends of replies

    /// The keys that no value has come for were not found.
    private func finishRetrieval(_ now: UInt64, _ second: UInt32) {
        for place in head.askedCount..<Int(outstanding[0].askedCount) {
            noteMiss(asked[place], second)
        }
        finish(now)
    }

    private func noteHit(_ asked: Asked) {
        head.hits += 1
        guard asked.presence == .absent else { return }
        tally.note(.returned, "\(headText) was found, though it had been deleted")
        head.isRight = false
    }

    private func noteMiss(_ asked: Asked, _ second: UInt32) {
        head.misses += 1
        let wasCertain = asked.presence.isCertain(at: second)
        if wasCertain {
            tally.note(.missing, "\(headText) was not found, though it had been stored")
            if !context.toleratesMisses { head.isRight = false }
        }
        source.noteMiss(asked, outstanding[0].operation, wasCertain: wasCertain)
    }

    private func finish(_ now: UInt64) {
        let request = outstanding[0]
        if request.verb != .noop {
            if head.hits + head.misses > 0 {
                tally.noteFound(request.operation, hits: head.hits, misses: head.misses)
            }
            if head.isRight {
                tally.noteRight(request.operation, since: request.since, at: now)
            }
        }
        asked.removeFirst(Int(request.askedCount))
        outstanding.removeFirst()
        head = HeadProgress()
    }

    /// A later request has been answered: the quiet ones before it were carried out. There always is
    /// one, since `mn` ends every row of them.
    private func finishQuiet(_ now: UInt64) {
        while outstanding.count > 1, outstanding[0].isQuiet { finish(now) }
    }

    // MARK: Words

    /// The oldest request, for a message.
    private var headText: String {
        guard !outstanding.isEmpty else { return "nothing" }
        let request = outstanding[0]
        guard request.askedCount > 0 else { return "mn" }
        let place = min(head.askedCount, Int(request.askedCount) - 1)
        let key = String(decoding: context.keys.key(asked[place].key), as: UTF8.self)
        return context.wire == .echo ? "echo" : "\(request.operation.name) \(key)"
    }
}

/// The first bytes, for a message.
func printable(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes.prefix(60) {
        text.unicodeScalars.append((0x20..<0x7F).contains(byte) ? Unicode.Scalar(byte) : ".")
    }
    return "\"\(text)\""
}
