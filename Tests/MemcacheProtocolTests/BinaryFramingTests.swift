import TestSupport
import Testing

@testable import MemcacheProtocol

private func framing(_ bytes: [UInt8]) -> BinaryFraming { .of(bytes.span) }

private func request(_ packet: BinaryPacket) -> BinaryRequest? {
    if case .request(let request) = framing(packet.bytes) { request } else { nil }
}

private func failure(_ packet: BinaryPacket) -> BinaryFailure? {
    if case .failure(let failure) = framing(packet.bytes) { failure } else { nil }
}

/// Packets of every shape that is one, by opcode.
private let wellShaped: [BinaryPacket] = {
    func packets(
        _ opcodes: [UInt8], key: String = "", extras: Int = 0, value: [UInt8] = []
    ) -> [BinaryPacket] {
        opcodes.map {
            BinaryPacket(
                $0, key: key, extras: [UInt8](repeating: 1, count: extras), value: value)
        }
    }
    let all: [[BinaryPacket]] = [
        packets([0x00, 0x09, 0x0c, 0x0d, 0x04, 0x14], key: "key"),
        packets([0x1c, 0x1d, 0x1e, 0x23, 0x24], key: "key", extras: 4),
        packets([0x01, 0x02, 0x03, 0x11, 0x12, 0x13], key: "key", extras: 8),
        packets([0x01, 0x02, 0x03, 0x11, 0x12, 0x13], key: "key", extras: 8, value: [1, 2]),
        packets([0x0e, 0x0f, 0x19, 0x1a], key: "key"),
        packets([0x0e, 0x1a], key: "key", value: [1]),
        packets([0x05, 0x06, 0x15, 0x16], key: "key", extras: 20),
        packets([0x08, 0x18]), packets([0x08, 0x18, 0x1b], extras: 4),
        packets([0x07, 0x17, 0x0a, 0x0b, 0x10, 0x20]), packets([0x10], key: "settings"),
        packets([0x21, 0x22], key: "PLAIN"), packets([0x21, 0x22], key: "PLAIN", value: [0, 1]),
    ]
    return all.flatMap { $0 }
}()

@Suite(.timeLimit(.minutes(10)))
struct BinaryFramingTests {
    @Test("A header is read when its 24 bytes are there, and not before")
    func everyCut() {
        let bytes = BinaryPacket.store(0x01, "key", [1, 2, 3], opaque: 7, casUnique: 9)
        for count in 0...bytes.count {
            let start = framing(Array(bytes.prefix(count)))
            if count < 24 {
                #expect(start == .incomplete, "\(count) bytes")
            } else {
                #expect(start == framing(bytes), "\(count) bytes")
            }
        }
    }

    @Test("Another first byte is told at once", arguments: [0x00, 0x7f, 0x81, 0xff] as [UInt8])
    func foreign(magic: UInt8) {
        #expect(framing([magic]) == .foreign)
        #expect(framing([magic] + [UInt8](repeating: 0, count: 23)) == .foreign)
    }

    @Test("All numbers of a header are read, the highest byte first")
    func numbers() throws {
        var packet = BinaryPacket(
            0x01, key: String(repeating: "k", count: 0xFA), extras: [0, 0, 1, 2, 0, 0, 3, 4],
            opaque: 0x0102_0304, casUnique: 0x0506_0708_090a_0b0c)
        packet.bodyByteCount = 0x0010_0203
        let read = try #require(request(packet))
        #expect(read.header.opaque == 0x0102_0304)
        #expect(read.header.casUnique == 0x0506_0708_090a_0b0c)
        #expect(read.header.keyByteCount == 0xFA)
        #expect(read.headByteCount == 24 + 8 + 0xFA)
        #expect(read.valueByteCount == 0x0010_0203 - 8 - 0xFA)
        #expect(read.key == 32..<(32 + 0xFA))
        #expect(read.clientFlags(in: packet.bytes.span) == 0x0102)
        #expect(read.exptime(in: packet.bytes.span) == 0x0304)
    }

