import Cluster
import Glibc
import TestSupport
import Testing

/// Random schedules: what happens, and what clients are told. `SOJOURN_SCHEDULES` runs more of them, from
/// `SOJOURN_SEED` on; a schedule that fails tells its seed, and with `SOJOURN_TRACE` all that happened in it.
@Suite(.timeLimit(.minutes(10)))
struct SimulationTests {
    private static let count = UInt64(environment("SOJOURN_SCHEDULES").flatMap { Int($0) } ?? 50)
    private static let first = environment("SOJOURN_SEED").flatMap { UInt64($0) } ?? 0

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    private struct Counts {
        /// Histories of a key that are too long to be looked at in every order.
        var undecided: UInt64 = 0
        /// Requests at members that nothing was wrong with.
        var hungUp: UInt64 = 0
        var stoodIn: UInt64 = 0
    }

    /// What a schedule shows, and how to see it again.
    private func problem<Store: SimulatedStore>(
        seed: UInt64, _ profile: SimulationProfile, _ type: Store.Type, counts: inout Counts
    ) -> String? {
        let wantsTrace = Self.environment("SOJOURN_TRACE") != nil
        let simulation = Simulation<Store>(seed: seed, profile: profile, wantsTrace: wantsTrace)
        simulation.run()
        counts.hungUp += simulation.hangUpCount
        counts.stoodIn += simulation.standInCount
        if wantsTrace { for line in simulation.trace { print(line) } }
        if let divergence = simulation.divergence() { return "in the end \(divergence)" }
        guard profile.checksHistory else { return nil }
        if simulation.longestWait > 500_000 {
            return "somebody waited for \(simulation.longestWait) us"
        }
        let flushes = simulation.history.filter { $0.verb == .flush }
        // What is refused was not carried out.
        let others = simulation.history.filter {
            $0.verb != .flush && $0.outcome?.result != .refused
        }
        for (key, entries) in Dictionary(grouping: others, by: \.key) {
            var check = HistoryCheck(
                profile.deadCount > 1 ? entries.map(Self.withoutGuesses) : entries,
                flushes: flushes)
            if !check.holds() { return "what clients were told of key \(key[1]) cannot be" }
            if check.isUndecided { counts.undecided += 1 }
        }
        return nil
    }

    /// Who stands in for owners that are away makes of a key that it does not know what it would of one that is not there.
    private static func withoutGuesses(_ entry: HistoryEntry) -> HistoryEntry {
        var entry = entry
        switch (entry.verb, entry.outcome?.result) {
        case (.add, .stored): (entry.verb, entry.outcome) = (.set, nil)
        case (.delete, .notFound): entry.outcome = nil
        default: break
        }
        return entry
    }

    private func run<Store: SimulatedStore>(
        _ name: String, _ profile: SimulationProfile, _ type: Store.Type = ModelStore.self
    ) {
        var counts = Counts()
        for seed in Self.first..<Self.first + Self.count {
            if let problem = problem(seed: seed, profile, type, counts: &counts) {
                Issue.record("\(name), SOJOURN_SEED=\(seed): \(problem)")
            }
        }
        // scripts/simulate counts them by it.
        print("simulated \(Self.count) schedules, \(counts.hungUp) not answered: \(name)")
        // Of fifteen keys of each schedule.
        #expect(counts.undecided <= 10 + Self.count / 5, "\(name): not decided")
        // Where all are owners of everything nobody needs to.
        if profile.deadCount > 1, profile.memberCount > profile.copies {
            #expect(counts.stoodIn > Self.count, "\(name): hardly anybody has stood in")
        }
    }

    @Test(
        "With one fault at a time what was acknowledged is there, once, and what was deleted stays deleted"
    )
    func oneAtATime() { run("one at a time", SimulationProfile()) }

