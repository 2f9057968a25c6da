import NIOCore
import Testing

@testable import SessionClient

private func at(_ milliseconds: Int64) -> NIODeadline {
    .uptimeNanoseconds(0) + .milliseconds(milliseconds)
}

private func health(jitter: Double = 0) -> NodeHealth {
    NodeHealth(
        policy: .init(
            failureCountMax: 3, backoffMin: .milliseconds(100), backoffMax: .milliseconds(1_000),
            jitter: jitter))
}

private func ejected(jitter: Double = 0, draw: Double = 0) -> NodeHealth {
    var health = health(jitter: jitter)
    for _ in 0..<3 { _ = health.recordFailure(now: at(0), draw: draw) }
    return health
}

struct NodeHealthTests {
    @Test("So many failures in a row eject a node, not fewer")
    func ejection() {
        var health = health()
        #expect(health.recordFailure(now: at(0), draw: 0) == nil)
        #expect(health.recordFailure(now: at(0), draw: 0) == nil)
        #expect(health.admission(now: at(0)) == .admitted)
        #expect(health.recordFailure(now: at(0), draw: 0) == .ejected(for: .milliseconds(100)))
        #expect(health.isEjected)
        #expect(health.admission(now: at(99)) == .refused)
    }

    @Test("An answer between them begins the count anew")
    func answerBetween() {
        var health = health()
        for _ in 0..<10 {
            #expect(health.recordFailure(now: at(0), draw: 0) == nil)
            #expect(health.recordFailure(now: at(0), draw: 0) == nil)
            health.recordAnswer()
        }
        #expect(!health.isEjected)
    }

    @Test("When the backoff is over, one caller probes, and an answer brings the node back")
    func probe() {
        var health = ejected()
        #expect(health.admission(now: at(100)) == .probe)
        #expect(health.admission(now: at(101)) == .refused)
        #expect(health.admission(now: at(10_000)) == .refused)
        #expect(
            health.recordProbe(hasAnswered: true, now: at(102), draw: 0) == .returned)
        #expect(health.admission(now: at(102)) == .admitted)
        // And the count begins anew.
        #expect(health.recordFailure(now: at(103), draw: 0) == nil)
    }

    @Test("Each probe that fails doubles the backoff, up to its limit")
    func backoff() {
        var health = ejected()
        var now = at(100)
        for wanted: Int64 in [200, 400, 800, 1_000, 1_000] {
            #expect(health.admission(now: now) == .probe)
            #expect(
                health.recordProbe(hasAnswered: false, now: now, draw: 0)
                    == .ejected(for: .milliseconds(wanted)))
            #expect(health.admission(now: now + .milliseconds(wanted - 1)) == .refused)
            now = now + .milliseconds(wanted)
        }
        for _ in 0..<200 {
            _ = health.admission(now: now)
            _ = health.recordProbe(hasAnswered: false, now: now, draw: 0)
            now = now + .milliseconds(1_000)
        }
        #expect(health.admission(now: now) == .probe)
    }

    @Test("Jitter makes the backoff longer by up to its part")
    func jitter() {
        var none = ejected(jitter: 0.5, draw: 0)
        #expect(none.admission(now: at(100)) == .probe)
        var all = ejected(jitter: 0.5, draw: 1)
        #expect(all.admission(now: at(149)) == .refused)
        #expect(all.admission(now: at(150)) == .probe)
    }

    @Test("What still comes from an ejected node changes nothing")
    func lateNews() {
        var health = ejected()
        health.recordAnswer()
        #expect(health.recordFailure(now: at(50), draw: 0) == nil)
        #expect(health.recordProbe(hasAnswered: true, now: at(50), draw: 0) == nil)
        #expect(health.admission(now: at(99)) == .refused)
        #expect(health.admission(now: at(100)) == .probe)
        health.recordAnswer()
        #expect(health.isEjected)
    }
}
