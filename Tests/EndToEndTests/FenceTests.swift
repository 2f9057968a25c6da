import Glibc
import TestSupport
import Testing

/// Sessions that were logged out, and pages that would store them again: on a node that is killed, and where nodes keep
/// copies.
@Suite(.timeLimit(.minutes(10)))
struct NodeFenceTests {
    @Test("A fence holds over kill -9, also into a file of another size, and ends in its time")
    func restarts() throws {
        let directory = try TemporaryDirectory()
        let file = ["-e", directory.path + "/sessions"]
        let options = ["-o", "fence=100,fence_keys=session:,debugtime"]
        do {
            let node = try RunningNode.sojournd(file + options + ["-m", "16"])
            let peer = try node.connect()
            for key in ["session:1", "session:2", "cart:1"] {
                #expect(try peer.ask("set \(key) 0 0 1\r\n1") == "STORED\r\n")
                #expect(try peer.ask("delete \(key)") == "DELETED\r\n")
            }
            #expect(try peer.ask("set cart:1 0 0 1\r\n2") == "STORED\r\n")
            node.program.end()
        }
        do {
            let node = try RunningNode.sojournd(file + options + ["-m", "16"])
            let peer = try node.connect()
            #expect(try node.counter("fences") == 2)
            #expect(try peer.ask("set session:1 0 0 1\r\n2") == "NOT_STORED\r\n")
            #expect(try peer.ask("get cart:1", until: "END\r\n").contains("\r\n2\r\n"))
            node.program.end()
        }
        do {
            let node = try RunningNode.sojournd(file + options + ["-m", "32"])
            let peer = try node.connect()
            #expect(try peer.ask("add session:2 0 0 1\r\n2") == "NOT_STORED\r\n")
            #expect(try peer.ask("debugtime 100") == "OK\r\n")
            #expect(try peer.ask("add session:2 0 0 1\r\n2") == "STORED\r\n")
            node.program.end()
        }
        // A shorter one counts from the start; none is none.
        let node = try RunningNode.sojournd(file + ["-m", "32"])
        #expect(try node.connect().ask("set session:1 0 0 1\r\n3") == "STORED\r\n")
    }

    @Test("Locks are not fenced unless they are named")
    func locks() throws {
        let node = try RunningNode.sojournd(["-o", "fence=100,lock_keys=lock."])
        let peer = try node.connect()
        for _ in 0..<3 {
            #expect(try peer.ask("add lock.a 0 30 1\r\n1") == "STORED\r\n")
            #expect(try peer.ask("delete lock.a") == "DELETED\r\n")
        }
        #expect(try peer.ask("set session 0 0 1\r\n1") == "STORED\r\n")
        #expect(try peer.ask("delete session") == "DELETED\r\n")
        #expect(try peer.ask("set session 0 0 1\r\n1") == "NOT_STORED\r\n")
    }

    @Test(
        "Who has logged out at one node cannot be stored at another, whoever is killed meanwhile",
        arguments: [2, 3])
    func cluster(copies: Int) throws {
        let cluster = try MemberCluster(copies: copies, flags: ["-o", "fence=20"])
        let start = ContinuousClock.now
        let key = try cluster.key(first: 0, second: 1)
        #expect(try cluster.set(key, "old", at: 2) == "STORED")
        #expect(try cluster.ask(1, "delete \(key)") == "DELETED")
        for node in 0..<3 { #expect(try cluster.set(key, "late", at: node) == "NOT_STORED") }
        // Whoever decided does not any more.
        cluster.kill(0)
        try cluster.waitUntil(2, calls: 0, "away")
        for node in 1..<3 {
            #expect(try cluster.set(key, "late", at: node) == "NOT_STORED")
            #expect(try cluster.ask(node, "add \(key) 0 0 4\r\nlate") == "NOT_STORED")
        }
        // It is back, and decides again.
        try cluster.start(0)
        try cluster.waitUntilAllIsWell()
        for node in 0..<3 { #expect(try cluster.set(key, "late", at: node) == "NOT_STORED") }
        // Without what it had it learns of it.
        cluster.kill(0, losesFile: true)
        try cluster.waitUntil(2, calls: 0, "away")
        try cluster.start(0)
        try cluster.waitUntilAllIsWell()
        for node in 0..<3 { #expect(try cluster.set(key, "late", at: node) == "NOT_STORED") }
        #expect(ContinuousClock.now - start < .seconds(18), "too slow to say anything")
        #expect(try cluster.value(of: key, at: 1) == nil)
        while ContinuousClock.now - start < .seconds(22) { usleep(50_000) }
        #expect(try cluster.set(key, "new", at: 0) == "STORED")
        for node in 0..<3 { #expect(try cluster.value(of: key, at: node) == "new") }
    }

    @Test("What gives way to a value that is too large is not fenced")
    func tooLarge() throws {
        let cluster = try MemberCluster(flags: ["-o", "fence=100"])
        let key = try cluster.key(first: 0, second: 1)
        let long = String(repeating: "v", count: 1 << 20)
        for node in 0..<3 {
            #expect(try cluster.set(key, "old", at: node) == "STORED")
            #expect(try cluster.set(key, long, at: node)?.hasPrefix("SERVER_ERROR") == true)
            try wait(for: "what is out of date to go") { try cluster.value(of: key, at: 1) == nil }
        }
        #expect(try cluster.set(key, "new", at: 2) == "STORED")
    }
}