    @Test("Of two members one serves on while the other is killed or stopped")
    func two() {
        var profile = SimulationProfile()
        profile.memberCount = 2
        // Without a third one a cut is a partition: each side goes on.
        profile.cuts = false
        profile.unplugs = false
        run("two members", profile)
    }

    @Test("Five members serve as three do")
    func five() {
        var profile = SimulationProfile()
        profile.memberCount = 5
        run("five members", profile)
    }

    @Test("After a partition all have the same again")
    func partition() {
        var profile = SimulationProfile()
        profile.parts = true
        profile.checksHistory = false
        run("a partition", profile)
    }

    @Test(
        "Where the smaller side of a partition refuses changes what was acknowledged is there, once"
    )
    func majority() {
        for (name, count) in [("three members, a majority", 3), ("five members, a majority", 5)] {
            var profile = SimulationProfile()
            profile.memberCount = count
            profile.parts = true
            profile.needsMajority = true
            run(name, profile)
        }
    }

    @Test("What was let go is gone everywhere, and what was stored afterwards is not")
    func flushes() {
        var profile = SimulationProfile()
        profile.flushes = true
        run("flushes", profile)
        run("flushes, the node's store", profile, NodeSite.self)
    }

    @Test("With the node's own store, over its own map, the same holds")
    func real() { run("the node's store", SimulationProfile(), NodeSite.self) }

    @Test("Where deletions are forgotten for want of room what was deleted stays deleted, too")
    func forgetful() { run("forgetful", SimulationProfile(), ForgetfulNodeSite.self) }

    @Test("With the node's own store after a partition all have the same again")
    func realPartition() {
        var profile = SimulationProfile()
        profile.parts = true
        profile.checksHistory = false
        run("a partition, the node's store", profile, NodeSite.self)
    }

    private static func changing(_ changes: [SimulatedChange]) -> SimulationProfile {
        var profile = SimulationProfile()
        profile.changes = changes
        profile.faultCount = changes.count + 1
        profile.requestCount = 600
        return profile
    }

    @Test(
        "What was acknowledged is there, once, and what was deleted stays so, while a member joins")
    func join() { run("a member joins", Self.changing([.joins])) }

    @Test("The same while a member leaves")
    func leave() { run("a member leaves", Self.changing([.leaves])) }

    @Test("The same while a member takes another one's place, which may be dead")
    func replace() { run("a member is replaced", Self.changing([.replaces])) }

    @Test("The same in one change after the other")
    func twoChanges() {
        run("joins and leaves", Self.changing([.joins, .leaves]))
        run("leaves and joins", Self.changing([.leaves, .replaces]))
    }

    @Test("The same where a change is taken back")
    func inVain() { run("joins in vain", Self.changing([.joinsInVain, .joins])) }

    @Test("The same with the node's own store")
    func realChanges() {
        run("changes, the node's store", Self.changing([.joins, .replaces]), NodeSite.self)
    }

    @Test("What was let go while a member joins is gone")
    func flushesAndChanges() {
        var profile = Self.changing([.joins, .leaves])
        profile.flushes = true
        run("changes and flushes", profile)
    }

    private static func copies(_ copies: Int, of members: Int) -> SimulationProfile {
        var profile = SimulationProfile()
        profile.memberCount = members
        profile.copies = copies
        return profile
    }

    /// Two at a time, one after the other, and nothing else.
    private static func dying(_ copies: Int, of members: Int) -> SimulationProfile {
        var profile = copies == 2 ? SimulationProfile() : Self.copies(copies, of: members)
        profile.memberCount = members
        profile.deadCount = 2
        (profile.stops, profile.cuts, profile.unplugs) = (false, false, false)
        return profile
    }

    @Test(
        "With three copies what was acknowledged is there, once, and what was deleted stays deleted"
    )
    func threeCopies() {
        run("three copies", Self.copies(3, of: 3))
        run("three copies, five members", Self.copies(3, of: 5))
        run("three copies, the node's store", Self.copies(3, of: 4), NodeSite.self)
    }