    @Test("Extras of increment, touch, flush and verbosity are read")
    func extras() throws {
        var packet = BinaryPacket(
            0x05, key: "n",
            extras: bigEndian(UInt64(3)) + bigEndian(UInt64(5)) + bigEndian(UInt32(7)))
        var read = try #require(request(packet))
        #expect(read.delta(in: packet.bytes.span) == 3)
        #expect(read.initial(in: packet.bytes.span) == 5)
        #expect(read.exptime(in: packet.bytes.span) == 7)
        packet.extras.replaceSubrange(16..<20, with: bigEndian(UInt32.max))
        read = try #require(request(packet))
        #expect(read.initial(in: packet.bytes.span) == nil)
        packet = BinaryPacket(0x1c, key: "n", extras: bigEndian(UInt32.max))
        #expect(try #require(request(packet)).exptime(in: packet.bytes.span) == .max)
        packet = BinaryPacket(0x08, extras: bigEndian(UInt32(9)))
        #expect(try #require(request(packet)).delay(in: packet.bytes.span) == 9)
        packet = BinaryPacket(0x08)
        #expect(try #require(request(packet)).delay(in: packet.bytes.span) == 0)
        packet = BinaryPacket(0x1b, extras: bigEndian(UInt32(2)))
        #expect(try #require(request(packet)).level(in: packet.bytes.span) == 2)
    }

    @Test("Data type and vbucket are not looked at")
    func ignored() {
        var bytes = BinaryPacket(0x00, key: "k").bytes
        bytes.replaceSubrange(5..<8, with: [0xff, 0xff, 0xff])
        guard case .request = framing(bytes) else {
            Issue.record("\(framing(bytes))")
            return
        }
    }

    @Test("Every opcode is the command that it should be, quiet or not")
    func opcodes() {
        let quiet: [UInt8: UInt8] = [
            0x09: 0x00, 0x0d: 0x0c, 0x11: 0x01, 0x12: 0x02, 0x13: 0x03, 0x14: 0x04, 0x15: 0x05,
            0x16: 0x06, 0x17: 0x07, 0x18: 0x08, 0x19: 0x0e, 0x1a: 0x0f, 0x1e: 0x1d, 0x24: 0x23,
        ]
        let loud: [UInt8: BinaryCommand] = [
            0x00: .retrieve(showsKey: false, touches: false), 0x01: .store(.set),
            0x02: .store(.add), 0x03: .store(.replace), 0x04: .delete,
            0x05: .arithmetic(increments: true), 0x06: .arithmetic(increments: false),
            0x07: .quit, 0x08: .flush, 0x0a: .noop, 0x0b: .version,
            0x0c: .retrieve(showsKey: true, touches: false), 0x0e: .store(.append),
            0x0f: .store(.prepend), 0x10: .stat, 0x1b: .verbosity, 0x1c: .touch,
            0x1d: .retrieve(showsKey: false, touches: true), 0x20: .listMechanisms,
            0x21: .authenticate, 0x22: .authenticate,
            0x23: .retrieve(showsKey: true, touches: true),
        ]
        for opcode in UInt8.min ... .max {
            let found = BinaryCommand.of(opcode)
            #expect(found?.command == loud[quiet[opcode] ?? opcode], "\(opcode)")
            #expect((found?.isQuiet ?? false) == (quiet[opcode] != nil), "\(opcode)")
        }
    }

    @Test("Requests of their shape are requests")
    func shapes() {
        for packet in wellShaped {
            #expect(request(packet) != nil, "0x\(String(packet.opcode, radix: 16))")
        }
        #expect(Set(wellShaped.map(\.opcode)).count == 36)
    }

