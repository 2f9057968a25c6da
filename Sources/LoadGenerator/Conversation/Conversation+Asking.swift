import Glibc
import MemcacheProtocol

/// Drawing requests, and writing them down.
extension Conversation {
    /// Beyond it nothing more is written down until some is sent.
    static let outputByteCountHigh = 65_536

    /// Wants `count` more requests. Call `prepare` before sending.
    func ask(_ count: Int, since: UInt64, second: UInt32) {
        wanted += count
        wantedSince = since
        draw(at: second)
    }

    /// Writes down more of what is wanted, if there is room, and ends a row of quiet requests.
    func prepare(at second: UInt32) {
        draw(at: second)
        guard quietCount > 0, wanted == 0, valueCursor == nil else { return }
        output.append("mn\r\n")
        outstanding.append(
            Outstanding(
                operation: .set, verb: .noop, isQuiet: false, askedCount: 0, since: wantedSince))
        quietCount = 0
    }

    private func draw(at second: UInt32) {
        while output.count < Self.outputByteCountHigh {
            if valueCursor != nil {
                writeValue()
            } else {
                guard wanted > 0 else { return }
                let askedBefore = asked.count
                guard let request = source.draw(at: second, into: &asked) else {
                    isExhausted = true
                    wanted = 0
                    return
                }
                wanted -= 1
                write(request, askedBefore: askedBefore)
            }
        }
    }

    private func write(_ request: Request, askedBefore: Int) {
        let count = asked.count - askedBefore
        let verb = request.operation.verb
        outstanding.append(
            Outstanding(
                operation: request.operation, verb: verb, isQuiet: request.isQuiet,
                askedCount: UInt32(count), since: wantedSince))
        let first = asked[askedBefore]
        switch context.wire {
        case .text: writeClassic(request, verb, first, askedBefore)
        case .meta: writeMeta(request, verb, first, askedBefore)
        case .echo: break
        }
        if request.isQuiet { quietCount += 1 }
        if verb == .set || verb == .echo {
            valueCursor = ValueCursor(
                key: first.key, revision: first.revision, offset: 0,
                count: context.values.byteCount(first.key, first.revision))
            writeValue()
        }
    }

    private func writeClassic(
        _ request: Request, _ verb: Verb, _ first: Asked, _ askedBefore: Int
    ) {
        let line: ClassicLine
        switch verb {
        case .get: line = .get
        case .gat: line = .gat(exptime: request.exptime)
        case .touch: line = .touch(exptime: request.exptime)
        case .delete: line = .delete
        case .set:
            line = .set(
                exptime: request.exptime,
                valueByteCount: context.values.byteCount(first.key, first.revision))
        case .echo, .noop: return
        }
        let count = asked.count - askedBefore
        let byteCountMax = ClassicLine.byteCountMax + count * (1 + context.keys.byteCountMax)
        output.append(atMost: byteCountMax) { writer in
            line.encode(to: &writer, keyCount: count) { number, writer in
                context.keys.write(asked[askedBefore + number].key, to: &writer)
            }
        }
    }

    private func writeMeta(
        _ request: Request, _ verb: Verb, _ first: Asked, _ askedBefore: Int
    ) {
        var line = MetaLine(.get)
        switch verb {
        case .set:
            line.verb = .set
            line.valueByteCount = context.values.byteCount(first.key, first.revision)
            if request.exptime != 0 { line.exptime = request.exptime }
            if request.isQuiet { line.flags = .quiet }
        case .get where asked.count - askedBefore > 1:
            line.flags = [.showsKey, .value, .quiet]
            for place in askedBefore..<asked.count { write(line, asked[place].key) }
            output.append("mn\r\n")
            return
        case .get: line.flags = .value
        case .gat:
            line.exptime = request.exptime
            line.flags = .value
        case .touch: line.exptime = request.exptime
        case .delete: line.verb = .delete
        case .echo, .noop: return
        }
        write(line, first.key)
    }

    private func write(_ line: MetaLine, _ key: UInt64) {
        output.append(atMost: MetaLine.byteCountMax) { writer in
            line.encode(to: &writer) { context.keys.write(key, to: &$0) }
        }
    }

    private func writeValue() {
        guard var cursor = valueCursor else { return }
        let part = min(cursor.count - cursor.offset, Self.outputByteCountHigh)
        let target = output.room(part)
        context.values.write(
            cursor.key, cursor.revision, from: cursor.offset,
            to: UnsafeMutableRawBufferPointer(start: target, count: part))
        output.noteAppended(part)
        cursor.offset += part
        guard cursor.offset == cursor.count else {
            valueCursor = cursor
            return
        }
        if context.wire != .echo { output.append("\r\n") }
        valueCursor = nil
    }
}
