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
        case .text: writeText(request, verb, first, askedBefore)
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

    private func writeText(
        _ request: Request, _ verb: Verb, _ first: Asked, _ askedBefore: Int
    ) {
        switch verb {
        case .set:
            output.append("set ")
            output.append(first.key, context.keys)
            output.append(" 0 ")
            output.append(UInt64(request.exptime))
            output.append(" ")
            output.append(UInt64(context.values.byteCount(first.key, first.revision)))
        case .get:
            output.append("get")
            for place in askedBefore..<asked.count {
                output.append(" ")
                output.append(asked[place].key, context.keys)
            }
        case .gat:
            output.append("gat ")
            output.append(UInt64(request.exptime))
            output.append(" ")
            output.append(first.key, context.keys)
        case .touch:
            output.append("touch ")
            output.append(first.key, context.keys)
            output.append(" ")
            output.append(UInt64(request.exptime))
        case .delete:
            output.append("delete ")
            output.append(first.key, context.keys)
        case .echo, .noop: return
        }
        output.append("\r\n")
    }

    private func writeMeta(
        _ request: Request, _ verb: Verb, _ first: Asked, _ askedBefore: Int
    ) {
        switch verb {
        case .set:
            output.append("ms ")
            output.append(first.key, context.keys)
            output.append(" ")
            output.append(UInt64(context.values.byteCount(first.key, first.revision)))
            if request.exptime != 0 {
                output.append(" T")
                output.append(UInt64(request.exptime))
            }
            if request.isQuiet { output.append(" q") }
        case .get where asked.count - askedBefore > 1:
            for place in askedBefore..<asked.count {
                output.append("mg ")
                output.append(asked[place].key, context.keys)
                output.append(" k v q\r\n")
            }
            output.append("mn")
        case .get:
            output.append("mg ")
            output.append(first.key, context.keys)
            output.append(" v")
        case .gat, .touch:
            output.append("mg ")
            output.append(first.key, context.keys)
            output.append(verb == .gat ? " v T" : " T")
            output.append(UInt64(request.exptime))
        case .delete:
            output.append("md ")
            output.append(first.key, context.keys)
        case .echo, .noop: return
        }
        output.append("\r\n")
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
