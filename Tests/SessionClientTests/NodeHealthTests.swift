import HashRing
import Logging
import Testing

@testable import SessionClient

private let start = Instant.now

private func at(_ milliseconds: Int64) -> Instant {
    start + .milliseconds(milliseconds)
}

private func health(jitter: Double = 0, restartPatience: Duration = .zero) -> NodeHealth {
    NodeHealth(
        policy: .init(
            failureCountMax: 3, backoffMin: .milliseconds(100), backoffMax: .milliseconds(1_000),
            jitter: jitter, restartPatience: restartPatience))
}

private func ejected(jitter: Double = 0, draw: Double = 0) -> NodeHealth {
    var health = health(jitter: jitter)
    for _ in 0..<3 { _ = health.recordFailure(now: at(0), draw: draw) }
    return health
}

@Suite(.timeLimit(.minutes(10)))
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

    @Test("A node that does not let the client in is left alone at once, and longer each time")
    func keptOut() {
        var health = health(restartPatience: .seconds(3_600))
        let once = NodeHealth.Change.ejected(for: .milliseconds(100))
        #expect(health.recordFailure(.keptOut, now: at(0), draw: 0) == once)
        #expect(health.admission(now: at(99)) == .refused)
        #expect(health.admission(now: at(100)) == .probe)
        #expect(health.recordFailure(.keptOut, now: at(101), draw: 0) == nil)
        let twice = NodeHealth.Change.ejected(for: .milliseconds(200))
        #expect(health.recordProbe(hasAnswered: false, now: at(101), draw: 0) == twice)
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

    @Test("A node that returns and fails again before it has answered stays away twice as long")
    func returnsAndFails() {
        var health = ejected()
        var now = at(100)
        for wanted: Int64 in [200, 400, 800, 1_000, 1_000] {
            #expect(health.admission(now: now) == .probe)
            #expect(health.recordProbe(hasAnswered: true, now: now, draw: 0) == .returned)
            #expect(health.recordFailure(now: now, draw: 0) == nil)
            #expect(health.recordFailure(now: now, draw: 0) == nil)
            #expect(
                health.recordFailure(now: now, draw: 0) == .ejected(for: .milliseconds(wanted)))
            now = now + .milliseconds(wanted)
        }
        #expect(health.admission(now: now) == .probe)
        #expect(health.recordProbe(hasAnswered: true, now: now, draw: 0) == .returned)
        health.recordAnswer()
        for _ in 0..<2 { #expect(health.recordFailure(now: now, draw: 0) == nil) }
        #expect(health.recordFailure(now: now, draw: 0) == .ejected(for: .milliseconds(100)))
    }

    @Test("A node that refuses connections is not ejected while it may be restarting")
    func restarting() {
        var health = health(restartPatience: .milliseconds(1_000))
        for (time, pause): (Int64, Int64) in [
            (0, 10), (10, 20), (30, 40), (70, 80), (150, 100), (999, 100),
        ] {
            #expect(health.admission(now: at(time)) == .admitted)
            #expect(health.recordFailure(.unreachable, now: at(time), draw: 0) == nil)
            #expect(health.admission(now: at(time + pause - 1)) == .later(at(time + pause)))
            #expect(health.admission(now: at(time + pause)) == .admitted)
        }
        var other = health
        #expect(
            health.recordFailure(.unreachable, now: at(1_000), draw: 0)
                == .ejected(for: .milliseconds(100)))
        // It is back, and the next restart has its own time.
        other.recordAnswer()
        #expect(other.admission(now: at(1_000)) == .admitted)
        #expect(other.recordFailure(.unreachable, now: at(5_000), draw: 0) == nil)
        #expect(other.recordFailure(.unreachable, now: at(5_999), draw: 0) == nil)
        // A connection that breaks is no restart that has to be waited for.
        #expect(other.recordFailure(now: at(5_999), draw: 0) == .ejected(for: .milliseconds(100)))
    }

    @Test("Nobody waits for a restart where others have the key")
    func nobodyWaits() {
        var configuration = CacheClientConfiguration()
        #expect(configuration.healthPolicy.restartPatience == .seconds(1))
        configuration.requestTimeout = .seconds(5)
        #expect(configuration.healthPolicy.restartPatience == .seconds(5))
        configuration.restartPatience = .seconds(2)
        #expect(configuration.healthPolicy.restartPatience == .seconds(2))
        configuration.deadNodes = .nextNode
        #expect(configuration.healthPolicy.restartPatience == .zero)
        configuration.deadNodes = .fail
        configuration.copies = Copies(count: 2)
        #expect(configuration.healthPolicy.restartPatience == .zero)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct NodeWatchTests {
    @Test(
        "Who may not ask a node that has refused the login is told so, also while it is slow to refuse"
    )
    func refusal() {
        let watch = NodeWatch(
            node: Node(host: "a"), policy: health().policy, metrics: ClientMetrics(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let refused = CacheError(.authenticationFailed, reason: "CLIENT_ERROR")
        let silent = CacheError(.nodeUnavailable, reason: "no answer")
        watch.record(.failed(silent, atLogin: true))
        #expect(watch.refusal.code == .nodeUnavailable)
        watch.record(.failed(refused, atLogin: true))
        #expect(watch.refusal == refused)
        watch.record(.failed(silent, atLogin: true))
        #expect(watch.refusal == refused)
        // One that is not there any more is not one that refuses.
        watch.record(.failed(silent, atLogin: false))
        #expect(watch.refusal.code == .nodeUnavailable)
    }
}