    @Test("Requests of another shape are told so, and end the connection")
    func wrongShapes() {
        for packet in wellShaped {
            var others: [BinaryPacket] = []
            var other = packet
            other.extras += [0]
            others.append(other)
            if packet.extras.count > 0, packet.opcode != 0x08, packet.opcode != 0x18 {
                other = packet
                other.extras = []
                others.append(other)
            }
            if packet.opcode != 0x10 {
                other = packet
                other.key = packet.key.isEmpty ? [1] : []
                others.append(other)
            }
            if let command = BinaryCommand.of(packet.opcode)?.command,
                !command.shape.mayHaveValue
            {
                other = packet
                other.value = [1]
                others.append(other)
            }
            for other in others {
                let failure = failure(other)
                #expect(failure?.reply.status == .invalidArguments, "\(other)")
                #expect(failure?.recovery == .close, "\(other)")
            }
        }
    }

    @Test("Lengths are met to the byte")
    func lengths() {
        func key(_ count: Int) -> BinaryPacket {
            BinaryPacket(0x00, key: String(repeating: "k", count: count))
        }
        #expect(request(key(249)) != nil)
        #expect(request(key(250)) != nil)
        #expect(failure(key(251))?.reply.status == .invalidArguments)
        #expect(failure(key(251))?.recovery == .close)
        func body(_ count: Int) -> BinaryPacket {
            var packet = BinaryPacket(0x01, key: "k", extras: [UInt8](repeating: 0, count: 8))
            packet.bodyByteCount = count
            return packet
        }
        #expect(request(body(9))?.valueByteCount == 0)
        #expect(failure(body(8))?.reply.status == .unknownCommand)
        #expect(failure(body(8))?.recovery == .close)
        let most = ProtocolLimits.bodyByteCountMax
        #expect(request(body(most))?.valueByteCount == most - 9)
        #expect(failure(body(most + 1))?.reply.status == .invalidArguments)
        #expect(failure(body(Int(UInt32.max)))?.recovery == .close)
    }

    @Test("All of an unknown request is swallowed")
    func unknown() {
        let packet = BinaryPacket(0x30, key: "key", extras: [1, 2], value: [3], opaque: 8)
        #expect(failure(packet)?.recovery == .swallow(byteCount: packet.bytes.count))
        #expect(failure(packet)?.reply.status == .unknownCommand)
        #expect(failure(packet)?.reply.opaque == 8)
    }

    @Test("Whatever 24 bytes are, places lie within what is announced", arguments: 0..<8)
    func random(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            var bytes = (0..<24).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            if Int.random(in: 0..<8, using: &generator) > 0 { bytes[0] = 0x80 }
            for place in [1, 2, 4, 8, 9] where Bool.random(using: &generator) {
                bytes[place] = UInt8.random(in: 0...37, using: &generator)
            }
            if Bool.random(using: &generator) { bytes[2] = 0 }
            switch framing(bytes) {
            case .incomplete: Issue.record("seed \(seed): waits for more than a header: \(bytes)")
            case .foreign: #expect(bytes[0] != 0x80)
            case .failure(let failure):
                if case .swallow(let count) = failure.recovery {
                    #expect((24...(24 + ProtocolLimits.bodyByteCountMax)).contains(count))
                }
            case .request(let request):
                #expect(request.valueByteCount >= 0)
                #expect(request.key.upperBound == request.headByteCount)
                #expect(request.headByteCount <= 24 + 20 + 250)
                #expect(request.header.keyByteCount <= 250)
            }
        }
    }

    @Test("A page of stat is named by all of the key")
    func pages() {
        func page(_ name: String) -> StatsPage? {
            let name = Array(name.utf8)
            return StatsPage(binaryName: name.span)
        }
        #expect(page("") == .general)
        #expect(page("settings") == .settings)
        #expect(page("items") == .items)
        #expect(page("slabs") == .slabs)
        #expect(page("sizes") == .sizes)
        #expect(page("conns") == .connections)
        #expect(page("reset") == .reset)
        #expect(page("detail on") == .detail(.on))
        #expect(page("detail off") == .detail(.off))
        #expect(page("detail dump") == .detail(.dump))
        for name in ["setting", "settings ", "detail", "detail  on", "cachedump 1 1", "x"] {
            #expect(page(name) == nil, "\(name)")
        }
    }
}
