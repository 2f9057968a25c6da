import Glibc
import MemcacheProtocol
import TestSupport
import Testing

/// Three members, one of which is cut off from the two others, and what each side does: `peers.partition`.
@Suite(.timeLimit(.minutes(10)))
struct MemberPartitionTests {
    private let alone = 2
    private let everywhere = [0, 1, 2]
    private static let refusal =
        "SERVER_ERROR no majority of the members is reached: changes are refused"

    private func cut(_ cluster: MemberCluster, _ isCut: Bool) {
        for to in [0, 1] {
            cluster.relays[.init(from: alone, to: to)]?.set(.init(isCut: isCut))
        }
    }

    private func count(_ name: String, _ cluster: MemberCluster, _ number: Int) throws -> Int {
        Int(try cluster.counter(name, of: number) ?? "") ?? -1
    }

    /// One packet and its answer's status and opaque.
    private func binary(
        _ opcode: UInt8, _ key: String, _ cluster: MemberCluster, extras: [UInt8] = []
    ) throws -> [UInt8] {
        let peer = try cluster.connect(alone)
        let length = UInt8(key.utf8.count)
        try peer.send(
            [0x80, opcode, 0, length, UInt8(extras.count), 0, 0, 0, 0, 0, 0]
                + [length + UInt8(extras.count), 1, 2, 3, 4] + [UInt8](repeating: 0, count: 8)
                + extras + Array(key.utf8))
        while peer.received.count < 24, peer.receive(isUnexpected: false) {}
        guard peer.received.count >= 16 else { return [] }
        return Array(peer.received[6..<8] + peer.received[12..<16])
    }

    @Test(
        "With `partition: majority` the smaller side reads, and refuses what the other would not hear of"
    )
    func majority() throws {
        let cluster = try MemberCluster(peers: "peers: {partition: majority}", isRelayed: true)
        let (own, others) = (
            try cluster.key(first: alone, second: 0), try cluster.key(first: 0, second: 1)
        )
        for key in [own, others] { #expect(try cluster.set(key, "before", at: 0) == "STORED") }
        cut(cluster, true)
        // Until it has given the others up it waits, and hangs up. What it was asked for meanwhile may be there or not.
        let unsure = try cluster.key(first: alone, second: 0, prefix: "unsure")
        try wait(for: "a refusal") { try cluster.set(unsure, "x", at: alone) == Self.refusal }
        let storages = [
            "add \(own) 0 0 1\r\nx", "append \(own) 0 0 1\r\nx", "cas \(own) 0 0 1 1\r\nx",
            "ms \(own) 1\r\nx", "ms \(own) 1 q\r\nx",
        ]
        for command in storages + ["delete \(own)", "incr \(own) 1", "touch \(own) 9", "md \(own)"]
        {
            #expect(try cluster.ask(alone, command) == Self.refusal, "\(command)")
        }
        #expect(try binary(0x04, own, cluster) == [0, 0x86, 1, 2, 3, 4])
        // Nobody reads what `noreply` comes to.
        #expect(
            try cluster.connect(alone).ask("delete \(own) noreply\r\nmn", until: "MN\r\n")
                == "MN\r\n")
        // Page views go on.
        #expect(try cluster.value(of: own, at: alone) == "before")
        for command in ["gat 100 \(own)", "gats 100 \(own)"] {
            #expect(try cluster.ask(alone, command)?.contains("before") == true, "\(command)")
        }
        #expect(try cluster.ask(alone, "mg \(own) v T100")?.hasPrefix("VA 6") == true)
        // Of a key with four extras' bytes before it: get and touch.
        #expect(try binary(0x1D, own, cluster, extras: [0, 0, 0, 9]) == [0, 0, 1, 2, 3, 4])
        #expect(try cluster.ask(alone, "mg \(own) v N100") == Self.refusal)
        #expect(try cluster.connect(alone).ask("flush_all", until: "") == "")
        #expect(try count("changes_refused", cluster, alone) > storages.count)
        // So does the larger side, with all.
        for key in [own, others] {
            try wait(for: "the larger side") { try cluster.set(key, "after", at: 1) == "STORED" }
            #expect(try cluster.values(of: key, at: [0, 1]) == ["after", "after"])
        }
        #expect(try count("changes_refused", cluster, 0) == 0)
        cut(cluster, false)
        try cluster.waitUntilAllIsWell()
        for key in [own, others] {
            let values = try cluster.values(of: key, at: everywhere)
            #expect(values == ["after", "after", "after"])
            #expect(try cluster.set(key, "again", at: alone) == "STORED")
        }
        // One dead member of three is no partition.
        cluster.kill(0)
        for key in [own, others] {
            try wait(for: "the others to go on") { try cluster.set(key, "two", at: 1) == "STORED" }
            #expect(try cluster.values(of: key, at: [1, 2]) == ["two", "two"])
        }
        // Two dead ones leave one that is no majority.
        cluster.kill(1)
        try wait(for: "a refusal") { try cluster.set(own, "one", at: alone) == Self.refusal }
        // It may hang up on a read still, until it knows that nobody else serves.
        try wait(for: "page views to go on") { try cluster.value(of: own, at: alone) == "two" }
    }

    @Test(
        "Otherwise both sides go on, and what the later one took the place of is counted, and told")
    func both() throws {
        let cluster = try MemberCluster(isRelayed: true)
        let keys = try cluster.keys(5, first: alone, second: 0)
        for key in keys { #expect(try cluster.set(key, "before", at: 0) == "STORED") }
        // Both have said since that they have it.
        usleep(300_000)
        cut(cluster, true)
        for key in keys {
            try wait(for: "the one side") { try cluster.set(key, "lost", at: alone) == "STORED" }
        }
        // Who goes on alone counts from above what the other one's clock may show, by as much as `timeout`, and that
        // begins with a whole second.
        sleep(3)
        for key in keys {
            try wait(for: "the other side") { try cluster.set(key, "kept", at: 1) == "STORED" }
        }
        cut(cluster, false)
        try cluster.waitUntilAllIsWell()
        for key in keys {
            let values = try cluster.values(of: key, at: everywhere)
            #expect(values == ["kept", "kept", "kept"])
        }
        #expect(try count("changes_lost", cluster, alone) == keys.count)
        #expect(try count("changes_lost", cluster, 0) == 0)
        try #require(cluster.programs[alone]).waitToSay(
            "5 items that were changed here, while others did not hear of it, gave way")
    }
}
