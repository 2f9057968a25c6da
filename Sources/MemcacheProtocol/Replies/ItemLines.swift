/// What `metadump`, `mgdump`, `cachedump` and `me` tell of an item: a line each.
///
/// A key is handed to the encoders: it lies where the item is.
package struct ItemLine {
    /// All of any of these lines but its key.
    private static let byteCountMax = 192

    package var clientFlags: UInt32 = 0
    package var valueByteCount = 0
    /// Memory that the item takes.
    package var byteCount = 0
    package var casUnique: UInt64 = 0
    /// Until it expires; none is never.
    package var secondsLeft: UInt32?
    package var secondsSinceAccess: UInt32 = 0
    package var wasFetched = false
    /// Seconds since its key was first stored; nothing where that is not kept.
    package var age: UInt32?
    package var hasEncodedKey = false
    /// The present Unix time.
    package var wallSeconds: Int64

    package init(wallSeconds: Int64) { self.wallSeconds = wallSeconds }

    /// Room for any of the lines of an item whose key has so many bytes.
    package static func room(keyByteCount: Int) -> Int { byteCountMax + keyByteCount * 3 }

    /// `metadump`: as memcached has it, the line ends with a space and LF alone.
    package func encodeMetadata(key: UnsafeRawBufferPointer, to writer: inout ReplyWriter) {
        writer.write("key=")
        writer.write(escaped: key)
        writeState(
            expiry: secondsLeft.map { UInt64(max(0, wallSeconds + Int64($0))) },
            access: UInt64(max(0, wallSeconds - Int64(secondsSinceAccess))), to: &writer)
        writer.write(" flags=", UInt64(clientFlags))
        writer.write(" \n")
    }

    private func writeState(expiry: UInt64?, access: UInt64, to writer: inout ReplyWriter) {
        if let expiry { writer.write(" exp=", expiry) } else { writer.write(" exp=-1") }
        writer.write(" la=", access)
        writer.write(" cas=", casUnique)
        writer.write(wasFetched ? " fetch=yes cls=1 size=" : " fetch=no cls=1 size=")
        writer.write(decimal: UInt64(byteCount))
    }

    /// `mgdump`: the command that reads the item.
    package func encodeCommand(key: UnsafeRawBufferPointer, to writer: inout ReplyWriter) {
        writer.write("mg ")
        writer.write(metaKey: key.bindMemory(to: UInt8.self).span, isEncoded: hasEncodedKey)
        writer.write(hasEncodedKey ? " b\r\n" : "\r\n")
    }

    /// `stats cachedump`: memcached shows Unix time; an item without a deadline shows 0.
    package func encodeKeyLine(key: UnsafeRawBufferPointer, to writer: inout ReplyWriter) {
        writer.write("ITEM ")
        writer.write(lineSafe: key)
        writer.write(" [", UInt64(valueByteCount))
        writer.write(" b; ", UInt64(max(0, secondsLeft.map { wallSeconds + Int64($0) } ?? 0)))
        writer.write(" s]\r\n")
    }

    /// `me`: seconds here, where `metadump` has moments.
    package func encodeDebug(key: UnsafeRawBufferPointer, to writer: inout ReplyWriter) {
        writer.write("ME ")
        writer.write(metaKey: key.bindMemory(to: UInt8.self).span, isEncoded: hasEncodedKey)
        writeState(
            expiry: secondsLeft.map(UInt64.init), access: UInt64(secondsSinceAccess), to: &writer)
        if let age { writer.write(" age=", UInt64(age)) }
        writer.write("\r\n")
    }
}

/// `stats detail dump`: what was counted for keys with one beginning.
package struct PrefixLine {
    package var gets: Int
    package var hits: Int
    package var sets: Int
    package var deletes: Int

    package init(gets: Int, hits: Int, sets: Int, deletes: Int) {
        self.gets = gets
        self.hits = hits
        self.sets = sets
        self.deletes = deletes
    }

    package static func room(prefixByteCount: Int) -> Int { 128 + prefixByteCount * 3 }

    /// What `encode` writes, in bytes.
    package func byteCount(prefix: UnsafeRawBufferPointer) -> Int {
        withUnsafeTemporaryAllocation(
            byteCount: Self.room(prefixByteCount: prefix.count), alignment: 1
        ) { room in
            var writer = ReplyWriter(room)
            encode(prefix: prefix, to: &writer)
            return writer.count
        }
    }

    package func encode(prefix: UnsafeRawBufferPointer, to writer: inout ReplyWriter) {
        writer.write("PREFIX ")
        writer.write(lineSafe: prefix)
        writer.write(" get ", UInt64(gets))
        writer.write(" hit ", UInt64(hits))
        writer.write(" set ", UInt64(sets))
        writer.write(" del ", UInt64(deletes))
        writer.write("\r\n")
    }
}
