import MemcacheProtocol
import SessionMap

/// `lru_crawler metadump` and `mgdump`: all items, step by step between other work.
///
/// A step sees some 64 items under their shard's lock and appends their lines to the output; a turn
/// has a few of them. Above the output's high-water mark the dump waits for its reader. Commands that
/// follow are executed when it is over.
extension Connection {
    static let dumpStepsPerTurn = 4

    func startDump(_ style: DumpStyle, _ selection: ItemSelection, now: Moment) -> OperatorReply? {
        guard context.dumps.isEnabled else { return .crawlerDisabled }
        guard areKeysShown else {
            context.noteKeysRefused()
            return style == .metadata ? .metadumpNotAllowed : .keyDumpNotAllowed
        }
        guard output.isEmpty else {
            return style == .metadata ? .metadumpPipelined : .mgdumpPipelined
        }
        let isEmpty: Bool
        switch selection {
        case .badClass: return .badClass
        case .none: return .nothingToCrawl
        case .all, .hash: isEmpty = false
        // All items are shown as class 1.
        case .classes(let numbers): isEmpty = numbers & 1 << 1 == 0
        }
        switch context.dumps.begin(now: now.seconds) {
        case .disabled: return .crawlerDisabled
        case .busy: return .crawlerBusy
        case .began(let ticket):
            reply(.ok)
            dump = Dump(style: style, ticket: ticket, isEmpty: isEmpty)
            state = .dumping
            return nil
        }
    }

    /// One step.
    func runDump(now: Moment) {
        guard let dump else { preconditionFailure("a dump's step without a dump") }
        guard context.dumps.goOn(dump.ticket, now: now.seconds) else {
            // Where its reader stood, nobody knows.
            state = .closed
            return
        }
        if dump.hasMore {
            let style = dump.style
            dump.hasMore = map.step(&dump.walk, now: now.seconds) { hit in
                switch style {
                case .metadata: output.append(metadataOf: hit, now: now)
                case .commands: output.append(commandFor: hit)
                }
            }
        }
        guard !dump.hasMore else { return }
        output.append(dump.style == .metadata ? "END\r\n" : "EN\r\n")
        context.dumps.end(dump.ticket)
        self.dump = nil
        state = .command
    }
}

extension OutputBuffer {
    /// All of an item's line but its key.
    private static let metadataByteCountMax = 192

    /// Appends an item's line of `metadump`. As memcached has it, it ends with a space and LF alone.
    fileprivate mutating func append(metadataOf hit: Hit, now: Moment) {
        var writer = ReplyWriter(room(Self.metadataByteCountMax + hit.keyByteCount * 3))
        writer.write("key=")
        hit.withKey { writer.write(escaped: $0) }
        if let secondsLeft = hit.secondsLeft {
            writer.write(" exp=")
            writer.write(decimal: UInt64(max(0, now.wallSeconds + Int64(secondsLeft))))
        } else {
            writer.write(" exp=-1")
        }
        writer.write(" la=")
        writer.write(decimal: UInt64(max(0, now.wallSeconds - Int64(hit.secondsSinceAccess))))
        writer.write(" cas=")
        writer.write(decimal: hit.casUnique)
        writer.write(hit.wasFetched ? " fetch=yes cls=1 size=" : " fetch=no cls=1 size=")
        writer.write(decimal: UInt64(hit.byteCount))
        writer.write(" flags=")
        writer.write(decimal: UInt64(hit.clientFlags))
        writer.write(" \n")
        noteAppended(writer.count)
    }

    /// Appends the command that reads an item.
    fileprivate mutating func append(commandFor hit: Hit) {
        var writer = ReplyWriter(
            room(16 + Base64.encodedByteCount(ofByteCount: hit.keyByteCount)))
        writer.write("mg ")
        writer.write(bareKeyOf: hit)
        writer.write(hit.hasEncodedKey ? " b\r\n" : "\r\n")
        noteAppended(writer.count)
    }
}
