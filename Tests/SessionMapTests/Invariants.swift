import Testing

@testable import SessionMap

// A broken promise is an issue of the test that met it: what comes after is still run and told.

extension SessionMap {
    func checkInvariants(
        now: UInt32, file: String = #fileID, path: String = #filePath, line: Int = #line
    ) {
        let place = SourceLocation(fileID: file, filePath: path, line: line, column: 1)
        for sentence in brokenInvariants() {
            Issue.record("a broken invariant: \(sentence)", sourceLocation: place)
        }
    }
}

extension Shard {
    func checkInvariants(file: String = #fileID, path: String = #filePath, line: Int = #line) {
        let place = SourceLocation(fileID: file, filePath: path, line: line, column: 1)
        if let sentence = brokenInvariant() {
            Issue.record("a broken invariant: \(sentence)", sourceLocation: place)
        }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct InvariantTests {
    @Test("A broken invariant is told in a sentence, and the program goes on")
    func isTold() throws {
        let map = try SessionMap(MapConfiguration(byteCount: 8 << 20), now: 10)
        let key = Array("session:4f1c".utf8)
        let request = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)
        #expect(map.store(key.span, request, value: key.span, now: 10) == .stored)
        #expect(map.brokenInvariants() == [])
        map.withShard(0) { shard in
            let region = shard.region
            shard.items.index.forEachItem { item, _ in region[item, .deadline] = 100 }
        }
        #expect(map.brokenInvariants() == ["shard 0: an item that will never expire"])
    }
    @Test("In the clock's last second, too, the invariants hold and are looked at")
    func atTheEndOfTime() throws {
        let map = try SessionMap(MapConfiguration(byteCount: 8 << 20), now: .max)
        let key = Array("session:4f1c".utf8)
        for deadline in [Deadline.past, .at(1_000), .at(.max), .never] {
            #expect(map.set(key, key, deadline: deadline, now: .max) == .stored)
            #expect(map.brokenInvariants() == [])
        }
        #expect(map.value("session:4f1c", now: .max) == key)
    }
}
