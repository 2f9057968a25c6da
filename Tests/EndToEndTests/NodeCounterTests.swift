import Foundation
import TestSupport
import Testing

/// Counters of what only a process has: connections, bytes on sockets, threads and their shards.
@Suite(.timeLimit(.minutes(10)))
struct NodeCounterTests {
    @Test("Connections and their bytes are counted exactly")
    func connections() throws {
        let node = try RunningNode.sojournd(["-t", "1", "-R", "5"])
        let peer = try node.connect()
        let before = try statisticsPage("stats", peer)
        let page = try peer.ask("stats", until: "END\r\n")
        let after = try statisticsPage("stats", peer)
        func change(_ name: String) -> Int? {
            guard let after = after[name].flatMap({ Int($0) }) else { return nil }
            return before[name].flatMap { Int($0) }.map { after - $0 }
        }
        #expect(change("bytes_read") == 2 * "stats\r\n".utf8.count)
        // The page before is not counted in itself; it is as long as the next one, or nearly.
        let written = try #require(change("bytes_written"))
        #expect(abs(written - 2 * page.utf8.count) < 100)
        #expect(change("total_connections") == 0 && after["curr_connections"] == "1")

        let others = try (0..<5).map { _ in try node.connect() }
        for other in others { #expect(try other.ask("mn") == "MN\r\n") }
        let full = try statisticsPage("stats", peer)
        #expect(full["curr_connections"] == "6" && full["connection_structures"] == "6")
        #expect(full["total_connections"] == "6" && full["rejected_connections"] == "0")
        // A turn is five commands: the sixth waits for the next one, and so does the eleventh.
        let yields = try #require(Int(full["conn_yields"] ?? ""))
        try peer.send(String(repeating: "mn\r\n", count: 11))
        _ = try peer.receive(until: String(repeating: "MN\r\n", count: 11))
        #expect(try statisticsPage("stats", peer)["conn_yields"] == "\(yields + 2)")
        #expect(try peer.ask("stats reset") == "RESET\r\n")
        let zero = try statisticsPage("stats", peer)
        #expect(zero["rejected_connections"] == "0" && zero["total_connections"] == "0")
        #expect(zero["conn_yields"] == "0" && zero["curr_connections"] == "6")
    }

    @Test("How often, and how long, nobody was let in is counted: once for each time")
    func pauses() throws {
        let node = try RunningNode.sojournd(["-c", "3", "-t", "1", "-o", "no_maxconns_fast"])
        let clock = ContinuousClock()
        let start = clock.now
        let peer = try node.connect()
        let others = try (0..<2).map { _ in try node.connect() }
        for other in others { #expect(try other.ask("mn") == "MN\r\n") }
        var full = try statisticsPage("stats", peer)
        let before = try #require(Int(full["listen_disabled_num"] ?? ""))
        let waiting = try (0..<2).map { _ in try node.connect() }
        try waiting[0].send("mn\r\n")
        #expect(!waiting[0].receive(isUnexpected: true))
        full = try statisticsPage("stats", peer)
        #expect(full["accepting_conns"] == "0" && full["curr_connections"] == "3")
        let atStart = try #require(Int(full["time_in_listen_disabled_us"] ?? ""))
        others[0].close()
        #expect(try waiting[0].receive(until: "\r\n") == "MN\r\n")
        others[1].close()
        #expect(try waiting[1].ask("mn") == "MN\r\n")
        waiting[0].close()
        waiting[1].close()
        try wait(for: "the node to let others in") {
            try statisticsPage("stats", peer)["accepting_conns"] == "1"
        }
        let free = try statisticsPage("stats", peer)
        // It may have begun before the first look, and a place that came free may have been seen, or not.
        let pauses = try #require(Int(free["listen_disabled_num"] ?? ""))
        #expect(pauses >= 1 && pauses - before <= 3)
        let microseconds = try #require(Int(free["time_in_listen_disabled_us"] ?? ""))
        #expect(microseconds > atStart)
        #expect(microseconds <= atStart + Int((clock.now - start) / .microseconds(1)))
        #expect(try peer.ask("stats reset") == "RESET\r\n")
        #expect(try statisticsPage("stats", peer)["listen_disabled_num"] == "0")
        #expect(try statisticsPage("stats", peer)["total_connections"] == "0")
    }

    @Test("A connection's page says who is there, what it does and for how long it has been idle")
    func connectionsPage() throws {
        let node = try RunningNode.sojournd(["-t", "1", "-o", "debugtime"])
        let peer = try node.connect()
        let idle = try node.connect()
        let sending = try node.connect()
        #expect(try idle.ask("mn") == "MN\r\n")
        #expect(try sending.ask("mn") == "MN\r\n")
        #expect(try peer.ask("debugtime p") == "OK\r\n")
        #expect(try peer.ask("debugtime 50") == "OK\r\n")
        try sending.send("set k 0 0 100000\r\nabc")
        try wait(for: "the value's beginning") {
            try statisticsPage("stats conns", peer).values.contains("conn_nread")
        }
        let all = try statisticsPage("stats conns", peer)
        let states = all.filter { $0.key.hasSuffix(":state") }
        #expect(
            states.values.sorted()
                == ["conn_listening", "conn_nread", "conn_parse_cmd", "conn_read"])
        func number(_ state: String) throws -> Substring {
            try #require(states.first { $0.value == state }).key.split(separator: ":")[0]
        }
        let idleNumber = try number("conn_read")
        let idleSeconds = try #require(Int(all["\(idleNumber):secs_since_last_cmd"] ?? ""))
        #expect(idleSeconds >= 50)
        let ownNumber = try number("conn_parse_cmd")
        #expect(all["\(ownNumber):secs_since_last_cmd"] == "0")
        #expect(all["\(ownNumber):listen_addr"] == "tcp:127.0.0.1:\(try node.port)")
    }
}
