import Testing

@testable import sojourn

/// What `sojourn follow` does next, without a network.
@Suite(.timeLimit(.minutes(10)))
struct FollowingTests {
    private let broken = EtcdTrouble.unreachable("Connection refused")

    private func fail(_ following: inout Following, _ trouble: EtcdTrouble, isTold: Bool) {
        let told = following.hasFailed(trouble, draw: 1)
        #expect(told == isTold)
    }

    @Test("It reads, watches from the next revision on, and reads again when that is over")
    func wellTrodden() {
        var following = Following(endpointCount: 1, logsIn: false)
        #expect(following.step == .read)
        following.hasRead(revision: 41)
        #expect(following.step == .watch(from: 42))
        following.hasHeard()
        #expect(following.step == .watch(from: 42))
        following.watchIsOver()
        #expect(following.step == .read)
    }

    @Test("The largest revision that an answer may have can be watched from")
    func largest() throws {
        let reading = try EtcdAnswer.reading(
            Array(#"{"header":{"revision":"\#(Int64.max - 1)"}}"#.utf8))
        var following = Following(endpointCount: 1, logsIn: false)
        following.hasRead(revision: reading.revision)
        #expect(following.step == .watch(from: .max))
    }

    @Test("After a trouble the next endpoint is asked, after a pause that has a bound")
    func pauses() throws {
        var following = Following(endpointCount: 2, logsIn: false)
        var pauses: [Duration] = []
        for count in 0..<200 {
            #expect(following.endpoint == count % 2)
            fail(&following, broken, isTold: true)
            guard case .pause(let pause) = following.step else {
                Issue.record("\(following.step)")
                return
            }
            pauses.append(pause)
            following.hasPaused()
            #expect(following.step == .read)
        }
        #expect(Array(pauses.prefix(4)) == [100, 100, 200, 200].map { .milliseconds($0) })
        #expect(pauses.last == Following.pauseMax)
        #expect(zip(pauses, pauses.dropFirst()).allSatisfy { $0 <= $1 })
        // By chance it is shorter, down to half of it.
        _ = following.hasFailed(broken, draw: 0)
        #expect(following.step == .pause(.seconds(5)))
    }

    @Test("What is broken after each reading is waited for longer and longer, too")
    func brokenWatch() {
        var following = Following(endpointCount: 1, logsIn: false)
        for _ in 0..<20 {
            following.hasRead(revision: 1)
            fail(&following, .compacted(7), isTold: true)
            following.hasPaused()
        }
        #expect(following.troubleCount == 20)
        following.hasRead(revision: 1)
        following.hasHeard()
        fail(&following, broken, isTold: true)
        #expect(following.step == .pause(.milliseconds(100)))
    }

    @Test("Who has a user logs in first; a token that is refused later is renewed without a word")
    func login() {
        var following = Following(endpointCount: 1, logsIn: true)
        #expect(following.step == .authenticate && following.token == nil)
        following.hasLoggedIn(token: "t")
        #expect(following.step == .read && following.token == "t")
        following.hasRead(revision: 1)
        fail(&following, .refused("invalid auth token"), isTold: false)
        #expect(following.step == .authenticate && following.token == nil)
        // Another one that is refused at once is a trouble: else this would turn in circles.
        following.hasLoggedIn(token: "u")
        fail(&following, .refused("permission denied"), isTold: true)
        #expect(following.step == .pause(.milliseconds(100)))
        following.hasPaused()
        #expect(following.step == .authenticate)
    }

    @Test("A broken connection keeps the token")
    func token() {
        var following = Following(endpointCount: 2, logsIn: true)
        following.hasLoggedIn(token: "t")
        fail(&following, broken, isTold: true)
        following.hasPaused()
        #expect(following.step == .read && following.token == "t")
    }

    @Test("A wrong password is not tried again soon")
    func wrongPassword() {
        var following = Following(endpointCount: 1, logsIn: true)
        fail(&following, .refused("authentication failed"), isTold: true)
        #expect(following.step == .pause(Following.pauseMax))
        following.hasPaused()
        #expect(following.step == .authenticate)
    }

    @Test("A trouble is told once until things are well again, and again after many")
    func journal() {
        var journal = TroubleJournal()
        let hadNone = !journal.clear()
        let first = ["refused", "late"].map { journal.add($0) }
        let repeated = (2..<TroubleJournal.repetitionCount).map { _ in journal.add("refused") }
        let later = (0..<2).map { _ in journal.add("refused") }
        #expect(hadNone && first == [true, true])
        #expect(!repeated.contains(true))
        #expect(later == [true, false])
        let hadSome = journal.clear()
        let afterwards = journal.add("refused")
        #expect(hadSome && afterwards)
    }
}
