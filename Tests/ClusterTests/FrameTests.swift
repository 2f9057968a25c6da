import Cluster
import TestSupport
import Testing

/// Whether it is about a field that cannot have this value.
private func isBadField(_ error: FrameError?, _ field: String, _ came: UInt64) -> Bool {
    guard case .badField(field, _, came, _)? = error else { return false }
    return true
}

@Suite(.timeLimit(.minutes(10)))
struct FrameTests {
    @Test("What was sent arrives, whatever it says, and takes as many bytes as it claims")
    func roundTrip() throws {
        for seed in 0..<300 as Range<UInt64> {
            for message in MessageSamples.each(seed: seed) {
                let bytes = encoded(message)
                #expect(bytes.count == message.byteCount(in: .newest))
                #expect(try decoded(bytes) == [message], "seed \(seed)")
            }
        }
    }

    @Test("Messages are the same wherever what came is cut")
    func cuts() throws {
        let messages = MessageSamples.each()
        let bytes = messages.flatMap { encoded($0) }
        let everywhere = (0...bytes.count).map(Cuts.once)
        let random = (0..<200).map { Cuts.random(seed: $0) }
        for cut in everywhere + random + [.pieces(byteCount: 1), .pieces(byteCount: 17)] {
            #expect(try decoded(bytes, cut: cut) == messages, "\(cut)")
        }
    }

