import Glibc
import Synchronization
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// What a watchdog is told: whether all threads of a node come around.
@Suite(.timeLimit(.minutes(10)))
struct WatchdogTests {
    @Test("All have to come around, each time anew, and in no order")
    func everyone() {
        let pulses = [Pulse(), Pulse(), Pulse()]
        var heartbeat = Heartbeat(of: pulses)
        // What changes a value must not stand in `#expect`.
        func haveAll() -> Bool { heartbeat.haveAllComeAround() }
        #expect(!haveAll())
        for pulse in pulses.reversed() {
            #expect(!haveAll())
            pulse.beat()
        }
        #expect(haveAll())
        #expect(!haveAll())
        // What came before the look counts, as often as it came.
        for _ in 0..<3 { pulses[0].beat() }
        pulses[2].beat()
        #expect(!haveAll())
        pulses[1].beat()
        #expect(haveAll())
    }

    @Test("Idle workers come around when they are asked to, and one that is stuck holds all back")
    func stuck() throws {
        let bench = try WorkerBench(workerCount: 2) { _ in }
        defer { bench.stop() }
        let records = bench.context.workers
        var heartbeat = Heartbeat(of: records.map(\.pulse))
        func ask() { for worker in bench.workers { worker.requestTurn() } }
        ask()
        try bench.wait(for: "both") { heartbeat.haveAllComeAround() }
        try records[1].resumptions.withLock { _ in
            // It waits for this lock before it comes around.
            let before = records[1].pulse.value
            for _ in 0..<20 {
                let other = records[0].pulse.value
                ask()
                try bench.wait(for: "the other one") { records[0].pulse.value != other }
                // One turn may have been on its way.
                #expect(records[1].pulse.value &- before <= 1)
            }
            _ = heartbeat.haveAllComeAround()
            ask()
            usleep(20_000)
            let haveAll = heartbeat.haveAllComeAround()
            #expect(!haveAll)
        }
        ask()
        try bench.wait(for: "both, again") { heartbeat.haveAllComeAround() }
    }

    @Test("Workers that are busy come around by themselves")
    func busy() throws {
        let bench = try WorkerBench(workerCount: 1) { _ in }
        defer { bench.stop() }
        let pulse = bench.context.workers[0].pulse
        let peer = try bench.connect()
        for _ in 0..<10 {
            let before = pulse.value
            #expect(peer.ask("mn\r\n") == "MN\r\n")
            try bench.wait(for: "the end of the turn") { pulse.value != before }
        }
    }
}
