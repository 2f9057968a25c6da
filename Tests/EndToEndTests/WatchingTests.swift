import TestSupport
import Testing

/// What a node tells of requests, sessions, clients and restarts, as a client asks for it.
@Suite(.timeLimit(.minutes(10)))
struct WatchingTests {
    private func page(_ name: String, of peer: SocketPeer) throws -> [String: String] {
        var all: [String: String] = [:]
        let lines = try peer.ask("stats \(name)", until: "END\r\n").split(separator: "\r\n")
        for line in lines where line.hasPrefix("STAT ") {
            let words = line.split(separator: " ", maxSplits: 2)
            all[String(words[1])] = words.count > 2 ? String(words[2]) : ""
        }
        return all
    }

    @Test("IDs are hashes that OpenSSL makes, too, for whoever has the key")
    func hashes() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/ids.key"
        _ = try directory.write("00112233445566778899aabbccddeeff\n", to: "ids.key")
        let node = try RunningNode.sojournd(["-o", "top_sample=1,id_key_file=\(path)"])
        let peer = try node.connect()
        let id = "memc.sess.key.3f9a0b1c2d"
        #expect(try peer.ask("set \(id) 0 0 3\r\nabc") == "STORED\r\n")
        for _ in 0..<3 { _ = try peer.ask("get \(id)", until: "END\r\n") }
        _ = try directory.write(id, to: "id")
        let made = try Program.run(
            "/usr/bin/openssl",
            [
                "mac", "-macopt", "hexkey:00112233445566778899aabbccddeeff", "-macopt", "size:8",
                "-in", directory.path + "/id", "SIPHASH",
            ], seconds: 20)
        let hash = made.output.split(whereSeparator: \.isNewline).first.map { String($0) } ?? ""
        #expect(hash.count == 16, "\(made)")
        #expect(try page("top reads", of: peer) == ["reads:\(hash)": "3"])
        #expect(try page("top creators", of: peer) == ["creators:127.0.0.1": "1"])
        #expect(try !peer.ask("stats top", until: "END\r\n").contains(id))
        #expect(try page("settings", of: peer)["id_key_file"] == path)
    }

    @Test(
        "A key of IDs that is none is refused, with what it should be",
        arguments: [
            "0011", "00112233445566778899aabbccddeefg", "00112233445566778899aabbccddeeff0",
        ])
    func wrongKeys(text: String) throws {
        let directory = try TemporaryDirectory()
        _ = try directory.write(text, to: "ids.key")
        let path = directory.path + "/ids.key"
        let end = try Program.run(
            RunningNode.sojourndPath(), ["-p", "-1", "-o", "id_key_file=\(path)"], seconds: 20)
        #expect(end.exit == .status(64), "\(end)")
        #expect(
            end.errors.contains(
                "id_key_file: the key of IDs \(path) must be 32 digits from 0 to f: openssl rand -hex 16"
            ), "\(end)")
    }

    @Test(
        "A start tells what it took over from the process that was killed, and how many did so before"
    )
    func restarts() throws {
        let directory = try TemporaryDirectory()
        let node = try RestartableNode(
            RunningNode.sojourndPath(), flags: ["-e", directory.path + "/memory", "-m", "16"])
        let first = try page("restarts", of: node.connect())
        #expect(first["restarts"] == "0" && first["taken_items"] == "0")
        for number in 0..<30 {
            #expect(try node.connect().ask("set s\(number) 0 0 1\r\nx") == "STORED\r\n")
        }
        for count in 1...2 {
            node.kill()
            try node.start()
            let page = try page("restarts", of: node.connect())
            #expect(page["restarts"] == "\(count)" && page["taken_items"] == "30", "\(page)")
            #expect(page["lost_damaged"] == "0" && page["lost_evicted"] == "0")
        }
        let sessions = try page("sessions", of: node.connect())
        #expect(sessions["live"] == "30" && sessions["born"] == "0")
    }

    @Test("Requests, their times and their connections are told, and what comes of memory")
    func pages() throws {
        let node = try RunningNode.sojournd(["-t", "2", "-o", "operator=\(try socket())"])
        let first = try node.connect()
        let second = try node.connect()
        #expect(try second.ask("version").hasPrefix("VERSION "))
        for _ in 0..<50 { #expect(try first.ask("set a 0 0 1\r\nx") == "STORED\r\n") }
        // A worker counts them when the turn's replies have gone. Each look is one, too.
        var lookCount = 0
        try wait(for: "all to be counted") {
            let requests = try page("requests", of: first)
            lookCount += 1
            return requests["text:set"] == "50" && requests["text:other"] == "\(lookCount)"
        }
        let latency = try page("latency", of: second)
        #expect(latency["text:set:count"] == "50")
        let (median, most) = (latency["text:set:p50_us"], latency["text:set:max_us"])
        #expect(
            (median.flatMap { Int($0) } ?? 0) <= (most.flatMap { Int($0) } ?? -1), "\(latency)")
        #expect(most.flatMap { Int($0) }.map { $0 > 0 && $0 < 60_000_000 } == true)
        let clients = try page("clients", of: first)
        #expect(clients["open"] == "2" && clients["by:tcp"] == "2" && clients["by:unix"] == "0")
        #expect(clients["first:set"] == "1" && clients["first:version"] == "1", "\(clients)")
        #expect(clients["from:127.0.0.1"] == "2")
        // Ten seconds of which tell how it grows.
        try wait(for: "memory that grows no more") {
            try page("sessions", of: first)["time_to_full"] == "never"
        }
        #expect(try page("sessions", of: first)["born"] == "1")
        #expect(try first.ask("stats reset") == "RESET\r\n")
        #expect(try page("latency", of: first)["text:set:count"] == "0")
    }

    private func socket() throws -> String { try TemporaryDirectory().path + ".operator" }
}
