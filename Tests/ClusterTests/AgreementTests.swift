import Testing

@testable import Cluster

@Suite(.timeLimit(.minutes(10)))
struct AgreementTests {
    /// The version that a member makes of a time.
    private func version(_ member: UInt8, _ time: UInt64) -> UInt64 {
        var clock = VersionClock(member: member)
        return clock.make(now: time)
    }

    @Test("What both have in common this member has had, whoever made it")
    func common() {
        var agreement = Agreement(me: 1, peer: 0)
        agreement.note(until: 100)
        agreement.note(until: 90)
        for member: UInt8 in [0, 1, 2] {
            #expect(agreement.hasHad(version(member, 100), forgotten: 500))
        }
        for member: UInt8 in [0, 2] {
            #expect(!agreement.hasHad(version(member, 101), forgotten: 500))
        }
    }

    @Test(
        "After that it has had what it has made itself, and of the peer's what it has acknowledged")
    func afterwards() {
        var agreement = Agreement(me: 1, peer: 0)
        agreement.note(until: 100)
        agreement.noteAcknowledged(version(0, 200))
        // Of another member's it is not known in which order they came.
        agreement.noteAcknowledged(version(2, 300))
        #expect(agreement.hasHad(version(0, 200), forgotten: 500))
        #expect(!agreement.hasHad(version(0, 201), forgotten: 500))
        #expect(!agreement.hasHad(version(2, 150), forgotten: 500))
        #expect(agreement.hasHad(version(1, 400), forgotten: 500))
    }

    @Test("Of a peer whose process has died nobody was told of what was not acknowledged")
    func died() {
        var agreement = Agreement(me: 1, peer: 0)
        agreement.note(until: 100)
        agreement.noteParted(300)
        // It may live.
        #expect(!agreement.hasHad(version(0, 200), forgotten: 500))
        agreement.noteDied()
        #expect(agreement.hasHad(version(0, 300), forgotten: 500))
        #expect(!agreement.hasHad(version(0, 301), forgotten: 500))
        #expect(!agreement.hasHad(version(2, 200), forgotten: 500))
    }

    @Test(
        "A process that has seen no agreement takes all for known that is as old as what it has forgotten"
    )
    func unknown() {
        let agreement = Agreement(me: 1, peer: 0)
        #expect(agreement.hasHad(version(0, 500), forgotten: 500))
        #expect(!agreement.hasHad(version(0, 501), forgotten: 500))
    }
}
