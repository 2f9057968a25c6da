import Cluster
import Testing

/// What a peer is told of items that stay what they are, when it cannot be told.
@Suite(.timeLimit(.minutes(10)))
struct NoteTests {
    private static let key: [UInt8] = [107]

    private func notes(_ stage: MemberStage) -> [Note] {
        stage.sent.flatMap { frame in
            guard case .notes(let notes) = frame else { return [] as [Note] }
            return notes
        }
    }

    /// A session that both owners have, and that was renewed at one of them.
    private func renewed() -> MemberStage {
        var stage = MemberStage()
        stage.comeTogether()
        stage.ask(1, .set)
        stage.acknowledge()
        stage.ask(2, .renew)
        return stage
    }

    @Test(
        "A peer that falls silent just after it was told is told again, and no later state is made of it"
    )
    func toldAgain() {
        var stage = MemberStage()
        stage.comeTogether()
        stage.ask(1, .set)
        stage.acknowledge()
        let stamp = stage.store.stamp(of: Self.key)
        stage.ask(2, .renew)
        stage.goOn(1_100_000, isHeard: true)
        #expect(notes(stage).map(\.key) == [Self.key])
        stage.goOn(2 * stage.times.silence, isHeard: false)
        #expect(stage.member.standing(to: 1) == .alone)
        stage.unlink()
        stage.goOn(3_000_000, isHeard: false)
        // Elsewhere it may have been changed meanwhile, which a renewal must not undo.
        #expect(stage.store.stamp(of: Self.key) == stamp)
        #expect(notes(stage).count == 1)
        stage.link()
        stage.goOn(1_100_000, isHeard: true)
        #expect(notes(stage).map(\.stamp) == [stamp, stamp])
    }

    @Test("A peer that is linked with anew was not told what went by the link before")
    func toldByTheNextLink() {
        var stage = renewed()
        stage.goOn(1_100_000, isHeard: true)
        stage.link()
        stage.goOn(1_100_000, isHeard: true)
        #expect(notes(stage).map(\.key) == [Self.key, Self.key])
    }

    @Test("What was told long before a link ended is not told again")
    func toldOnce() {
        var stage = renewed()
        stage.goOn(3_200_000, isHeard: true)
        stage.unlink()
        stage.link()
        stage.goOn(1_100_000, isHeard: true)
        #expect(notes(stage).count == 1)
    }

    @Test("So many wait for a peer that is away; of more whoever is in charge makes later states")
    func many() {
        var stage = MemberStage()
        stage.goOn(stage.times.solitude + 20_000, isHeard: false)
        #expect(stage.member.standing(to: 1) == .alone)
        func key(_ number: Int) -> [UInt8] { Array("\(number)".utf8) }
        let count = 65_536
        for number in 0...count { stage.ask(1, .set, key: key(number)) }
        let stamps = (0...count).map { stage.store.stamp(of: key($0)) }
        // The same one over and over takes no place.
        for _ in 0..<2 * count { stage.ask(1, .renew, key: key(7)) }
        for number in 0..<count / 2 { stage.ask(1, .renew, key: key(number)) }
        #expect((0..<count).allSatisfy { stage.store.stamp(of: key($0)) == stamps[$0] })
        for number in 0...count { stage.ask(1, .renew, key: key(number)) }
        #expect(stage.store.stamp(of: key(7)) == stamps[7])
        #expect(stage.store.stamp(of: key(count)) > stamps[count])
    }
}
