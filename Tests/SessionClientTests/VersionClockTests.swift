import Synchronization
import Testing

@testable import SessionClient

private let year2030: Int64 = 1_893_456_000_000_000

@Suite(.timeLimit(.minutes(10)))
struct VersionClockTests {
    @Test("Versions go up, when the clock stands still and when it goes back")
    func goesUp() throws {
        let now = Mutex(year2030)
        let clock = VersionClock(writer: 7) { now.withLock { $0 } }
        var last: UInt64 = 0
        for step in 0..<1_000 {
            let version = try #require(clock.next(after: 0))
            #expect(version > last)
            #expect(version & 0x3FFF == 7)
            last = version
            now.withLock { $0 += [0, 1, -50_000, 3_000][step % 4] }
        }
    }

    @Test("A version is above the one that was seen, though its clock was fast")
    func aboveSeen() throws {
        let fast = VersionClock(writer: 9) { year2030 + 3_600_000_000 }
        let slow = VersionClock(writer: 3) { year2030 }
        let seen = try #require(fast.next(after: 0))
        let next = try #require(slow.next(after: seen))
        #expect(next > seen)
        // Two changes of the same state are told apart.
        #expect(try #require(slow.next(after: seen)) > next)
    }

    @Test("A version from a clock that is days ahead drags no other item along")
    func farAhead() throws {
        let ahead = VersionClock(writer: 9) { year2030 + 200_000_000_000 }
        let clock = VersionClock(writer: 3) { year2030 }
        let seen = try #require(ahead.next(after: 0))
        #expect(try #require(clock.next(after: seen)) > seen)
        #expect(try #require(clock.next(after: 0)) < seen)
    }

    @Test("After the last version there is none")
    func end() {
        let clock = VersionClock()
        #expect(clock.next(after: .max) == nil)
        #expect(clock.next(after: .max - 1 << 14) != nil)
    }
}
