import SessionMap
import Testing

@testable import CacheNode

/// What clients may do to a clock with `-o debugtime`: wherever they move it, it goes on and its numbers
/// do not end. Real clocks run along: bounds leave them some seconds.
@Suite(.timeLimit(.minutes(10)))
struct MovedClockTests {
    private static let patience: Int64 = 20
    /// What a command can move it by at once, and 4,000 years in such steps.
    private static let step = Int64(Int32.max)
    private static let stepCount = 60
    /// What it can be moved by in all.
    private static let most: Int64 = 1 << 32

    private func makeClock(_ nodeSeconds: UInt32 = 1_000) -> NodeClock {
        var saved = NodeClock().saved()
        saved.nodeSeconds = nodeSeconds
        return NodeClock(resuming: saved)
    }

    /// Reads all that it tells.
    private func read(_ clock: NodeClock) -> Moment {
        _ = clock.saved()
        _ = clock.wallMicroseconds()
        for deadline in [Deadline.never, .past, .at(1_000), .at(UInt64(UInt32.max))] {
            _ = clock.nanoseconds(at: deadline)
        }
        return clock.now()
    }

    private func isNear(_ seconds: Int64, _ place: Int64) -> Bool {
        (place...place + Self.patience).contains(seconds)
    }

    @Test(
        "Moved on or back by 4,000 years, a clock stops at its ends, and comes back as far",
        arguments: [1, -1] as [Int64])
    func ends(direction: Int64) {
        let clock = makeClock()
        let wall = clock.now().wallSeconds
        for _ in 0..<Self.stepCount {
            clock.advance(seconds: direction * Self.step)
            _ = read(clock)
        }
        let end = read(clock)
        #expect(end.seconds == (direction > 0 ? .max : Deadline.clockStart))
        #expect(isNear(end.wallSeconds, wall + direction * Self.most))
        clock.advance(seconds: -direction * Self.most)
        let back = read(clock)
        #expect(isNear(Int64(back.seconds), 1_000) && isNear(back.wallSeconds, wall))
    }

    @Test("Steps of any size add up to what the clock can be moved by, and not to more")
    func anyStep() {
        let clock = makeClock()
        for seconds: Int64 in [.max, .max, .min, .min, .max, -1, .min, 1] {
            clock.advance(seconds: seconds)
            _ = read(clock)
        }
        let wall = NodeClock().now().wallSeconds
        #expect(isNear(read(clock).wallSeconds, wall - Self.most + 1))
        let standing = makeClock()
        standing.pause()
        for seconds: Int64 in [.max, .max, .min, .min, 7] {
            standing.advance(seconds: seconds)
            _ = read(standing)
        }
        #expect(read(standing).seconds == standing.startSeconds + 7)
    }

    @Test("A clock that stands still and is moved before its start stands still there")
    func standingBeforeTheStart() {
        let clock = makeClock()
        clock.pause()
        clock.advance(seconds: -100_000)
        #expect(clock.nanoseconds(at: .at(9_000)) == nil)
        #expect(read(clock).seconds == clock.startSeconds && read(clock).fraction == 0)
        clock.advance(seconds: 10)
        #expect(read(clock).seconds == clock.startSeconds + 10)
        clock.resume()
        #expect(isNear(Int64(read(clock).seconds), Int64(clock.startSeconds) + 10))
        #expect(clock.nanoseconds(at: .at(9_000)) != nil)
    }

    @Test("A clock that was moved before its start can be stopped, moved and let go on")
    func stoppedBeforeTheStart() {
        let clock = makeClock()
        clock.advance(seconds: -500)
        #expect(isNear(Int64(read(clock).seconds), 500))
        clock.pause()
        #expect(clock.nanoseconds(at: .at(9_000)) == nil)
        let stopped = read(clock).seconds
        clock.advance(seconds: 10)
        #expect(read(clock).seconds == stopped + 10)
        clock.resume()
        #expect(clock.nanoseconds(at: .at(9_000)) != nil)
        #expect(isNear(Int64(read(clock).seconds), Int64(stopped) + 10))
    }
}
