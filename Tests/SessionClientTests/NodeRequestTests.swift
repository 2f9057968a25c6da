import MemcacheProtocol
import Testing

@testable import SessionClient

private func encoded(_ request: NodeRequest, opaque: UInt64 = 0x0123_4567_89ab_cdef) -> String {
    let line = withUnsafeTemporaryAllocation(byteCount: MetaLine.byteCountMax, alignment: 1) {
        var writer = ReplyWriter($0)
        request.encodeLine(to: &writer, opaque: opaque)
        return Array($0.prefix(writer.count))
    }
    let block = request.value.map { $0 + Array("\r\n".utf8) } ?? []
    return String(decoding: line + block, as: UTF8.self)
}

@Suite(.timeLimit(.minutes(10)))
struct NodeRequestTests {
    @Test("A retrieval asks for value, client flags and CAS unique")
    func get() {
        #expect(encoded(.get(.init(key: "k"))) == "mg k v f c O0123456789abcdef\r\n")
        #expect(
            encoded(.get(.init(key: "k", wantsValue: false)), opaque: 0)
                == "mg k f c O0000000000000000\r\n")
    }

    @Test("A sliding read sets the exptime and shows the time that it has set")
    func slidingGet() {
        let get = NodeRequest.Get(key: "k", wantsTimeLeft: true, exptime: 1_800)
        #expect(encoded(.get(get)) == "mg k T1800 v f c t O0123456789abcdef\r\n")
        #expect(
            encoded(.get(.init(key: "k", exptime: -1))) == "mg k T-1 v f c O0123456789abcdef\r\n")
    }

    @Test("A store counts its data block, whatever is in it")
    func store() {
        let value = [UInt8].text("a\r\nmg b v\r\n")
        #expect(
            encoded(.store(.init(key: "k", value: value)), opaque: .max)
                == "ms k 11 c Offffffffffffffff\r\na\r\nmg b v\r\n\r\n")
        #expect(
            encoded(.store(.init(key: "k", value: [])), opaque: .max)
                == "ms k 0 c Offffffffffffffff\r\n\r\n")
    }

    @Test("A store's flags stand in its line")
    func storeFlags() {
        var store = NodeRequest.Store(key: "k", value: .text("v"))
        store.clientFlags = .max
        store.exptime = .min
        store.mode = .add
        store.expected = .max
        store.casUnique = 7
        #expect(
            encoded(.store(store), opaque: 1)
                == "ms k 1 ME F4294967295 T-2147483648 C18446744073709551615 E7 c "
                + "O0000000000000001\r\nv\r\n")
        store.mode = .replace
        #expect(encoded(.store(store)).hasPrefix("ms k 1 MR "))
    }

    @Test("Deletion, arithmetic and the no-op")
    func others() {
        #expect(encoded(.delete(.init(key: "k"))) == "md k O0123456789abcdef\r\n")
        #expect(
            encoded(.delete(.init(key: "k", expected: 9))) == "md k C9 O0123456789abcdef\r\n")
        #expect(
            encoded(.arithmetic(.init(key: "k", delta: 3))) == "ma k D3 v c O0123456789abcdef\r\n")
        let arithmetic = NodeRequest.Arithmetic(
            key: "k", delta: .max, decrements: true, initial: .init(number: .max, exptime: .min))
        #expect(
            encoded(.arithmetic(arithmetic))
                == "ma k D18446744073709551615 MD N-2147483648 J18446744073709551615 v c "
                + "O0123456789abcdef\r\n")
        #expect(encoded(.noop) == "mn\r\n")
    }

    @Test("The longest lines have their room")
    func longestLine() throws {
        let key = try CacheKey(bytes: [UInt8](repeating: 0x6B, count: 250))
        let store = NodeRequest.Store(
            key: key, value: [], clientFlags: .max, exptime: .min, mode: .replace,
            expected: .max, casUnique: .max)
        let arithmetic = NodeRequest.Arithmetic(
            key: key, delta: .max, decrements: true, initial: .init(number: .max, exptime: .min))
        for request in [NodeRequest.store(store), .arithmetic(arithmetic)] {
            let text = encoded(request)
            #expect(text.utf8.count < MetaLine.byteCountMax)
            #expect(text.split(separator: " ").count <= 20)
        }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct CacheKeyTests {
    @Test(
        "A key has 1 to 250 bytes", arguments: [(0, false), (1, true), (250, true), (251, false)])
    func length(count: Int, isKey: Bool) {
        let text = String(repeating: "k", count: count)
        #expect(((try? CacheKey(text)) != nil) == isKey)
    }

    @Test("Spaces and control bytes make no key, high bytes do")
    func bytes() throws {
        for byte in UInt8.min ... .max {
            let isKey = byte > 0x20 && byte != 0x7F
            #expect(((try? CacheKey(bytes: [0x61, byte])) != nil) == isKey, "byte \(byte)")
        }
        let (name, words) = ("schlüssel", "a b")
        #expect(try CacheKey(name).bytes.count == 10)
        #expect(throws: CacheError(.invalidKey)) { try CacheKey(words) }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ExpiryTests {
    private func exptime(_ expiry: Expiry, now: Int64 = 1_800_000_000) -> Int32 {
        expiry.exptime(unixSeconds: now)
    }

    @Test("Durations are rounded up to seconds, and beyond 30 days become a date")
    func durations() {
        #expect(exptime(.never) == 0)
        #expect(exptime(.after(.seconds(1))) == 1)
        #expect(exptime(.after(.milliseconds(1))) == 1)
        #expect(exptime(.after(.milliseconds(1_001))) == 2)
        #expect(exptime(.after(.seconds(2_592_000))) == 2_592_000)
        #expect(exptime(.after(.seconds(2_592_001))) == 1_802_592_001)
    }

    @Test("What is over is over at once")
    func past() {
        #expect(exptime(.after(.zero)) == -1)
        #expect(exptime(.after(.seconds(-5))) == -1)
        #expect(exptime(.at(unixSeconds: 0)) == -1)
        #expect(exptime(.at(unixSeconds: -7)) == -1)
        #expect(exptime(.at(unixSeconds: 999_999_999)) == -1)
    }

    @Test("Dates stay dates, and the last one is of 2038")
    func dates() {
        #expect(exptime(.at(unixSeconds: 1_900_000_000)) == 1_900_000_000)
        #expect(exptime(.at(unixSeconds: .max)) == .max)
        #expect(exptime(.after(.seconds(1_000_000_000))) == .max)
        #expect(exptime(.after(.seconds(Int64.max))) == .max)
    }
}
