import Cluster
import Testing

/// What members count of themselves, where clocks have to go by and peers to fall silent.
@Suite(.timeLimit(.minutes(10)))
struct MemberCountTests {
    @Test("A peer that is not waited for any longer after the start is counted once")
    func servedAlone() {
        var stage = MemberStage()
        stage.goOn(stage.times.solitude, isHeard: false)
        #expect(stage.member.counts.servedAlone == 0)
        stage.goOn(20_000, isHeard: false)
        #expect(stage.member.standing(to: 1) == .alone)
        stage.goOn(stage.times.solitude, isHeard: false)
        #expect(stage.member.counts.servedAlone == 1)
    }

    @Test(
        "A request is parked once, however often it is looked at, and one with a fresh lease is not"
    )
    func parked() {
        var stage = MemberStage()
        stage.comeTogether()
        #expect(stage.member.standing(to: 1) == .together)
        stage.ask(1, .set)
        #expect(stage.member.counts.parked == 0)
        stage.acknowledge()
        #expect(stage.replies == [1])
        stage.goOn(stage.times.lease + 10_000, isHeard: false)
        stage.ask(2, .set)
        stage.ask(3, .get)
        #expect(stage.member.counts.parked == 2)
        stage.goOn(50_000, isHeard: false)
        #expect(stage.member.counts.parked == 2 && stage.replies == [1])
        stage.goOn(stage.times.silence, isHeard: false)
        #expect(stage.replies == [1, 2, 3] && stage.member.counts.singleCopies == 1)
        #expect(stage.member.counts.parked == 2 && stage.hangUps == [])
    }

    @Test("Acknowledgements have the time that they take, and a peer that sends none is slow, once")
    func slow() {
        var stage = MemberStage()
        stage.comeTogether()
        stage.ask(1, .set)
        stage.goOn(100_000, isHeard: true)
        #expect(stage.replies == [])
        stage.acknowledge()
        #expect(stage.replies == [1])
        let taken = stage.member.counts.acknowledgements
        #expect((100_000..<125_000).contains(taken.percentile(99)))
        #expect(stage.member.counts.slowPeers == 0)
        stage.ask(2, .set)
        stage.goOn(2 * stage.times.silence, isHeard: true)
        #expect(stage.member.counts.slowPeers == 1)
        #expect(stage.replies == [1, 2])
        stage.goOn(stage.times.silence, isHeard: true)
        #expect(stage.member.counts.slowPeers == 1)
    }

    @Test("Who acknowledges a long change has the time that it takes on its way, and no more")
    func long() {
        var stage = MemberStage()
        stage.comeTogether()
        // 16 MiB more than counts for nothing, which take a second.
        stage.ask(1, .set, value: [UInt8](repeating: 1, count: 24 << 20))
        stage.goOn(1_000_000, isHeard: true)
        #expect(stage.member.counts.slowPeers == 0 && stage.hangUps == [] && stage.replies == [])
        stage.goOn(600_000, isHeard: true)
        #expect(stage.member.counts.slowPeers == 1 && stage.replies == [1])
    }

    @Test("Percentiles are at least what was noted, and less than a quarter more")
    func percentiles() {
        var durations = Durations()
        #expect(durations.percentile(50) == 0)
        for microseconds in 1...1_000 as ClosedRange<UInt64> {
            durations.note(microseconds: microseconds)
        }
        for percent in 1...100 as ClosedRange<UInt64> {
            let exact = percent * 10
            #expect((exact...exact * 5 / 4).contains(durations.percentile(percent)), "\(percent)")
        }
        for (noted, least) in [(0, 0), (3, 3), (4, 4), (5, 5), (1 << 20, 1 << 20)]
            as [(UInt64, UInt64)]
        {
            var one = Durations()
            one.note(microseconds: noted)
            #expect((least...max(least, least * 5 / 4)).contains(one.percentile(100)))
        }
        var longest = Durations()
        longest.note(microseconds: .max)
        #expect(longest.percentile(1) > 500_000_000)
    }
}