    @Test("A change's bytes are where FrameEncoding draws them")
    func layout() {
        let state = KeyState(
            key: [0x6B], stamp: Stamp(birth: 0x0403_0201, version: 0x1817_1615_1413_1211),
            kind: .tombstone, clientFlags: 0x2423_2221, secondsLeft: nil, marks: 5, value: [9, 8])
        let number = OperationNumber(member: 1, worker: 2, count: 3)
        let head: [UInt8] = [51, 0, 0, 0, 7, 0, 0, 0, 0xDD, 0xCC, 0xBB, 0xAA, 0, 0, 0, 0]
        let operation: [UInt8] = [3, 0, 0, 0, 0, 0, 2, 1, 4, 0, 0, 0, 1, 0, 0, 0]
        let stamp: [UInt8] = [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 1, 2, 3, 4]
        let times: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0x21, 0x22, 0x23, 0x24]
        let rest: [UInt8] = [2, 0, 0, 0, 1, 6, 5, 0, 0x6B, 9, 8]
        #expect(
            encoded(
                .frame(.replicate(sequence: 0xAABB_CCDD, number, Outcome([1, 2, 3, 4]), state)))
                == head + operation + [1, 2, 3, 4] + stamp + times + rest)
    }

    @Test("As many seconds as mean never are one less")
    func longest() throws {
        var samples = MessageSamples(seed: 1)
        var state = samples.state()
        state.secondsLeft = .max
        let bytes = encoded(.frame(.inform(nil, nil, state)))
        state.secondsLeft = .max - 1
        #expect(try decoded(bytes) == [.frame(.inform(nil, nil, state))])
    }

    @Test("A long reply is not sent beside a state, and one of 513 bytes is not taken")
    func longReply() throws {
        var samples = MessageSamples(seed: 1)
        let (number, state) = (samples.operation(), samples.state())
        func change(_ count: Int) -> PeerMessage {
            .frame(.inform(number, Outcome(Array(repeating: 1, count: count)), state))
        }
        #expect(try decoded(encoded(change(512))) == [change(512)])
        #expect(try decoded(encoded(change(513))) == [.frame(.inform(number, nil, state))])
        var bytes = encoded(change(512))
        #expect(bytes[24..<28] == [0, 2, 0, 0])
        bytes[24] = 1
        bytes[0] += 1
        bytes.insert(1, at: 32)
        #expect(isBadField(problem(bytes), "reply length", 513))
    }

    @Test("A garbled message is an error or another message, never both, and never a trap")
    func garbled() {
        for seed in 0..<8 as Range<UInt64> {
            for message in MessageSamples.each(seed: seed) {
                let bytes = encoded(message)
                for bit in 0..<bytes.count * 8 {
                    var flipped = bytes
                    flipped[bit / 8] ^= 1 << UInt8(bit % 8)
                    var reader = FrameReader(
                        frameByteCountMax: sampleByteCountMax, version: .newest)
                    reader.append(flipped.span.bytes)
                    guard let other = try? reader.next() else { continue }
                    // There is one form only of each message.
                    #expect(encoded(other) == flipped.dropLast(reader.waitingByteCount))
                    #expect(other != message)
                }
            }
        }
    }

    @Test("Anything at all behind a header that is right is an error or a message")
    func noise() {
        var samples = MessageSamples(seed: 3)
        for head in MessageSamples.each().map({ encoded($0).prefix(16) }) {
            for _ in 0..<2_000 {
                let body = samples.bytes(0...80)
                var bytes = head + body
                bytes[0] = UInt8(body.count)
                var reader = FrameReader(
                    frameByteCountMax: sampleByteCountMax, version: .newest)
                reader.append(Array(bytes).span.bytes)
                guard let message = try? reader.next() else { continue }
                #expect(encoded(message) == Array(bytes))
            }
        }
    }

    @Test("More than the limit is refused when it is announced, and so much is not")
    func announced() throws {
        let message = PeerMessage.frame(.outcome(OperationNumber(bits: 1), Outcome([1, 2, 3])))
        let bytes = encoded(message)
        #expect(try decoded(bytes, byteCountMax: 11) == [message])
        #expect(try decoded(Array(bytes.prefix(16)), byteCountMax: 11) == [])
        #expect(
            problem(Array(bytes.prefix(16)), byteCountMax: 10)
                == .tooLong(announced: 11, byteCountMax: 10))
        var gigabytes = Array(bytes.prefix(16))
        gigabytes.replaceSubrange(0..<4, with: [255, 255, 255, 255])
        #expect(
            problem(gigabytes)
                == .tooLong(announced: 0xFFFF_FFFF, byteCountMax: sampleByteCountMax))
        var reader = FrameReader(frameByteCountMax: 1 << 32, version: .newest)
        reader.append(gigabytes.span.bytes)
        #expect(try reader.next() == nil)
        #expect(reader.waitingByteCount == 16)
    }

    @Test("A frame of megabytes arrives in pieces, and what follows it, too")
    func large() throws {
        var samples = MessageSamples(seed: 5)
        var state = samples.state()
        state.value = Array(repeating: 0, count: 8 << 20)
        for place in stride(from: 0, to: state.value.count, by: 997) {
            state.value[place] = UInt8(truncatingIfNeeded: place)
        }
        let messages = [PeerMessage.frame(.inform(nil, nil, state))] + MessageSamples.each()
        let bytes = messages.flatMap { encoded($0) }
        for piece in [1 << 16, 1 << 20, 4_099] {
            let came = try decoded(bytes, cut: .pieces(byteCount: piece), byteCountMax: 9 << 20)
            #expect(came == messages, "pieces of \(piece)")
        }
    }

    @Test("Types that are not known are refused, all of them")
    func types() {
        let known = Set(MessageSamples.each().map { encoded($0)[4] })
        #expect(known.count == MessageSamples.kindCount)
        for type in 0...255 as ClosedRange<UInt8> where !known.contains(type) {
            let header = [0, 0, 0, 0, type] + Array(repeating: 0 as UInt8, count: 11)
            #expect(problem(header) == .unknownType(type))
        }
    }

    @Test("What a header has no use for must be 0")
    func unused() {
        func first(_ bytes: [UInt8], _ place: Int) -> FrameError? {
            var bytes = bytes
            bytes[place] = 1
            return problem(bytes)
        }
        let number = OperationNumber(bits: 5)
        let decline = encoded(.frame(.decline(number)))
        #expect(problem(decline) == nil)
        #expect(isBadField(first(decline, 5), "flags", 1))
        #expect(isBadField(first(decline, 6), "hops", 1))
        #expect(isBadField(first(decline, 7), "reserved bytes", 1))
        #expect(isBadField(first(decline, 8), "sequence", 1))
        #expect(isBadField(first(decline, 12), "round", 1))
        #expect(isBadField(first(encoded(.frame(.compare(round: 9))), 8), "sequence", 1))
        #expect(isBadField(first(encoded(.frame(.acknowledge(sequence: 9))), 12), "round", 1))
    }

    @Test("Lengths that do not add up are refused, by one byte")
    func lengths() {
        for message in MessageSamples.each() {
            var bytes = encoded(message)
            bytes[0] += 1
            bytes.append(0)
            // A reply ends with its frame, and so does a text: it may be one byte longer.
            switch message {
            case .frame(.outcome), .frame(.definition): continue
            default: #expect(problem(bytes) != nil, "\(message)")
            }
            bytes.removeLast(2)
            guard bytes.count >= 16 else { continue }
            bytes[0] -= 2
            #expect(problem(bytes) != nil, "\(message)")
        }
    }

    @Test("A key has 1 to 250 bytes")
    func keys() throws {
        for count in [1, 250] {
            let key = Array(repeating: 7 as UInt8, count: count)
            let request = Request(
                number: OperationNumber(bits: 1), isRead: true, key: key, command: [])
            let frame = PeerMessage.frame(.forward(request, hops: 1))
            let state = KeyState(key: key, stamp: .none, kind: .item)
            let change = PeerMessage.frame(.inform(nil, nil, state))
            #expect(try decoded(encoded(frame) + encoded(change)) == [frame, change])
            for (message, place) in [(frame, 16 + 9), (change, 16 + 16 + 24)] {
                for wrong in [0, 251, 255] as [UInt8] {
                    var bytes = encoded(message)
                    #expect(bytes[place] == UInt8(count))
                    bytes[place] = wrong
                    #expect(isBadField(problem(bytes), "key length", UInt64(wrong)))
                }
            }
        }
    }

    @Test(
        "Kinds, standings and claims that are not known are refused, and so are times without end")
    func values() {
        func changed(_ message: PeerMessage, _ place: Int, _ value: UInt8) -> FrameError? {
            var bytes = encoded(message)
            bytes[16 + place] = value
            return problem(bytes)
        }
        let state = KeyState(key: [1], stamp: .none, kind: .item)
        let change = PeerMessage.frame(.inform(nil, nil, state))
        #expect(changed(change, 16 + 25, 6) == nil)
        #expect(isBadField(changed(change, 16 + 25, 2), "kind", 2))
        #expect(isBadField(changed(change, 0, 2), "number of no operation", 2))
        #expect(isBadField(changed(change, 12, 2), "having a number", 2))
        let owed = PeerMessage.frame(
            .replicate(sequence: 1, OperationNumber(bits: 0), nil, state))
        #expect(isBadField(changed(owed, 12, 0), "having a number", 0))
        let beat = PeerMessage.statement(Statement(process: 1, time: 2, standing: .alone))
        #expect(isBadField(changed(beat, 48, 5), "standing", 5))
        #expect(isBadField(changed(beat, 49, 2), "readiness", 2))
        #expect(isBadField(changed(beat, 15, 0x40), "time", 0x4000_0000_0000_0002))
        #expect(changed(beat, 15, 0x3F) == nil)
        #expect(isBadField(changed(beat, 23, 0x40), "echo", 1 << 62))
        #expect(isBadField(changed(beat, 31, 0x80), "waiting since", 1 << 63))
        #expect(isBadField(changed(beat, 47, 0x40), "clock", 1 << 62))
        #expect(
            isBadField(changed(.frame(.barrier(since: 0)), 7, 0x40), "beginning", 1 << 62))
    }

    @Test("After an error nothing is taken any more, and the error stays")
    func afterError() throws {
        let good = encoded(.frame(.acknowledge(sequence: 1)))
        var reader = FrameReader(
            frameByteCountMax: sampleByteCountMax, version: .newest)
        reader.append((good + Array(repeating: 0, count: 16) + good).span.bytes)
        #expect(try reader.next() == .frame(.acknowledge(sequence: 1)))
        for _ in 0..<3 {
            #expect(throws: FrameError.unknownType(0)) { try reader.next() }
            reader.append(good.span.bytes)
            #expect(reader.waitingByteCount == 0)
        }
    }

    @Test("An error says in a line what was expected, and what came")
    func descriptions() {
        #expect(
            FrameError.tooLong(announced: 9, byteCountMax: 8).description
                == "at most 8 bytes were expected after a frame's header, 9 were announced")
        #expect(
            FrameError.unknownType(99).description
                == "a known type of frame was expected, 99 came")
        var barrier = encoded(.frame(.barrier(since: 1)))
        barrier[0] = 7
        #expect(
            problem(barrier)?.description == "barrier: 8 more bytes were expected, 7 came")
        barrier[0] = 9
        #expect(
            problem(barrier + [0])?.description
                == "barrier: its end was expected, 1 more bytes came")
        barrier[0] = 8
        barrier[5] = 3
        #expect(problem(barrier)?.description == "header: 0 was expected as its flags, 3 came")
    }
}
