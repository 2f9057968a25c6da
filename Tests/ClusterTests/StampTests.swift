import Cluster
import Testing

@Suite(.timeLimit(.minutes(10)))
struct StampTests {
    @Test(
        "A deletion beats an overwrite that did not know of it, though that came later; a login beats the deletion"
    )
    func deletion() {
        let login = Stamp(birth: 100, version: 700)
        let slowPage = Stamp(birth: login.birth, version: 950)
        let logout = Stamp(birth: 500, version: 900)
        #expect(slowPage > login)
        #expect(logout > slowPage)
        #expect(Stamp(birth: 500, version: 901) > logout)
        #expect(Stamp.none < login)
    }

    @Test("Versions go up whatever the machine's clock does, and are above what is known")
    func versions() {
        var clock = VersionClock(member: 3)
        let first = clock.make(shard: 5, now: 1_000)
        #expect(first == 1_000 << 14 | 3 << 6 | 5)
        let second = clock.make(now: 400)
        #expect(second > first)
        let known: UInt64 = 5_000 << 14 | 63 << 8 | 255
        let third = clock.make(above: known, now: 400)
        #expect(third > known)
        #expect(clock.lastMicroseconds == 5_001)
    }

    @Test("Two makers never make the same version")
    func makers() {
        var made: Set<UInt64> = []
        for member in UInt8(0)..<4 {
            for shard in 0..<4 {
                var clock = VersionClock(member: member)
                for _ in 0..<10 { made.insert(clock.make(shard: shard, now: 7)) }
            }
        }
        #expect(made.count == 160)
    }

    @Test("A peer's clock is followed, unless it is more than a day ahead")
    func following() {
        var clock = VersionClock(member: 0)
        clock.follow(microseconds: 5_000 + VersionClock.microsecondsAheadMax, now: 5_000)
        #expect(clock.lastMicroseconds == 5_000 + VersionClock.microsecondsAheadMax)
        clock = VersionClock(member: 0)
        clock.follow(microseconds: 5_001 + VersionClock.microsecondsAheadMax, now: 5_000)
        #expect(clock.lastMicroseconds == 0)
    }

    @Test("What begins again is not born before what it follows")
    func birth() {
        #expect(VersionClock.birth(of: 7_500_000 << 14) == 7)
        #expect(VersionClock.birth(of: 7_500_000 << 14, notBefore: 9) == 9)
    }
}
