import TestSupport
import Testing

@testable import MemcacheProtocol

private let itemLimit = 1_000

private func shape(
    _ input: [UInt8], isBinary: Bool = false, valueByteCountMax: Int = itemLimit,
    isFull: Bool = false
) -> CommandShape {
    .of(
        input.span, isBinary: isBinary, valueByteCountMax: valueByteCountMax, isFull: isFull)
}

private func shape(_ text: String, isFull: Bool = false) -> CommandShape {
    shape(Array(text.utf8), isFull: isFull)
}

private func shape(_ packet: BinaryPacket) -> CommandShape { shape(packet.bytes, isBinary: true) }

private func keyed(_ shape: CommandShape) -> KeyedCommand? {
    if case .keyed(let command) = shape { command } else { nil }
}

private func several(_ text: String) -> SeveralKeys? {
    if case .several(let command) = shape(text) { command } else { nil }
}

/// The key that a command is about, decoded.
private func key(_ command: KeyedCommand, in input: [UInt8]) -> String {
    command.withKey(in: input.span) { key in
        key.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}

private func keys(_ command: SeveralKeys, in text: String) -> [String] {
    let input = Array(text.utf8)
    var keys = command.keys
    var found: [String] = []
    while let key = keys.next(in: input.span) {
        found.append(String(decoding: input[key.range], as: UTF8.self))
    }
    return found
}

/// A command about the key `key`, and what its shape has to be.
private struct Example: Sendable, CustomTestStringConvertible {
    var bytes: [UInt8]
    var headByteCount: Int
    var isRead = false
    var isQuiet = false
    var isBinary = false
    var isKeyEncoded = false
    var testDescription: String {
        isBinary
            ? "opcode \(bytes[1])" : String(decoding: bytes, as: UTF8.self).debugDescription
    }

    /// - Parameter block: with its end.
    static func text(
        _ line: String, block: String = "", isRead: Bool = false, isQuiet: Bool = false,
        isKeyEncoded: Bool = false
    ) -> Example {
        Example(
            bytes: Array((line + block).utf8), headByteCount: line.utf8.count, isRead: isRead,
            isQuiet: isQuiet, isKeyEncoded: isKeyEncoded)
    }

    static func binary(
        _ opcode: UInt8, extras: Int = 0, value: [UInt8] = [], isRead: Bool = false,
        isQuiet: Bool = false
    ) -> Example {
        let packet = BinaryPacket(
            opcode, key: "key", extras: [UInt8](repeating: 1, count: extras), value: value,
            opaque: 7, casUnique: 9)
        return Example(
            bytes: packet.bytes, headByteCount: 24 + extras + 3, isRead: isRead,
            isQuiet: isQuiet, isBinary: true)
    }

    static let retrievals: [Example] = [
        .text("get key\r\n", isRead: true), .text("gets key\r\n", isRead: true),
        .text("get key\n", isRead: true), .text("get   key  \r\n", isRead: true),
        .text("gat 10 key\r\n"), .text("gats -1  key\n"), .text("gat  0 key \r\n"),
        .text("touch key 10\r\n"), .text("touch key -1 noreply\r\n", isQuiet: true),
    ]

    static let changes: [Example] = [
        .text("delete key\r\n"), .text("delete key 0\n"),
        .text("delete key noreply\r\n", isQuiet: true),
        .text("incr key 1\r\n"), .text("decr key 18446744073709551615\r\n"),
        .text("incr key 1 noreply\r\n", isQuiet: true),
        .text("decr key 1 noreply\n", isQuiet: true),
        .text("set key 0 0 5\r\n", block: "value\r\n"),
        .text("set key 0 0 5\n", block: "v\r\nue\r\n"),
        .text("set key 0 0 0\r\n", block: "\r\n"),
        .text("set key 7 -3 2 noreply\r\n", block: "ab\r\n", isQuiet: true),
        .text("add key 0 2678400 0\r\n", block: "\r\n"),
        .text("replace key 0 4294967295 3\r\n", block: "abc\r\n"),
        .text("append key 0 0 3\r\n", block: "get\r\n"),
        .text("prepend key 0 0 3 noreply\r\n", block: "\r\n\r\r\n", isQuiet: true),
        .text("cas key 0 0 1 9\r\n", block: "x\r\n"),
        .text("cas key 0 0 1 9 noreply\r\n", block: "x\r\n", isQuiet: true),
        // Whoever carries it out finds that its block has no end, and uses as many bytes.
        .text("set key 0 0 3\r\n", block: "abcde"), .text("set key 0 0 3\r\n", block: "abc\n\n"),
    ]

    static let meta: [Example] = [
        .text("mg key\r\n", isRead: true), .text("mg key v\n", isRead: true),
        .text("mg key v q\r\n", isRead: true, isQuiet: true),
        .text("mg a2V5 b\r\n", isRead: true, isKeyEncoded: true),
        .text("mg a2V5 k b v\r\n", isRead: true, isKeyEncoded: true),
        .text("mg a2V5 b T30\r\n", isKeyEncoded: true),
        .text("ms key 5\r\n", block: "value\r\n"), .text("ms key 0 T0 c\n", block: "\r\n"),
        .text("ms key 2 q\r\n", block: "\r\n\r\n", isQuiet: true),
        .text("ms a2V5 2 b ME\r\n", block: "ab\r\n", isKeyEncoded: true),
        .text("ms key 2 MX\r\n", block: "ab\r\n"),
        .text("md key\r\n"), .text("md key q\r\n", isQuiet: true), .text("md key I T30\r\n"),
        .text("md a2V5 b x\r\n", isKeyEncoded: true),
        .text("ma key\r\n"), .text("ma key N0 J1 D5 v\r\n"), .text("ma key q\r\n", isQuiet: true),
        .text("ma a2V5 MD b\r\n", isKeyEncoded: true), .text("ma key M?\r\n"),
    ]

    static let binary: [Example] = [
        .binary(0x00, isRead: true), .binary(0x09, isRead: true, isQuiet: true),
        .binary(0x0c, isRead: true), .binary(0x0d, isRead: true, isQuiet: true),
        .binary(0x1d, extras: 4), .binary(0x1e, extras: 4, isQuiet: true),
        .binary(0x23, extras: 4), .binary(0x24, extras: 4, isQuiet: true),
        .binary(0x1c, extras: 4),
        .binary(0x01, extras: 8, value: [1, 2, 3]),
        .binary(0x11, extras: 8, value: [1, 2, 3], isQuiet: true),
        .binary(0x02, extras: 8), .binary(0x12, extras: 8, isQuiet: true),
        .binary(0x03, extras: 8, value: [10]),
        .binary(0x13, extras: 8, value: [10], isQuiet: true),
        .binary(0x0e, value: [1]), .binary(0x19, value: [1], isQuiet: true),
        .binary(0x0f), .binary(0x1a, value: [13, 10], isQuiet: true),
        .binary(0x04), .binary(0x14, isQuiet: true),
        .binary(0x05, extras: 20), .binary(0x15, extras: 20, isQuiet: true),
        .binary(0x06, extras: 20), .binary(0x16, extras: 20, isQuiet: true),
    ]

    static let all = retrievals + changes + meta + binary
}

@Suite(.timeLimit(.minutes(10)))
struct KeyedShapeTests {
    @Test(
        "A command about one key tells the key, its length, and whether it reads",
        arguments: Example.all)
    private func keys(example: Example) throws {
        let command = try #require(keyed(shape(example.bytes, isBinary: example.isBinary)))
        #expect(key(command, in: example.bytes) == "key")
        #expect(command.isKeyEncoded == example.isKeyEncoded)
        #expect(command.byteCount == example.bytes.count)
        #expect(command.headByteCount == example.headByteCount)
        #expect(command.isRead == example.isRead)
        #expect(command.isQuiet == example.isQuiet)
        #expect(command.isBinary == example.isBinary)
    }

    @Test(
        "It is the same wherever the input is cut behind its head, and unknown before",
        arguments: Example.all)
    private func cuts(example: Example) throws {
        let whole = shape(example.bytes, isBinary: example.isBinary)
        let command = try #require(keyed(whole))
        let more = example.bytes + Array("get other\r\n".utf8) + example.bytes
        for count in 0...more.count {
            let input = Array(more.prefix(count))
            let expected = count < example.headByteCount ? .unknown : whole
            #expect(shape(input, isBinary: example.isBinary) == expected, "\(count) bytes")
            #expect(command.isWhole(in: input.span) == (count >= example.bytes.count))
        }
    }

    @Test("Every binary opcode that has a key is among the examples")
    func opcodes() {
        let seen = Set(Example.binary.map { $0.bytes[1] })
        for opcode in UInt8.min ... .max {
            guard let (command, _) = BinaryCommand.of(opcode) else { continue }
            let isKeyed = command.shape.hasKey == true && command != .authenticate
            #expect(seen.contains(opcode) == isKeyed, "opcode \(opcode)")
        }
    }

    @Test("mg reads unless it has T, N, R or E")
    func metaReads() throws {
        for letter in UInt8(ascii: "A")...UInt8(ascii: "z") where MetaFlags(letter: letter) != nil {
            let flag = String(Unicode.Scalar(letter))
            // A token that is not looked at is none too many.
            let command = keyed(shape("mg a2V5 \(flag)1\r\n"))
            #expect(command?.isRead == !"TNRE".contains(flag), "\(flag)")
        }
        for line in ["mg key t v N30\r\n", "mg key O1 T0 q\r\n", "ms key 0\r\n", "md key v\r\n"] {
            #expect(keyed(shape(line))?.isRead == false, "\(line)")
        }
    }

    @Test("A key in base64 is decoded, up to the longest one")
    func encodedKeys() throws {
        func command(_ bytes: [UInt8]) -> (input: [UInt8], command: KeyedCommand?) {
            var input = Array("mg ".utf8)
            Base64.encode(bytes.span) { input.append($0) }
            input += Array(" v b\r\n".utf8)
            return (input, keyed(shape(input)))
        }
        for count in [1, 2, 3, 4, 184, 185, 186] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let (input, found) = command(bytes)
            let decoded = try #require(found).withKey(in: input.span) { key in
                key.withUnsafeBytes { Array($0) }
            }
            #expect(decoded == bytes)
        }
        #expect(command([UInt8](repeating: 1, count: 187)).command == nil)
        for line in ["mg a2V b\r\n", "mg a2?5 b\r\n", "mg ==== b\r\n"] {
            #expect(shape(line) == .local, "\(line)")
        }
    }

    @Test(
        "A key of 249 and 250 bytes is one, and 251 are none",
        arguments: [
            "get K\r\n", "gets K\r\n", "gat 0 K\r\n", "touch K 0\r\n", "delete K\r\n",
            "incr K 1\r\n", "decr K 1\r\n", "set K 0 0 1\r\n", "add K 0 0 1\r\n",
            "replace K 0 0 1\r\n", "append K 0 0 1\r\n", "prepend K 0 0 1\r\n", "cas K 0 0 1 1\r\n",
            "mg K v\r\n", "ms K 1\r\n", "md K\r\n", "ma K\r\n",
        ])
    func keyLength(form: String) {
        func line(_ count: Int) -> String {
            form.split(separator: "K", omittingEmptySubsequences: false)
                .joined(separator: times(count))
        }
        let limit = ProtocolLimits.keyByteCountMax
        for count in [1, limit - 1, limit] {
            #expect(keyed(shape(line(count)))?.key.count == count)
        }
        #expect(shape(line(limit + 1)) == .local)
    }

    @Test("A binary key of 250 bytes is one; none, or 251, is wrong")
    func binaryKeyLength() {
        for opcode in [0x00, 0x04, 0x0e] as [UInt8] {
            for count in [1, 249, 250] {
                let command = keyed(shape(BinaryPacket(opcode, key: times(count))))
                #expect(command?.key == ByteRange(start: 24, count: count))
            }
            for count in [0, 251] {
                #expect(shape(BinaryPacket(opcode, key: times(count))) == .local)
            }
        }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ValueShapeTests {
    @Test("A value at the limit is passed on, and a longer one is not")
    func valueLimit() {
        for line in ["set k 0 0 N\r\n", "cas k 0 0 N 1 noreply\r\n", "ms k N T0\r\n"] {
            func at(_ count: Int) -> CommandShape {
                let parts = line.split(separator: "N", omittingEmptySubsequences: false)
                return shape(parts.joined(separator: "\(count)"))
            }
            for count in [0, itemLimit - 1, itemLimit] {
                let command = keyed(at(count))
                #expect(command?.valueByteCount == count)
                #expect(command.map { $0.byteCount - $0.headByteCount } == count + 2)
            }
            for count in [itemLimit + 1, 1 << 30, ProtocolLimits.valueByteCountMax] {
                #expect(at(count) == .local, "\(count) bytes")
            }
        }
    }

    @Test("The same of a packet's value")
    func packetLimit() {
        func at(_ count: Int) -> CommandShape {
            var packet = BinaryPacket(0x01, key: "k", extras: [UInt8](repeating: 0, count: 8))
            packet.bodyByteCount = 9 + count
            return shape(packet)
        }
        for count in [0, itemLimit - 1, itemLimit] {
            #expect(keyed(at(count))?.valueByteCount == count)
            #expect(keyed(at(count))?.byteCount == 24 + 9 + count)
        }
        for count in [-1, itemLimit + 1, ProtocolLimits.bodyByteCountMax - 9, 1 << 31] {
            #expect(at(count) == .local, "\(count) bytes")
        }
    }

    @Test("No limit makes a length wrap around")
    func noLimit() {
        func at(_ text: String) -> CommandShape {
            shape(Array(text.utf8), valueByteCountMax: .max)
        }
        let most = ProtocolLimits.valueByteCountMax
        #expect(keyed(at("set k 0 0 \(most)\r\n"))?.byteCount == 22 + most + 2)
        #expect(at("set k 0 0 \(most + 1)\r\n") == .local)
        #expect(keyed(at("ms k \(most)\r\n"))?.byteCount == 17 + most + 2)
        #expect(at("ms k \(most + 1)\r\n") == .local)
        #expect(at("ms k 18446744073709551615\r\n") == .local)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct SeveralKeysTests {
    private static let lines: [(line: String, keys: [String], isRead: Bool)] = [
        ("get a b\r\n", ["a", "b"], true), ("gets a  bb ccc\n", ["a", "bb", "ccc"], true),
        ("get  a a  \r\n", ["a", "a"], true), ("gat 10 a b\r\n", ["a", "b"], false),
        ("gats  -1  a b c \r\n", ["a", "b", "c"], false), ("gat 0 1 2\n", ["1", "2"], false),
    ]

    @Test("The keys come one by one, in the line's order")
    func walk() throws {
        for (line, names, isRead) in Self.lines {
            let command = try #require(several(line), "\(line)")
            #expect(keys(command, in: line) == names)
            #expect(command.isRead == isRead)
            #expect(command.byteCount == line.utf8.count)
        }
    }

    @Test("Verb and exptime stand where they were sent")
    func words() throws {
        for (line, _, isRead) in Self.lines {
            let command = try #require(several(line), "\(line)")
            let words = line.split(whereSeparator: { " \r\n".contains($0) })
            #expect(text(command.verb, of: line) == words[0])
            #expect(command.exptime.map { text($0, of: line) } == (isRead ? nil : "\(words[1])"))
        }
    }

    @Test("A line for one of the keys is the start of the line and that key")
    func oneOfThem() throws {
        for (line, names, isRead) in Self.lines {
            let command = try #require(several(line), "\(line)")
            let start = Array(line.utf8).prefix(command.retrieval.keysStart)
            for name in names {
                let input = start + Array(" \(name)\r\n".utf8)
                let one = try #require(keyed(shape(Array(input))))
                #expect(key(one, in: Array(input)) == name)
                #expect(one.isRead == isRead)
            }
        }
    }

    @Test("It is unknown until the line's end is there, and then the same whatever follows")
    func cuts() throws {
        for (line, _, _) in Self.lines {
            let command = try #require(several(line), "\(line)")
            let more = Array((line + "set k 0 0 1\r\nx\r\n").utf8)
            for count in 0...more.count {
                let expected = count < line.utf8.count ? .unknown : CommandShape.several(command)
                #expect(shape(Array(more.prefix(count))) == expected, "\(count) bytes of \(line)")
            }
        }
    }

    @Test("A walk that has stopped goes on with the next key")
    func goesOn() throws {
        let line = "get a b c\r\n"
        let input = Array(line.utf8)
        var walk = try #require(several(line)).keys
        #expect(walk.next(in: input.span) == ByteRange(start: 4, count: 1))
        var later = walk
        for place in [6, 8] {
            #expect(later.next(in: input.span) == ByteRange(start: place, count: 1))
        }
        #expect(later.next(in: input.span) == nil)
        #expect(later.next(in: input.span) == nil)
        #expect(walk.next(in: input.span) == ByteRange(start: 6, count: 1))
    }

    @Test("A key of 251 bytes among others voids the line", arguments: ["get ", "gets ", "gat 0 "])
    func keyLength(start: String) throws {
        let limit = ProtocolLimits.keyByteCountMax
        let long = times(limit)
        let line = start + "a \(long) b\r\n"
        #expect(keys(try #require(several(line)), in: line) == ["a", long, "b"])
        #expect(shape(start + "a \(times(limit + 1)) b\r\n") == .local)
        #expect(shape(start + "a \(times(limit + 1))\r\n") == .local)
    }

    @Test("A line may be as long as a retrieval's is looked at, and longer ones are taken in parts")
    func longLines() throws {
        let start = "get " + times(ProtocolLimits.unfinishedLineByteCountMax / 4, "key ")
        #expect(start.utf8.count > ProtocolLimits.unfinishedLineByteCountMax)
        #expect(shape(start) == .unknown)
        #expect(shape(start, isFull: true) == .local)
        #expect(keys(try #require(several(start + "\r\n")), in: start + "\r\n").count == 512)
        let limit = ProtocolLimits.retrievalLineByteCountMax
        let long = "get " + times(limit / 2, "k ")
        #expect(shape(String(long.prefix(limit - 1))) == .unknown)
        #expect(shape(String(long.prefix(limit))) == .local)
        let whole = String(long.prefix(limit - 2)) + "\r\n"
        #expect(keys(try #require(several(whole)), in: whole).count == (limit - 6) / 2)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct FlushShapeTests {
    @Test("flush_all is a flush, with its delay")
    func lines() {
        let lines: [(String, UInt32, Bool)] = [
            ("flush_all\r\n", 0, false), ("flush_all\n", 0, false), ("flush_all 0\r\n", 0, false),
            ("flush_all 10\r\n", 10, false), ("flush_all -1\r\n", 0, false),
            ("flush_all 2147483647\r\n", 2_147_483_647, false),
            ("flush_all noreply\r\n", 0, true), ("flush_all 5 noreply\n", 5, true),
        ]
        for (line, delay, isQuiet) in lines {
            let whole = FlushCommand(byteCount: line.utf8.count, delay: delay, isQuiet: isQuiet)
            let more = Array((line + "get k\r\n").utf8)
            for count in 0...more.count {
                let found = shape(Array(more.prefix(count)))
                #expect(found == (count < line.utf8.count ? .unknown : .flush(whole)), "\(line)")
            }
        }
        for line in ["flush_all x\r\n", "flush_all 2147483648\r\n", "flush_allx\r\n"] {
            #expect(shape(line) == .local, "\(line)")
        }
    }

    @Test("So is the binary one, with extras or without")
    func packets() {
        for (opcode, isQuiet) in [(0x08, false), (0x18, true)] as [(UInt8, Bool)] {
            for delay in [nil, 0, 9, .max] as [UInt32?] {
                let bytes = BinaryPacket(opcode, extras: delay.map { bigEndian($0) } ?? []).bytes
                let whole = FlushCommand(
                    byteCount: bytes.count, delay: delay ?? 0, isQuiet: isQuiet)
                for count in 0...(bytes.count + 3) {
                    let input = Array((bytes + [0x80, 0, 0]).prefix(count))
                    let found = shape(input, isBinary: true)
                    #expect(found == (count < bytes.count ? .unknown : .flush(whole)))
                }
            }
        }
        #expect(shape(BinaryPacket(0x08, extras: [1])) == .local)
        #expect(shape(BinaryPacket(0x08, key: "k")) == .local)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct LocalShapeTests {
    @Test(
        "What is about this node alone is carried out where it came",
        arguments: [
            "stats", "stats settings", "stats cachedump 1 0", "version", "verbosity 1", "quit",
            "shutdown", "cache_memlimit 64", "watch", "watch fetchers", "refresh_certs",
            "lru_crawler metadump all", "lru_crawler mgdump all", "lru mode flat",
            "slabs automove 1", "config get cluster", "config get definition", "debugtime p",
            "mn", "me key", "me a2V5 b",
        ])
    func node(line: String) {
        expectLocal(Array("\(line)\r\n".utf8))
    }

    @Test(
        "So is what is wrong",
        arguments: [
            "get", "gets ", "gat 1", "gat x k", "gats 2147483648 k", "gat", "getx k", " get k",
            "set k 0 0", "set k 0 0 x", "set k x 0 5", "set k 0 0 -1", "set k 0 4294967296 1",
            "cas k 0 0 5", "cas k 0 0 5 x", "touch k", "touch k x", "delete",
            "delete k 0 0 noreply x", "incr k", "incr k x", "decr k -1", "mg", "mg k !", "mg k Tx",
            "mg k v v",
            "mg k Z", "ms k", "ms k x", "ms k 1 Tx", "md k Cx", "ma k Dx", "ma k Jx",
            "nonsense", "noreply", "GET / HTTP/1.1", "", " ", "a", "\u{80}\u{81}\u{82}",
        ])
    func wrong(line: String) {
        expectLocal(Array("\(line)\r\n".utf8))
        expectLocal(Array("\(line)\n".utf8))
    }

    @Test("A meta command has at most 20 words")
    func words() {
        let flags = "b c f h k l q s t u v C1 D1 E1 F1 J1 MS"
        let name = "a2V5"
        #expect(keyed(shape("mg \(name) \(flags) O1\r\n")) != nil)
        #expect(shape("mg \(name) \(flags) O1 N1\r\n") == .local)
    }

    @Test("A line whose end does not come is the ordinary path's to close")
    func endless() {
        let limit = ProtocolLimits.unfinishedLineByteCountMax
        #expect(shape(times(limit)) == .unknown)
        #expect(shape(times(limit + 1)) == .local)
        #expect(shape("set " + times(limit)) == .local)
    }

    @Test("Packets about this node alone, unknown ones and wrong ones are local")
    func packets() {
        let extras = [UInt8](repeating: 0, count: 4)
        let packets = [
            BinaryPacket(0x0a), BinaryPacket(0x0b), BinaryPacket(0x07), BinaryPacket(0x17),
            BinaryPacket(0x10), BinaryPacket(0x10, key: "settings"), BinaryPacket(0x20),
            BinaryPacket(0x1b, extras: extras), BinaryPacket(0x21, key: "PLAIN", value: [0, 1]),
            BinaryPacket(0x22, key: "PLAIN"), BinaryPacket(0x30, key: "key"),
            BinaryPacket(0x00, key: "k", extras: extras), BinaryPacket(0x00, key: "k", value: [1]),
            BinaryPacket(0x01, key: "k"), BinaryPacket(0x1c, key: "k"), BinaryPacket(0x04),
            BinaryPacket(0x05, key: "k", extras: extras),
        ]
        for packet in packets { expectLocal(packet.bytes, isBinary: true) }
        var short = BinaryPacket(0x01, key: "k", extras: extras + extras)
        short.bodyByteCount = 8
        expectLocal(short.bytes, isBinary: true)
        for magic in [0x00, 0x67, 0x7f, 0x81, 0xff] as [UInt8] {
            #expect(shape([magic], isBinary: true) == .local)
        }
        #expect(shape(Array("get k\r\n".utf8), isBinary: true) == .local)
        #expect(shape([], isBinary: true) == .unknown)
    }

    /// Whole and with more behind it; of a start nothing else may be said.
    private func expectLocal(_ bytes: [UInt8], isBinary: Bool = false) {
        #expect(shape(bytes, isBinary: isBinary) == .local, "\(bytes)")
        #expect(shape(bytes + [0x80, 0x0a], isBinary: isBinary) == .local, "\(bytes)")
        for count in 0..<bytes.count {
            let start = shape(Array(bytes.prefix(count)), isBinary: isBinary)
            #expect(start == .unknown || start == .local, "\(count) of \(bytes)")
        }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct AnyShapeTests {
    @Test("Whatever comes, places lie within it", arguments: 0..<8 as Range<UInt64>)
    func random(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<5_000 {
            let isBinary = Bool.random(using: &generator)
            let count = Int.random(in: 0..<80, using: &generator)
            var input = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            if isBinary, !input.isEmpty { input[0] = 0x80 }
            check(input, isBinary: isBinary, "seed \(seed)")
        }
    }

    @Test("So they do in commands with a few other bytes", arguments: 0..<8 as Range<UInt64>)
    func mutated(seed: UInt64) {
        var generator = SeededGenerator(seed: seed &+ 1_000)
        let starts: [(bytes: [UInt8], isBinary: Bool)] =
            Example.all.map { ($0.bytes, $0.isBinary) }
            + ["gat 10 a b c\r\n", "gets a b\n", "flush_all 10 noreply\r\n", "mg k N1 O2 q\r\n"]
            .map { (Array($0.utf8), false) }
        let telling = Array(" \r\n0-9bTN=\0".utf8)
        for _ in 0..<5_000 {
            guard var (input, isBinary) = starts.randomElement(using: &generator) else { return }
            for _ in 0..<Int.random(in: 0..<4, using: &generator) {
                let place = Int.random(in: 0..<input.count, using: &generator)
                let byte = UInt8.random(in: .min ... .max, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: input[place] = byte
                case 1: input[place] = telling[Int(byte) % telling.count]
                default: input.insert(telling[Int(byte) % telling.count], at: place)
                }
            }
            if Bool.random(using: &generator) {
                input.removeLast(Int.random(in: 0..<input.count, using: &generator))
            }
            if Int.random(in: 0..<16, using: &generator) == 0 { isBinary.toggle() }
            check(input, isBinary: isBinary, "seed \(seed)")
        }
    }

    private func check(_ input: [UInt8], isBinary: Bool, _ comment: Comment) {
        for limit in [0, itemLimit, .max] {
            switch shape(input, isBinary: isBinary, valueByteCountMax: limit) {
            case .unknown, .local: break
            case .flush(let command): #expect(command.byteCount <= input.count, comment)
            case .keyed(let command):
                #expect(command.isBinary == isBinary, comment)
                #expect(command.headByteCount <= input.count, comment)
                #expect(command.key.end <= command.headByteCount, comment)
                #expect((1...250).contains(command.key.count), comment)
                #expect(command.valueByteCount <= limit, comment)
                #expect(command.byteCount >= command.headByteCount, comment)
                let count = command.withKey(in: input.span) { $0.count }
                #expect(count > 0 && count <= command.key.count, comment)
                checkHead(input, command, limit: limit, comment)
            case .several(let command):
                #expect(!isBinary && command.byteCount <= input.count, comment)
                var walk = command.keys
                var count = 0
                while let key = walk.next(in: input.span) {
                    #expect((1...250).contains(key.count), comment)
                    #expect(key.end <= command.keysEnd, comment)
                    count += 1
                }
                #expect(count >= 2, comment)
            }
        }
    }

    /// The head alone tells as much, and less than that nothing.
    private func checkHead(
        _ input: [UInt8], _ command: KeyedCommand, limit: Int, _ comment: Comment
    ) {
        let head = Array(input.prefix(command.headByteCount))
        func found(_ input: [UInt8]) -> CommandShape {
            shape(input, isBinary: command.isBinary, valueByteCountMax: limit)
        }
        #expect(found(head) == .keyed(command), comment)
        #expect(found(head.dropLast()) == .unknown, comment)
    }
}
