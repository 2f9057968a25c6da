import Glibc
import TestSupport
import Testing

@testable import SessionClient

/// A copy whose node is stopped: it takes connections and requests, and answers nothing.
@Suite(.ownThread, .timeLimit(.minutes(10)))
struct CopyHangTests {
    private func hurried(_ copyCount: Int, required: Int = 1) -> Copies {
        Copies(
            count: copyCount, readCountMin: required, writeCountMin: required,
            stragglerTimeout: .milliseconds(50))
    }

    /// Resumes it after a while, on which nothing depends that has failed.
    private func resume(_ cluster: CopyCluster, _ place: Int) {
        cluster.processes[place].program.send(SIGCONT)
    }

    @Test("While a copy's node hangs a session is saved, and well before the deadline")
    func compareAndSet() async throws {
        for hung in 0..<2 {
            let cluster = try await CopyCluster(hurried(2))
            // A third of it goes to the first copy.
            let client = cluster.client.withTimeout(.seconds(6))
            let places = try await cluster.places(of: "k")
            let version = try await client.set("k", to: .text("old"))
            try cluster.processes[places[hung]].program.suspend()
            let time = try await ContinuousClock().measure {
                guard
                    case .stored = try await client.compareAndSet(
                        "k", to: .text("new"), expected: version)
                else { throw Trouble("nobody else changed it") }
            }
            #expect(time < .milliseconds(5_500))
            #expect(try await client.get("k")?.text == "new")
            // What it was asked meanwhile undoes nothing.
            resume(cluster, places[hung])
            try await eventually("both copies are new") {
                let item = try await client.get("k")
                #expect(item?.text == "new")
                return try cluster.stored("k", at: places[hung]).contains("new")
            }
        }
    }

    @Test(
        "A hung node costs a command the time for stragglers, not the deadline", arguments: [2, 3])
    func stragglers(copyCount: Int) async throws {
        let required = copyCount - 1
        for hung in 0..<2 {
            let cluster = try await CopyCluster(hurried(copyCount, required: required))
            let client = cluster.client.withTimeout(.seconds(60))
            let places = try await cluster.places(of: "k")
            try await client.set("k", to: .text("v"))
            try cluster.processes[places[hung]].program.suspend()
            let time = try await ContinuousClock().measure {
                #expect(try await client.get("k")?.text == "v")
                #expect(try await client.get("k", touching: .after(.seconds(90)))?.text == "v")
                #expect(try await client.touch("k", expiry: .after(.seconds(100))))
                try await client.set("k", to: .text("w"))
                #expect(try await client.replace("k", with: .text("x")) != nil)
                #expect(await client.get(["k", "other"] as [CacheKey])["k"]?.text == "x")
                #expect(try await client.delete("k"))
                #expect(try await client.add("k", .text("y")) != nil)
                let fresh = try await client.store(.addFresh, "fresh", .text("z"), .never, 0)
                #expect(fresh != .present)
                #expect(try await client.get("fresh")?.text == "z")
            }
            #expect(time < .seconds(15))
            resume(cluster, places[hung])
        }
    }

    @Test("Who logged out while a copy's node hung stays logged out when it goes on")
    func deletion() async throws {
        for hung in 0..<2 {
            let cluster = try await CopyCluster(hurried(2))
            let client = cluster.client
            let places = try await cluster.places(of: "k")
            try await client.set("k", to: .text("v"))
            try cluster.processes[places[hung]].program.suspend()
            // A save that nobody knows of, on its way when the user logs out.
            let hasty = client.withTimeout(.milliseconds(200))
            _ = try? await hasty.set("k", to: .text("w"))
            #expect(try await client.delete("k"))
            resume(cluster, places[hung])
            try await eventually("a tombstone at both") {
                #expect(try await client.get("k") == nil)
                return try cluster.stored("k", at: places[hung]).hasPrefix("VA 0 ")
            }
        }
    }

    @Test("Copies that are required are waited for, however slow")
    func required() async throws {
        let cluster = try await CopyCluster(hurried(2, required: 2))
        try await cluster.client.set("k", to: .text("v"))
        let places = try await cluster.places(of: "k")
        try cluster.processes[places[0]].program.suspend()
        let hasty = cluster.client.withTimeout(.milliseconds(300))
        #expect(await code { _ = try await hasty.get("k") } == .tooFewCopies)
        let client = cluster.client
        let slow = ownTask { try await client.get("k")?.text }
        try await Task.sleep(for: .milliseconds(200))
        resume(cluster, places[0])
        #expect(try await slow.value == "v")
    }

    @Test("What failed because its time was over is not carried out after that")
    func lateStore() async throws {
        let cluster = try await CopyCluster(.patient(count: 2))
        // Its connections are there.
        try await cluster.client.set("k", to: .text("v"))
        for pool in try await cluster.client.topology().pools {
            let store = NodeRequest.store(.init(key: "late", value: .text("v")))
            let late = await code { _ = try await pool.ask([store], deadline: .now) }
            #expect(late == .deadlineExceeded)
            let inTime = Instant.now + .seconds(20)
            let replies = try await pool.ask([.get(.init(key: "late"))], deadline: inTime)
            #expect(replies[0].status == .miss)
        }
    }
}
