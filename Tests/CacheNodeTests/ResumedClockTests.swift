import Glibc
import Testing

@testable import CacheNode
@testable import SessionMap

/// The node's time goes on after a restart. Real clocks run along: bounds leave them some seconds.
@Suite(.timeLimit(.minutes(10))) struct ResumedClockTests {
    private let patience: UInt32 = 20

    private func resume(_ change: (inout SavedClock) -> Void) -> UInt32 {
        var saved = NodeClock().saved()
        saved.nodeSeconds = 1_000
        change(&saved)
        return NodeClock(resuming: saved).now().seconds
    }

    @Test func aNewMapStartsAtTheBeginning() {
        let seconds = NodeClock().now().seconds
        #expect(seconds >= Deadline.clockStart && seconds <= Deadline.clockStart + patience)
    }

    @Test func timeDownCountsOnTheSameBoot() {
        #expect((1_000...1_000 + patience).contains(resume { _ in }))
        let seconds = resume { saved in
            saved.bootSeconds -= min(saved.bootSeconds, 30)
            // Whatever became of the wall clock.
            saved.wallSeconds -= 1_000_000
        }
        #expect((1_001...1_030 + patience).contains(seconds))
    }

    @Test func onAnotherBootTheWallClockTellsTheTimeDown() {
        let seconds = resume { saved in
            saved.bootID = [UInt8](repeating: 9, count: 16)
            saved.bootSeconds = .max
            saved.wallSeconds -= 5_000
        }
        #expect((6_000...6_000 + patience).contains(seconds))
    }

    @Test func aWallClockThatWasSetBackMovesNothing() {
        let seconds = resume { saved in
            saved.bootID = [UInt8](repeating: 9, count: 16)
            saved.wallSeconds += 100_000
        }
        #expect((1_000...1_000 + patience).contains(seconds))
    }

    @Test func aClockNeverShowsLessThanItsStart() {
        let seconds = resume { $0.nodeSeconds = 0 }
        #expect((Deadline.clockStart...Deadline.clockStart + patience).contains(seconds))
    }

    @Test func whatIsSavedIsReadBack() {
        var page = [UInt64](repeating: 0, count: ArenaHeader.byteCount / 8)
        let saved = SavedClock(
            nodeSeconds: 5, bootSeconds: 6, wallSeconds: 7, bootID: (0..<16).map { UInt8($0) })
        page.withUnsafeMutableBytes { saved.write(to: $0.baseAddress!) }
        #expect(page.withUnsafeBytes { SavedClock($0) } == saved)
    }

    /// The page is written by several stores; between any two of them time must go on as it should.
    @Test func aClockThatWasHalfSavedIsReadAsOneOfBoth() {
        let before = SavedClock(
            nodeSeconds: 100, bootSeconds: 500, wallSeconds: 10_000,
            bootID: [UInt8](repeating: 1, count: 16))
        let after = SavedClock(
            nodeSeconds: 3_700, bootSeconds: 20, wallSeconds: 13_600,
            bootID: [UInt8](repeating: 2, count: 16))
        var page = [UInt64](repeating: 0, count: ArenaHeader.byteCount / 8)
        page.withUnsafeMutableBytes { before.write(to: $0.baseAddress!) }
        var whole = page
        whole.withUnsafeMutableBytes { after.write(to: $0.baseAddress!) }
        // The node's seconds at wall second 20,000, on a third boot; and 30 s later on the second's.
        for boot in 0..<2 {
            for wall in 0..<2 {
                var half = page
                half[6] = boot == 0 ? page[6] : whole[6]
                half[7] = wall == 0 ? page[7] : whole[7]
                let saved = half.withUnsafeBytes { SavedClock($0) }
                #expect(saved.nodeSeconds + (20_000 - saved.wallSeconds) == 10_100)
            }
        }
    }
}
