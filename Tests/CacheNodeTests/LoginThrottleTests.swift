import EventLoop
import Testing

@testable import CacheNode

@Suite(.timeLimit(.minutes(10)))
struct LoginThrottleTests {
    private let throttle = LoginThrottle()
    private let peer = LoginThrottle.Peer(.tcp(host: "192.0.2.1", port: 1))
    private let start: UInt64 = 1 << 60

    private func milliseconds(_ count: UInt64) -> UInt64 { count * 1_000_000 }

    @Test("Each failure of an address makes the next attempt wait longer, up to five seconds")
    func growing() {
        var now = start
        for expected: UInt64 in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000] {
            #expect(throttle.takeTurn(peer, at: now) == .now)
            let told = throttle.noteFailure(peer, at: now)
            #expect(told == now + milliseconds(expected))
            #expect(throttle.takeTurn(peer, at: told - 1) == .at(told))
            now = told
        }
    }

    @Test("More connections of an address do not guess more: one of them is looked at per turn")
    func shared() {
        let told = throttle.noteFailure(peer, at: start)
        var lookedAt = 0
        for number in 0..<1_000 {
            let other = LoginThrottle.Peer(.tcp(host: "192.0.2.1", port: number))
            if throttle.takeTurn(other, at: told) == .now { lookedAt += 1 }
        }
        #expect(lookedAt == 1)
        let neighbour = LoginThrottle.Peer(.tcp(host: "192.0.2.2", port: 1))
        #expect(throttle.takeTurn(neighbour, at: start) == .now)
    }

    @Test("A login that succeeds ends the waiting of its address, and so do ten quiet minutes")
    func forgiving() {
        for _ in 0..<5 { _ = throttle.noteFailure(peer, at: start) }
        #expect(throttle.peerCount == 1)
        throttle.noteSuccess(peer)
        #expect(throttle.takeTurn(peer, at: start) == .now)
        #expect(throttle.peerCount == 0)
        for _ in 0..<5 { _ = throttle.noteFailure(peer, at: start) }
        let later = start + milliseconds(600_001)
        #expect(throttle.noteFailure(peer, at: later) == later + milliseconds(100))
    }

    @Test("The addresses of one IPv6 network are one, an IPv4 address is the same by IPv6")
    func addresses() {
        func peer(_ host: String) -> LoginThrottle.Peer { .init(.tcp6(host: host, port: 1)) }
        #expect(peer("2001:db8::1") == peer("2001:db8::ffff:2:3:4"))
        #expect(peer("2001:db8::1") != peer("2001:db8:0:1::1"))
        #expect(peer("fe80::1%lo") == peer("fe80::2"))
        #expect(peer("::ffff:192.0.2.1") == self.peer)
        #expect(LoginThrottle.Peer(.unix(path: "/a")) == LoginThrottle.Peer(.unix(path: "")))
    }

    @Test("Of more addresses than are remembered those that failed longest ago are forgotten")
    func bounded() {
        for number in 0..<20_000 {
            let host = "10.0.\(number >> 8).\(number & 255)"
            _ = throttle.noteFailure(.init(.tcp(host: host, port: 1)), at: start + UInt64(number))
        }
        #expect(throttle.peerCount <= LoginThrottle.peerCountMax)
        #expect(throttle.peerCount >= LoginThrottle.peerCountMax / 2)
        let latest = LoginThrottle.Peer(.tcp(host: "10.0.78.31", port: 1))
        #expect(throttle.takeTurn(latest, at: start) != .now)
    }
}
