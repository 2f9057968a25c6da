import Testing

@testable import SessionClient

private let down = CacheError(.nodeUnavailable, node: "a")
private let now: Int64 = 2_000_000_000

private func copy(_ place: Int, _ state: Copy.State) -> Copy { Copy(place: place, state: state) }

private func order(_ action: CopyRepair.Action, over: UInt64) -> CopyRepair.Order {
    CopyRepair.Order(action: action, over: over)
}

/// What a retrieval does to copies, and what it says to it; nil for no repair.
private func repairing(
    _ copies: [Copy], exptime: Int32? = nil, needed: Int = 1
) -> (orders: [Int: CopyRepair.Order], exptime: Int32, place: Int?)? {
    var read = CopyRead(
        .get, exptime: exptime, settings: Copies(count: copies.count, readCountMin: needed),
        nodeCount: copies.count)
    #expect(read.begin() == .look(wantsValue: true, needed: needed))
    guard case .repair(let repair) = read.looked(copies, unixSeconds: now),
        case .finish(let place) = read.repaired(count: 0)
    else { return nil }
    return (repair.orders, repair.exptime, place)
}

@Suite(.timeLimit(.minutes(10)))
struct CopyReadTests {
    @Test("Copies that are the same are let be")
    func even() throws {
        let same = [copy(0, .live(version: 5)), copy(1, .live(version: 5))]
        let repair = try #require(repairing(same))
        #expect(repair.orders.isEmpty && repair.place == 0)
    }

