import Testing

@testable import LoadGenerator

@Suite(.timeLimit(.minutes(10)))
struct WorkloadTests {
    private func draws(_ source: any RequestSource, _ count: Int) -> [(Request, [Asked])] {
        var asked = RingBuffer<Asked>(capacity: 64)
        return (0..<count).compactMap { _ in
            guard let request = source.draw(at: 2, into: &asked) else { return nil }
            let keys = (0..<asked.count).map { asked[$0] }
            asked.removeAll()
            return (request, keys)
        }
    }

    private func mixSource(_ mix: String, _ book: KeyBook) throws -> MixSource {
        MixSource(
            book: book, mix: try #require(OperationMix(mix)), exptime: 0, keysPerGet: 1,
            hasQuietSets: false, seed: 1)
    }

    @Test("A mix is read as written, and nothing else is")
    func reading() {
        #expect(OperationMix("get=90,set=10")?.operations == [.get, .set])
        #expect(OperationMix("gat")?.operations == [.gat])
        #expect(OperationMix("get=1000000") != nil)
        for text in [
            "", "get=", "get=0", "get=-1", "get=1000001", "get=1,get=2", "put=1", "get=1=2", "view",
            "get=1,", "echo",
        ] {
            #expect(OperationMix(text) == nil, "\(text)")
        }
    }

    @Test("Operations come as often as the mix says")
    func ratios() throws {
        let source = try mixSource("get=90,set=9,delete=1", KeyBook(0..<1_000))
        var counts: [Operation: Int] = [:]
        for (request, _) in draws(source, 100_000) { counts[request.operation, default: 0] += 1 }
        #expect(abs((counts[.get] ?? 0) - 90_000) < 900)
        #expect(abs((counts[.set] ?? 0) - 9_000) < 400)
        #expect(abs((counts[.delete] ?? 0) - 1_000) < 150)
    }

    @Test("What a reply must be follows from what was sent before it")
    func presences() throws {
        let book = KeyBook([42])
        #expect(draws(FillSource(book: book, exptime: 0), 3).count == 1)
        let source = try mixSource("get=1,set=1,delete=1,touch=1", book)
        var revision: UInt32 = 0
        var isThere = true
        for (request, asked) in draws(source, 1_000) {
            #expect(asked[0].key == 42)
            switch request.operation {
            case .set:
                revision += 1
                isThere = true
            default: #expect(asked[0].presence == (isThere ? .always : .absent))
            }
            #expect(asked[0].revision == revision)
            if request.operation == .delete { isThere = false }
        }
        #expect(revision > 100)
    }

    @Test("A miss is remembered, unless a later store is on its way")
    func missedItems() {
        let book = KeyBook([1, 2])
        _ = draws(FillSource(book: book, exptime: 0), 2)
        let asked = book.asked(0)
        #expect(book.noteMiss(asked))
        #expect(!book.noteMiss(asked))
        #expect(book[0].presence == .absent)
        let other = book.asked(1)
        book[1].revision += 1
        #expect(!book.noteMiss(other))
        #expect(book[1].presence == .always)
    }

    @Test("With a time to live an item is certain until a second before it ends")
    func presence() {
        let presence = Presence(exptime: 5, now: 10)
        #expect(presence.isCertain(at: 13))
        #expect(!presence.isCertain(at: 14))
        #expect(presence.renewed(exptime: 5, now: 13).isCertain(at: 16))
        #expect(!presence.renewed(exptime: 5, now: 14).isCertain(at: 15))
        #expect(Presence.absent.renewed(exptime: 5, now: 1) == .absent)
        #expect(Presence(exptime: 1, now: 2).isCertain(at: 2) == false)
    }

