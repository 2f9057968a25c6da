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
        let down = min(NodeClock().saved().bootSeconds, 30)
        #expect((1_000 + down...1_000 + down + patience).contains(seconds))
    }

    @Test func thirtySecondsDownAreThirtySeconds() {
        let saved = SavedClock(
            nodeSeconds: 1_000, bootSeconds: 500, wallSeconds: 10_000,
            bootID: [UInt8](repeating: 1, count: 16))
        func seconds(boot: UInt8, _ bootSeconds: Int64, _ wallSeconds: Int64) -> UInt32 {
            saved.nodeSeconds(
                bootID: [UInt8](repeating: boot, count: 16), bootSeconds: bootSeconds,
                wallSeconds: wallSeconds)
        }
        #expect(seconds(boot: 1, 530, 0) == 1_030)
        #expect(seconds(boot: 1, 530, 99_999) == 1_030)
        #expect(seconds(boot: 2, 7, 10_030) == 1_030)
        #expect(seconds(boot: 2, 999_999, 9_000) == 1_000)
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

    /// A machine that has started again: a death at any store must not let the seconds of the one start
    /// count for the other's.
    @Test func aDeathWhileTheClockIsSavedNeverMovesTheTime() {
        let first = [UInt8](repeating: 1, count: 16)
        let second = [UInt8](repeating: 2, count: 16)
        let before = SavedClock(
            nodeSeconds: 100, bootSeconds: 500, wallSeconds: 10_000, bootID: first)
        let after = SavedClock(
            nodeSeconds: 3_700, bootSeconds: 20, wallSeconds: 13_600, bootID: second)
        var page = [UInt64](repeating: 0, count: ArenaHeader.byteCount / 8)
        page.withUnsafeMutableBytes { page in
            before.write(to: page.baseAddress!)
            var storeCount = 0
            func look() {
                let saved = SavedClock(UnsafeRawBufferPointer(page))
                #expect(saved.bootID != first || saved.bootSeconds == 500)
                #expect(saved.bootID != second || saved.bootSeconds == 20)
                // Ten seconds later, on the second start and on a third.
                for boot in [second, [UInt8](repeating: 3, count: 16)] {
                    let seconds = saved.nodeSeconds(
                        bootID: boot, bootSeconds: 30, wallSeconds: 13_610)
                    #expect(seconds == 3_710, "before store \(storeCount)")
                }
            }
            after.write(to: page.baseAddress!) {
                look()
                storeCount += 1
            }
            look()
            #expect(storeCount == 5)
        }
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