    @Test("The same while a member joins, and while one is replaced")
    func threeCopiesChanging() {
        var profile = Self.changing([.joins])
        profile.copies = 3
        run("three copies, a member joins", profile)
        profile = Self.changing([.replaces, .joins])
        (profile.copies, profile.memberCount) = (3, 4)
        run("three copies, a member is replaced", profile)
    }

    @Test("With three copies all have the same again after a partition")
    func threeCopiesPartition() {
        var profile = Self.copies(3, of: 4)
        (profile.parts, profile.checksHistory) = (true, false)
        run("three copies, a partition", profile)
    }

    @Test("When both owners of a key die whoever stood in for the first has what was changed since")
    func standIns() {
        run("two die, two copies", Self.dying(2, of: 3))
        run("two die, two copies, the node's store", Self.dying(2, of: 4), NodeSite.self)
    }

    @Test("Of three copies two may be lost with their members")
    func twoOfThree() {
        run("two die, three copies", Self.dying(3, of: 3))
        run("two die, three copies, five members", Self.dying(3, of: 5))
    }

    @Test("The same seed is the same schedule")
    func repeats() {
        let runs = (0..<2).map { _ in
            let simulation = Simulation<ModelStore>(
                seed: 7, profile: SimulationProfile(), wantsTrace: true)
            simulation.run()
            return simulation.trace
        }
        #expect(runs[0] == runs[1])
        #expect(runs[0].count > 500)
    }
}

/// The check itself: it must be able to fail.
@Suite(.timeLimit(.minutes(10)))
struct HistoryCheckTests {
    private func entry(
        _ verb: ModelCommand.Verb, _ value: String = "", _ times: ClosedRange<UInt64>,
        _ result: ModelOutcome.Result?,
        read: String = ""
    ) -> HistoryEntry {
        HistoryEntry(
            key: [1], verb: verb, value: Array(value.utf8), member: 0, begin: times.lowerBound,
            end: times.upperBound,
            outcome: result.map { ModelOutcome($0, value: Array(read.utf8)) })
    }

    @Test(
        "What cannot be is found: a lost change, an old value, a logout undone, a lock held twice")
    func impossible() {
        let histories: [[HistoryEntry]] = [
            [entry(.set, "a", 1...2, .stored), entry(.get, "", 3...4, .miss)],
            [
                entry(.set, "a", 1...2, .stored), entry(.set, "b", 3...4, .stored),
                entry(.get, "", 5...6, .hit, read: "a"),
            ],
            [
                entry(.set, "a", 1...2, .stored), entry(.delete, "", 3...4, .deleted),
                entry(.get, "", 5...6, .hit, read: "a"),
            ],
            [entry(.add, "a", 1...4, .stored), entry(.add, "b", 2...3, .stored)],
            [
                entry(.set, "a", 1...2, .stored), entry(.append, "b", 3...4, .stored),
                entry(.get, "", 5...6, .hit, read: "abb"),
            ],
        ]
        for history in histories {
            var check = HistoryCheck(history)
            let holds = check.holds()
            #expect(!holds)
        }
    }

    @Test(
        "What can be is not complained about: what overlaps, and what nobody knows the outcome of")
    func possible() {
        let histories: [[HistoryEntry]] = [
            [],
            [entry(.set, "a", 1...9, .stored), entry(.get, "", 2...3, .miss)],
            [entry(.set, "a", 1...9, .stored), entry(.get, "", 2...3, .hit, read: "a")],
            [entry(.set, "a", 1...2, nil), entry(.get, "", 5...6, .miss)],
            [
                entry(.set, "a", 1...2, nil), entry(.get, "", 5...6, .miss),
                entry(.get, "", 7...8, .hit, read: "a"),
            ],
        ]
        for history in histories {
            var check = HistoryCheck(history)
            let holds = check.holds()
            #expect(holds)
        }
    }
}
