import Testing

@testable import Cluster

/// What a member keeps for others, and when it counts.
@Suite(.timeLimit(.minutes(10)))
struct GuestsTests {
    private let key = Array("session:1".utf8)

    private func stamp(_ microseconds: UInt64) -> Stamp {
        Stamp(birth: 1, version: VersionClock.last(of: microseconds))
    }

    @Test("What was kept counts until its owners have met again, and what is kept after that does")
    func meetings() {
        var guests = Guests(startedAt: 100)
        #expect(guests.areValid(stamp(200), key, [1, 2]))
        guests.note(1, isWith: [2, 3], clock: 300)
        #expect(!guests.areValid(stamp(200), key, [1, 2]))
        // Whoever of the two has said so.
        #expect(!guests.areValid(stamp(300), key, [2, 1]))
        #expect(guests.areValid(stamp(301), key, [1, 2]))
        // Of others nothing was said.
        #expect(guests.areValid(stamp(200), key, [2, 4]))
        // That one of them has met others says nothing.
        guests.note(1, isWith: [3], clock: 400)
        #expect(guests.areValid(stamp(301), key, [1, 2]))
        // What comes late.
        guests.note(1, isWith: [2], clock: 50)
        #expect(!guests.areValid(stamp(300), key, [1, 2]))
    }

    @Test(
        "Of three that are to have a copy all have to have met: as long as one is away it is kept")
    func threeCopies() {
        var guests = Guests(startedAt: 100)
        guests.note(1, isWith: [2], clock: 300)
        #expect(guests.areValid(stamp(200), key, [1, 2, 3]))
        guests.note(1, isWith: [2, 3], clock: 400)
        #expect(!guests.areValid(stamp(400), key, [1, 2, 3]))
    }

    @Test("What an earlier process has kept does not count: it may have missed something")
    func processes() {
        let guests = Guests(startedAt: 100)
        #expect(!guests.areValid(stamp(100), key, [1, 2]))
        #expect(guests.areValid(stamp(101), key, [1, 2]))
    }

    @Test(
        "What is only read or renewed counts from when its owner has given it, until they have met")
    func confirmed() {
        var guests = Guests(startedAt: 100)
        guests.note(1, isWith: [2], clock: 300)
        guests.confirm(key, clock: 350)
        #expect(guests.areValid(stamp(200), key, [1, 2]))
        #expect(!guests.areValid(stamp(200), Array("session:2".utf8), [1, 2]))
        guests.note(2, isWith: [1], clock: 360)
        #expect(!guests.areValid(stamp(200), key, [1, 2]))
        guests.confirm(key, clock: 370)
        guests.forgetConfirmed()
        #expect(!guests.areValid(stamp(200), key, [1, 2]))
    }
}