    @Test("Every key belongs to exactly one connection", arguments: [1, 2, 7, 100])
    func dealing(connectionCount: Int) {
        let dealing = KeyDealing(
            keyCount: 100, connectionCount: connectionCount, placement: .oneNode,
            keyFormat: KeyFormat(prefix: "k", lengths: .fixed(10)))
        let keys = (0..<connectionCount).flatMap { dealing.keys(ofConnection: $0) }
        #expect(keys.sorted() == Array(0..<100))
    }

    @Test("Readers share keys when there are fewer than connections")
    func sharing() {
        let dealing = KeyDealing(
            keyCount: 2, connectionCount: 5, placement: .oneNode,
            keyFormat: KeyFormat(prefix: "k", lengths: .fixed(10)))
        #expect((0..<5).map { dealing.keys(ofConnection: $0) } == [[0], [1], [0], [1], [0]])
    }
}

@Suite(.timeLimit(.minutes(10)))
struct SessionWorkloadTests {
    private final class Counter { var lost = 0 }

    private func source(_ people: KeyBook, _ counter: Counter) -> SessionSource {
        SessionSource(
            people: people, exptime: 86_400, bots: 1, seed: 3,
            numbers: SessionNumbers(step: 1_000, botStep: 1, connection: 0, isHere: { _ in true }),
            noteLost: { counter.lost += 1 })
    }

    @Test("People and bots come in the ratios they were seen in")
    func ratios() {
        let people = KeyBook(0..<100)
        let fill = FillSource(book: people, exptime: 86_400)
        var asked = RingBuffer<Asked>(capacity: 128)
        while fill.draw(at: 2, into: &asked) != nil {}
        asked.removeAll()
        let source = source(people, Counter())
        var counts: [Operation: Int] = [:]
        for _ in 0..<200_000 {
            counts[source.draw(at: 2, into: &asked)?.operation ?? .echo, default: 0] += 1
            asked.removeAll()
        }
        func share(_ operation: Operation) -> Double { Double(counts[operation] ?? 0) / 200_000 }
        #expect(abs(share(.view) - 1_350.0 / 2_036) < 0.01)
        #expect(abs(share(.save) + share(.login) - 200.0 / 2_036) < 0.01)
        #expect(abs(share(.botSet) - 300.0 / 2_036) < 0.01)
        #expect(counts[.logout] == counts[.oldCookie])
        #expect(abs((counts[.login] ?? 0) - (counts[.logout] ?? 0)) <= 100)
        #expect(counts[.echo] == nil)
    }

    @Test("After a logout the old cookie must find nothing, and the person gets another session")
    func logout() {
        let people = KeyBook([5])
        people[0].presence = .always
        let source = source(people, Counter())
        var asked = RingBuffer<Asked>(capacity: 4)
        var history: [(Operation, Asked)] = []
        while history.last?.0 != .login {
            let request = source.draw(at: 2, into: &asked)
            history.append((request?.operation ?? .echo, asked[0]))
            asked.removeAll()
        }
        let person = history.filter { $0.1.key < 1_000_000 }.suffix(3)
        #expect(person.map(\.0) == [.logout, .oldCookie, .login])
        #expect(person.map(\.1.key) == [5, 5, 1_005])
        #expect(person.map(\.1.presence)[1] == .absent)
    }

    @Test("A view that finds nothing is one lost session, however many views were on their way")
    func losses() {
        let people = KeyBook([5])
        people[0].presence = .always
        let counter = Counter()
        let source = source(people, counter)
        let asked = people.asked(0)
        source.noteMiss(Asked(key: 77), .botRead, wasCertain: false)
        #expect(counter.lost == 0)
        source.noteMiss(asked, .view, wasCertain: true)
        source.noteMiss(asked, .view, wasCertain: true)
        #expect(counter.lost == 1)
        var ring = RingBuffer<Asked>(capacity: 4)
        var operation = source.draw(at: 2, into: &ring)?.operation
        while operation == .botSet || operation == .botRead || operation == .botDelete {
            ring.removeAll()
            operation = source.draw(at: 2, into: &ring)?.operation
        }
        #expect(operation == .login)
    }
}
