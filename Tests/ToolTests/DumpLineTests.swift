import Testing

@testable import sojourn

/// Lines by which memcached lists its keys, those of other versions, and what is none.
@Suite(.timeLimit(.minutes(10)))
struct DumpLineTests {
    @Test(
        "Lines of metadump and mgdump give keys and times",
        arguments: [
            (
                "key=session%3A1 exp=1700000000 la=3 cas=4 fetch=no cls=1 size=63", "session:1",
                .at(1_700_000_000)
            ),
            (
                "key=session%3a1 exp=-1 la=3 cas=4 fetch=yes cls=1 size=63 flags=0", "session:1",
                .never
            ),
            ("key=a%20%25b exp=0 la=1", "a %b", .never), ("key=plain", "plain", .unknown),
            ("key=plain exp=soon", "plain", .unknown), ("mg plain", "plain", .unknown),
            ("mg YSBrZXk= b", "a key", .unknown),
        ] as [(String, String, DumpLine.Time)])
    func lines(text: String, key: String, time: DumpLine.Time) throws {
        let line = try #require(DumpLine(Array(text.utf8)))
        #expect(line.key == Array(key.utf8))
        #expect(line.time == time)
    }

    @Test(
        "What is no such line is none",
        arguments: [
            "", " ", "END", "EN", "key=", "key=%", "key=%2", "key=%zz exp=1", "mg", "mg !!! b",
            "mg a b c",
            "mg a x", "BUSY currently processing crawler request", "ERROR lru crawler disabled",
            "VALUE a 0 1",
        ])
    func others(text: String) {
        let line = DumpLine(Array(text.utf8))
        // A third word behind the flag is not looked at.
        #expect(line == nil || text == "mg a b c", "\(text)")
    }

    @Test(
        "Keys that no line can have are in base64, and those that are too long are refused, at the limit"
    )
    func lineKeys() {
        #expect(LineKey([]) == nil)
        #expect(LineKey(Array(repeating: 97, count: 250))?.isEncoded == false)
        #expect(LineKey(Array(repeating: 97, count: 251)) == nil)
        #expect(LineKey(Array("a key".utf8))?.text == Array("YSBrZXk=".utf8))
        #expect(LineKey(Array(repeating: 32, count: 186))?.text.count == 248)
        #expect(LineKey(Array(repeating: 32, count: 187)) == nil)
    }

    @Test("Times above 30 days are dates for memcached, and none is 0")
    func exptimes() {
        #expect(CacheServer.exptime(2_592_000, now: 1_000_000_000) == 2_592_000)
        #expect(CacheServer.exptime(2_592_001, now: 1_000_000_000) == 1_002_592_001)
        #expect(CacheServer.exptime(0, now: 1_000_000_000) == 1)
    }
}