    @Test("The newest copy is the item, and the others get it over what they have")
    func newest() throws {
        let left = Duration.seconds(100)
        let copies = [
            copy(0, .live(version: 4)), copy(1, .live(version: 5, timeLeft: left)),
            copy(2, .missing), copy(3, .tombstone(version: 3)), copy(4, .unknown(down)),
        ]
        let repair = try #require(repairing(copies))
        #expect(repair.place == 1 && repair.exptime == 100)
        #expect(
            repair.orders == [
                0: order(.push(.plain), over: 4), 2: order(.push(.plain), over: 0),
                3: order(.push(.plain), over: 3),
            ])
    }

    @Test("A newer tombstone is no item, and spreads with the time that it has left")
    func tombstone() throws {
        let left = Duration.seconds(70)
        let copies = [
            copy(0, .live(version: 4)), copy(1, .tombstone(version: 5, timeLeft: left)),
            copy(2, .missing),
        ]
        let repair = try #require(repairing(copies))
        #expect(repair.place == nil)
        #expect(
            repair.orders == [
                0: order(.push(.tombstone(timeLeft: left)), over: 4),
                2: order(.push(.tombstone(timeLeft: left)), over: 0),
            ])
    }

    @Test("Of one version the copy that knows its end is the newer one")
    func sameVersion() throws {
        // It has expired at the one node, and the other has missed the shorter time.
        let over = [copy(0, .live(version: 5)), copy(1, .tombstone(version: 5))]
        let ended = try #require(repairing(over))
        #expect(ended.place == nil)
        #expect(ended.orders == [0: order(.rewrite(.tombstone(timeLeft: nil)), over: 5)])
        // It ends soon: both get this time, and are plain items again.
        let left = Duration.seconds(9)
        let dated = Copy.State.live(version: 5, timeLeft: left, isDated: true)
        let ending = try #require(repairing([copy(0, .live(version: 5)), copy(1, dated)]))
        #expect(ending.place == 1 && ending.exptime == 9)
        #expect(
            ending.orders == [
                0: order(.touch(exptime: 9), over: 5), 1: order(.rewrite(.plain), over: 5),
            ])
    }

    @Test("While a copy cannot be reached, a dated item stays dated, and so are those that get it")
    func datedAndIncomplete() throws {
        let dated = Copy.State.live(version: 5, timeLeft: .seconds(9), isDated: true)
        let repair = try #require(
            repairing([copy(0, dated), copy(1, .missing), copy(2, .unknown(down))]))
        #expect(repair.orders == [1: order(.push(.dated), over: 0)])
    }

    @Test("A new exptime is set where it is not set yet; a shorter one is remembered for the dead")
    func newExptime() throws {
        let states: [Copy.State] = [
            .live(version: 5, timeLeft: .seconds(100)), .live(version: 5, timeLeft: .seconds(60)),
        ]
        let copies = states.enumerated().map { copy($0.offset, $0.element) }
        let all = try #require(repairing(copies, exptime: 60))
        #expect(all.exptime == 60)
        #expect(all.orders == [0: order(.touch(exptime: 60), over: 5)])
        let shorter = try #require(repairing(copies + [copy(2, .unknown(down))], exptime: 60))
        #expect(
            shorter.orders == [
                0: order(.rewrite(.dated), over: 5), 1: order(.rewrite(.dated), over: 5),
            ])
        let longer = try #require(repairing(copies + [copy(2, .unknown(down))], exptime: 200))
        #expect(
            longer.orders == [
                0: order(.touch(exptime: 200), over: 5), 1: order(.touch(exptime: 200), over: 5),
            ])
    }

    @Test("In its last second an item is not copied: no time left would mean for ever")
    func lastSecond() throws {
        let copies = [copy(0, .live(version: 5, timeLeft: .zero)), copy(1, .missing)]
        let repair = try #require(repairing(copies))
        #expect(repair.orders.isEmpty && repair.place == 0)
    }

    @Test("With an exptime that is over the item is deleted, and was there")
    func overExptime() {
        var read = CopyRead(
            .get, exptime: -1, settings: Copies(count: 2), nodeCount: 2)
        let copies = [copy(0, .missing), copy(1, .live(version: 5))]
        #expect(read.looked(copies, unixSeconds: now) == .delete(place: 1))
        #expect(read.deleted(place: 1) == .finish(place: 1))
    }

    @Test("Nothing is nothing, and too few known copies are an error")
    func nothing() {
        var read = CopyRead(
            .get, exptime: nil, settings: Copies(count: 2, readCountMin: 2), nodeCount: 2)
        #expect(
            read.looked([copy(0, .missing), copy(1, .missing)], unixSeconds: now)
                == .finish(place: nil))
        guard
            case .fail(let error) = read.looked(
                [copy(0, .missing), copy(1, .unknown(down))], unixSeconds: now)
        else {
            Issue.record("one of two suffices")
            return
        }
        #expect(error.code == .tooFewCopies)
    }

    @Test("touch asks for no values where all copies are the same, and otherwise reads")
    func touch() {
        func touch() -> CopyRead {
            CopyRead(.touch, exptime: 60, settings: Copies(count: 2), nodeCount: 2)
        }
        let same = [copy(0, .live(version: 5)), copy(1, .live(version: 5))]
        var even = touch()
        #expect(even.begin() == .look(wantsValue: false, needed: 1))
        guard case .repair(let repair) = even.looked(same, unixSeconds: now) else {
            Issue.record("no touch")
            return
        }
        #expect(
            repair.orders == [
                0: order(.touch(exptime: 60), over: 5), 1: order(.touch(exptime: 60), over: 5),
            ])
        #expect(even.repaired(count: 1) == .finish(place: 0))
        let reading = CopyRead.Step.look(wantsValue: true, needed: 1)
        // Nobody has it any more.
        #expect(even.repaired(count: 0) == reading)
        #expect(
            even.looked([copy(0, .missing), copy(1, .missing)], unixSeconds: now)
                == .finish(place: nil))
        let dated = Copy.State.live(version: 5, timeLeft: .seconds(9), isDated: true)
        for other: Copy.State in [
            .missing, .live(version: 4), .tombstone(version: 5), .unknown(down), dated,
        ] {
            var uneven = touch()
            #expect(
                uneven.looked([copy(0, .live(version: 5)), copy(1, other)], unixSeconds: now)
                    == reading)
        }
    }
}
