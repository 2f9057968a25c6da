import Glibc
import TestSupport
import Testing

/// What users of other programs reported that their clusters did to them, done to members that keep copies.
@Suite(.timeLimit(.minutes(10)))
struct MemberReportTests {
    private let everywhere = [0, 1, 2]

    private func returns(_ number: Int, to cluster: MemberCluster) throws {
        try cluster.start(number)
        try cluster.waitUntilAllIsWell()
    }

    @Test(
        "php-memcached #349: servers are closed in turn, and the visitor is logged in at each page")
    func closedInTurn() throws {
        let cluster = try MemberCluster(count: 2)
        let session = "memc.sess.key.visitor"
        #expect(try cluster.set(session, "page 0", at: 0, exptime: 1_440) == "STORED")
        var page = 0
        for closed in [0, 1, 0, 1] {
            // As somebody who comes by the one that is left, and later by the one that has come back.
            cluster.kill(closed)
            for _ in 0..<2 {
                #expect(try cluster.value(of: session, at: 1 - closed) == "page \(page)")
                page += 1
                #expect(
                    try cluster.set(session, "page \(page)", at: 1 - closed, exptime: 1_440)
                        == "STORED")
            }
            try cluster.start(closed)
            #expect(try cluster.value(of: session, at: closed) == "page \(page)")
            try cluster.waitUntilAllIsWell()
            #expect(try cluster.value(of: session, at: closed) == "page \(page)")
        }
    }

    @Test(
        "mcrouter #202: a server that nobody reached for a while does not tell what it had before")
    func staleAfterCut() throws {
        let cluster = try MemberCluster(isRelayed: true)
        let cutOff = 2
        let key = try cluster.key(first: cutOff, second: 0)
        #expect(try cluster.set(key, "hello1", at: 1, exptime: 600) == "STORED")
        for to in 0..<cutOff {
            cluster.relays[.init(from: cutOff, to: to)]?.set(.init(isCut: true))
        }
        // It serves its own clients meanwhile, who know no better.
        for number in [0, 1] { try cluster.waitUntil(number, calls: cutOff, "away") }
        try cluster.waitUntil(cutOff, calls: 0, "away")
        #expect(try cluster.value(of: key, at: cutOff) == "hello1")
        #expect(try cluster.ask(1, "delete \(key)") == "DELETED")
        #expect(try cluster.set(key, "hello2", at: 1, exptime: 600) == "STORED")
        #expect(try cluster.value(of: key, at: 1) == "hello2")
        for relay in cluster.relays.values { relay.set(.init()) }
        try cluster.waitUntilAllIsWell()
        #expect(try cluster.values(of: key, at: everywhere) == ["hello2", "hello2", "hello2"])
    }

    @Test(
        "twemproxy #604: a server that returns and goes once more leaves nobody with what was set between"
    )
    func returnsAndGoes() throws {
        let cluster = try MemberCluster()
        let key = try cluster.key(first: 0, second: 1)
        #expect(try cluster.set(key, "1", at: 2) == "STORED")
        cluster.kill(0)
        #expect(try cluster.value(of: key, at: 2) == "1")
        #expect(try cluster.set(key, "2", at: 2) == "STORED")
        try returns(0, to: cluster)
        #expect(try cluster.value(of: key, at: 2) == "2")
        #expect(try cluster.set(key, "3", at: 2) == "STORED")
        cluster.kill(0)
        #expect(try cluster.values(of: key, at: [1, 2]) == ["3", "3"])
    }

    @Test(
        "KeyDB #83: a counter that is deleted while one node is down is not there when that node is back"
    )
    func deletedMeanwhile() throws {
        let cluster = try MemberCluster()
        for first in everywhere {
            let (down, other) = ((first + 1) % 3, (first + 2) % 3)
            let keys = try [
                cluster.key(first: first, second: down), cluster.key(first: down, second: first),
            ]
            for key in keys {
                #expect(try cluster.set(key, "0", at: other) == "STORED")
                for (count, number) in everywhere.enumerated() {
                    #expect(try cluster.ask(number, "incr \(key) 1") == "\(count + 1)")
                }
            }
            cluster.kill(down)
            for key in keys { #expect(try cluster.ask(other, "delete \(key)") == "DELETED") }
            try cluster.start(down)
            for key in keys { #expect(try cluster.value(of: key, at: down) == nil) }
            try cluster.waitUntilAllIsWell()
            for key in keys {
                #expect(try cluster.values(of: key, at: everywhere) == [nil, nil, nil])
            }
            for key in keys { #expect(try cluster.ask(down, "incr \(key) 1") == "NOT_FOUND") }
        }
    }

    @Test(
        "memcached-session-manager #300: what changed while one node was down is there when the other goes"
    )
    func copiedBack() throws {
        let cluster = try MemberCluster(count: 2)
        let sessions = try cluster.keys(3, first: 0, second: 1)
        for session in sessions { #expect(try cluster.set(session, "login", at: 0) == "STORED") }
        cluster.kill(0)
        for session in sessions { #expect(try cluster.set(session, "cart", at: 1) == "STORED") }
        // No request comes between the return of the one and the end of the other.
        try returns(0, to: cluster)
        cluster.kill(1, losesFile: true)
        for session in sessions { #expect(try cluster.value(of: session, at: 0) == "cart") }
    }

    @Test(
        "scylladb #23712: who is away for longer than deletions are remembered brings nothing back")
    func awayForLonger() throws {
        let cluster = try MemberCluster(flags: ["-o", "debugtime"])
        let away = 0
        let library = try PreloadedLibrary.make(of: "moved_clock")
        let deleted = try cluster.key(first: away, second: 1)
        let kept = try cluster.key(first: 1, second: away)
        for key in [deleted, kept] { #expect(try cluster.set(key, "old", at: away) == "STORED") }
        // So that the file knows when.
        sleep(2)
        cluster.kill(away)
        for number in [1, 2] { try cluster.waitUntil(number, calls: away, "away") }
        #expect(try cluster.ask(1, "delete \(deleted)") == "DELETED")
        #expect(try cluster.counter("tombstones", of: 1) == "1")
        let seconds = 24 * 3_600 + 60
        for number in [1, 2] { #expect(try cluster.ask(number, "debugtime \(seconds)") == "OK") }
        try wait(for: "the deletion to be forgotten") {
            try cluster.counter("tombstones", of: 1) == "0"
        }
        try cluster.start(
            away,
            environment: ["LD_PRELOAD": library, "MOVED_CLOCK_SECONDS": String(seconds)])
        try cluster.waitUntilAllIsWell()
        try #require(cluster.programs[away]).waitToSay("starts without its items")
        #expect(try cluster.values(of: deleted, at: everywhere) == [nil, nil, nil])
        #expect(try cluster.values(of: kept, at: everywhere) == ["old", "old", "old"])
    }

    @Test(
        "riak_kv #847: what was changed often, elsewhere and before, does not replace what was made anew"
    )
    func changedOften() throws {
        let cluster = try MemberCluster(isRelayed: true)
        let late = 2
        let key = try cluster.key(first: late, second: 0)
        for count in 0..<5 { #expect(try cluster.set(key, "old \(count)", at: late) == "STORED") }
        // Births are seconds.
        sleep(1)
        for to in 0..<late { cluster.relays[.init(from: late, to: to)]?.set(.init(isCut: true)) }
        for number in [0, 1] { try cluster.waitUntil(number, calls: late, "away") }
        try cluster.waitUntil(late, calls: 0, "away")
        #expect(try cluster.ask(0, "delete \(key)") == "DELETED")
        #expect(try cluster.set(key, "new", at: 0) == "STORED")
        // Later than that by every clock, also by those of members that have given one up; and of what was deleted.
        sleep(1)
        for count in 5..<50 { #expect(try cluster.set(key, "old \(count)", at: late) == "STORED") }
        for relay in cluster.relays.values { relay.set(.init()) }
        try cluster.waitUntilAllIsWell()
        #expect(try cluster.values(of: key, at: everywhere) == ["new", "new", "new"])
        // Nor does it after a restart.
        cluster.kill(late)
        try returns(late, to: cluster)
        #expect(try cluster.values(of: key, at: everywhere) == ["new", "new", "new"])
    }

    @Test(
        "hazelcast #9153: a session that is read again and again at one node does not end at the other"
    )
    func onlyRead() throws {
        let cluster = try MemberCluster(flags: ["-o", "debugtime"])
        let session = try cluster.key(first: 0, second: 1)
        #expect(try cluster.set(session, "here", at: 0, exptime: 100) == "STORED")
        for _ in 0..<5 {
            for number in everywhere { #expect(try cluster.ask(number, "debugtime 60") == "OK") }
            #expect(try cluster.ask(0, "gat 100 \(session)")?.contains("here") == true)
            try wait(for: "the other owner to know") {
                let reply = try cluster.ask(1, "mg \(session) t") ?? ""
                return Int(reply.dropFirst("HD t".count)) ?? 0 > 80
            }
        }
        cluster.kill(0)
        #expect(try cluster.values(of: session, at: [1, 2]) == ["here", "here"])
        // It does end.
        for number in [1, 2] { #expect(try cluster.ask(number, "debugtime 102") == "OK") }
        #expect(try cluster.values(of: session, at: [1, 2]) == [nil, nil])
    }

    @Test(
        "keycloak #47970: of two nodes that lost each other either serves all when the other one dies"
    )
    func lastOfTwo() throws {
        for survivor in [0, 1] {
            let cluster = try MemberCluster(count: 2, isRelayed: true)
            let keys = try [cluster.key(first: 0, second: 1), cluster.key(first: 1, second: 0)]
            for key in keys { #expect(try cluster.set(key, "before", at: 0) == "STORED") }
            cluster.relays[.init(from: 1, to: 0)]?.set(.init(isCut: true))
            for number in [0, 1] { try cluster.waitUntil(number, calls: 1 - number, "away") }
            for key in keys { #expect(try cluster.value(of: key, at: survivor) == "before") }
            cluster.kill(1 - survivor)
            for key in keys {
                #expect(try cluster.value(of: key, at: survivor) == "before")
                #expect(try cluster.set(key, "after", at: survivor) == "STORED")
            }
            #expect(try cluster.counter("cluster_state", of: survivor) == "current")
            cluster.relays[.init(from: 1, to: 0)]?.set(.init())
            try returns(1 - survivor, to: cluster)
            for key in keys {
                #expect(try cluster.values(of: key, at: [0, 1]) == ["after", "after"])
            }
        }
    }
}
