import TestSupport
import Testing

/// Both owners of a key are away: who stands in for them, and how many copies there are until then.
@Suite(.timeLimit(.minutes(10)))
struct StandInTests {
    @Test(
        "While a node is away the next one has the second copy, and when the other owner dies, too, it answers"
    )
    func twoCopies() throws {
        let cluster = try MemberCluster()
        let (first, second, third) = (0, 1, 2)
        let keys = try cluster.keys(5, first: first, second: second)
        let (changed, deleted, untouched, renewed, stored) = (
            keys[0], keys[1], keys[2], keys[3], keys[4]
        )
        for key in keys.dropLast() { #expect(try cluster.set(key, "old", at: first) == "STORED") }
        // A session that was read before it is renewed is proven: it is worth a copy.
        #expect(try cluster.ask(first, "mg \(renewed) v T600")?.hasPrefix("VA 3") == true)

        cluster.kill(first)
        for number in [second, third] { try cluster.waitUntil(number, calls: first, "away") }
        #expect(try cluster.set(changed, "new", at: third) == "STORED")
        #expect(try cluster.ask(second, "delete \(deleted)") == "DELETED")
        // Nobody who reads there reads what it keeps: the owner decides.
        #expect(try cluster.values(of: changed, at: [second, third]) == ["new", "new"])
        #expect(try cluster.values(of: deleted, at: [second, third]) == [nil, nil])
        var counters = try cluster.counters(of: third)
        #expect(counters["guests_kept"] == 2)
        #expect(counters["stood_in"] == 0)
        #expect(try cluster.counters(of: second)["writes_single_copy"] == 0)

        cluster.kill(second)
        try cluster.waitUntil(third, calls: second, "away")
        #expect(try cluster.value(of: changed, at: third) == "new")
        #expect(try cluster.value(of: deleted, at: third) == nil)
        // Of what was not touched nobody who is there knows anything: that is no reason to say that it is not there.
        let peer = try cluster.connect(third)
        #expect(throws: (any Error).self) { try peer.ask("get \(untouched)", until: "END\r\n") }
        // Somebody logs in, and somebody logs out.
        #expect(try cluster.set(stored, "login", at: third) == "STORED")
        #expect(try cluster.ask(third, "ms \(stored) 6 T60\r\nlogin2") == "HD")
        #expect(try cluster.ask(third, "ms \(stored) 5 ME\r\nother") == "NS")
        #expect(try cluster.set(stored, "login", at: third) == "STORED")
        #expect(try cluster.ask(third, "delete \(untouched)") == "NOT_FOUND")
        #expect(try cluster.set(changed, "newest", at: third) == "STORED")
        counters = try cluster.counters(of: third)
        #expect((counters["stood_in"] ?? 0) >= 5)
        #expect(counters["writes_single_copy"] == 5)

        // Who comes back has what was done without it, whichever it is.
        for number in [second, first] {
            try cluster.start(number)
            try wait(for: "it to have everything") {
                try cluster.counters(of: number)["members_current"] == (number == second ? 2 : 3)
            }
            for asked in [number, third] {
                try wait(for: "the owner to decide") {
                    try cluster.value(of: changed, at: asked) == "newest"
                }
                #expect(try cluster.value(of: stored, at: asked) == "login")
                #expect(try cluster.value(of: deleted, at: asked) == nil)
                #expect(try cluster.value(of: untouched, at: asked) == nil)
            }
        }
        try cluster.waitUntilAllIsWell()
        // And nobody keeps for long what is others'.
        try wait(for: "what was kept to be dropped") {
            try cluster.counters(of: third)["curr_items"] == 0
        }
        #expect(try cluster.values(of: changed, at: [0, 1, 2]) == ["newest", "newest", "newest"])
    }

    @Test("Of three copies two may be lost with their nodes, and their memory files")
    func threeCopies() throws {
        let cluster = try MemberCluster(copies: 3)
        let (first, second, third) = (0, 1, 2)
        let keys = try cluster.keys(3, first: first, second: second)
        for key in keys { #expect(try cluster.set(key, "old", at: third) == "STORED") }
        for number in [first, second, third] {
            #expect(try cluster.counters(of: number)["curr_items"] == 3)
            #expect(try cluster.counters(of: number)["guests_kept"] == 0)
        }
        #expect(try cluster.set(keys[0], "new", at: first) == "STORED")
        #expect(try cluster.ask(second, "delete \(keys[1])") == "DELETED")
        // Two have it before it is answered for.
        #expect(try cluster.counters(of: first)["repl_sent"] == 2 * 5)

        cluster.kill(first, losesFile: true)
        try cluster.waitUntil(second, calls: first, "away")
        #expect(try cluster.values(of: keys[0], at: [second, third]) == ["new", "new"])
        cluster.kill(second, losesFile: true)
        try cluster.waitUntil(third, calls: second, "away")
        #expect(try keys.map { try cluster.value(of: $0, at: third) } == ["new", nil, "old"])
        #expect(try cluster.ask(third, "append \(keys[2]) 0 0 1\r\n+") == "STORED")

        for number in [first, second] { try cluster.start(number) }
        try cluster.waitUntilAllIsWell()
        for number in [first, second, third] {
            #expect(try keys.map { try cluster.value(of: $0, at: number) } == ["new", nil, "old+"])
            #expect(try cluster.counters(of: number)["curr_items"] == 2)
        }
    }
}
