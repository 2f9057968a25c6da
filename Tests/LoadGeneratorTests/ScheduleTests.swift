import Testing

@testable import LoadGenerator

@Suite(.timeLimit(.minutes(10)))
struct ScheduleTests {
    @Test("Requests are due evenly from the start on, without drifting")
    func even() {
        let schedule = OpenSchedule(start: 1_000, perSecond: 3)
        #expect(
            (0..<4).map { schedule.due($0) } == [1_000, 333_334_333, 666_667_666, 1_000_001_000])
        #expect(schedule.due(3_000_000) == 1_000_000_000_001_000)
    }

    @Test("As many are due before an end as fit, the end itself not included")
    func counts() {
        let schedule = OpenSchedule(start: 500, perSecond: 1_000)
        #expect(schedule.count(before: 499) == 0)
        #expect(schedule.count(before: 500) == 0)
        #expect(schedule.count(before: 501) == 1)
        #expect(schedule.count(before: 1_000_500) == 1)
        #expect(schedule.count(before: 1_000_501) == 2)
        #expect(schedule.count(before: 1_000_000_500) == 1_000)
    }

    @Test("A late request's latency counts from when it was due")
    func latency() {
        let talk = Talk(ListedRequests([get(1)]))
        let due = talk.now
        talk.now += 50_000_000
        talk.conversation.ask(1, since: due, second: talk.second)
        talk.now += 1_000_000
        talk.answer(talk.hit(1) + Array("END\r\n".utf8))
        #expect(abs(talk.tally[.get].latencies.milliseconds(at: 100) - 51) < 0.1)
    }
}
