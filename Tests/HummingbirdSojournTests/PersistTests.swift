#if Hummingbird
    import HashRing
    import Hummingbird
    import HummingbirdSojourn
    import SessionClient
    import TestSupport
    import Testing

    private struct Point: Codable, Equatable, Sendable {
        var x: Int
        var label: String
    }

    /// What Hummingbird's own tests hold its drivers to, and some more.
    struct PersistTests {
        private func withDriver(
            _ body: (SojournPersistDriver, CacheClient, RunningNode) async throws -> Void
        ) async throws {
            let node = try RunningNode.sojournd()
            var configuration = CacheClientConfiguration()
            configuration.requestTimeout = .seconds(1_500)
            configuration.connectTimeout = .seconds(1_500)
            configuration.silenceTimeout = .seconds(1_500)
            configuration.restartPatience = .zero
            let client = try CacheClient(
                nodes: [Node(host: "127.0.0.1", port: try node.port)],
                configuration: configuration)
            defer { client.shutDown() }
            try await body(try SojournPersistDriver(client: client), client, node)
        }

        @Test("What was set is there, and setting it again replaces it")
        func setAndGet() async throws {
            try await withDriver { persist, _, _ in
                #expect(try await persist.get(key: "k", as: String.self) == nil)
                try await persist.set(key: "k", value: "test1")
                #expect(try await persist.get(key: "k", as: String.self) == "test1")
                try await persist.set(key: "k", value: "test2")
                #expect(try await persist.get(key: "k", as: String.self) == "test2")
            }
        }

        @Test("What was created is there, and cannot be created again")
        func create() async throws {
            try await withDriver { persist, _, _ in
                try await persist.create(key: "k", value: "one")
                #expect(try await persist.get(key: "k", as: String.self) == "one")
                await #expect(throws: PersistError.duplicate) {
                    try await persist.create(key: "k", value: "two")
                }
                #expect(try await persist.get(key: "k", as: String.self) == "one")
                try await persist.remove(key: "k")
                try await persist.create(key: "k", value: "two", expires: .seconds(1_000))
                #expect(try await persist.get(key: "k", as: String.self) == "two")
            }
        }

        @Test("What has expired is gone, and can be created or set again")
        func expires() async throws {
            try await withDriver { persist, _, _ in
                try await persist.set(key: "a", value: "short", expires: .seconds(0))
                try await persist.set(key: "b", value: "long", expires: .seconds(1_000))
                try await persist.set(key: "c", value: "second", expires: .seconds(1))
                #expect(try await persist.get(key: "a", as: String.self) == nil)
                try await persist.create(key: "a", value: "again")
                #expect(try await persist.get(key: "a", as: String.self) == "again")
                try await Task.sleep(for: .milliseconds(2_100))
                #expect(try await persist.get(key: "b", as: String.self) == "long")
                #expect(try await persist.get(key: "c", as: String.self) == nil)
                try await persist.set(key: "c", value: "third", expires: .seconds(1_000))
                #expect(try await persist.get(key: "c", as: String.self) == "third")
            }
        }

        @Test("The time to live is told, and kept by a set that says none")
        func timeToLive() async throws {
            try await withDriver { persist, _, _ in
                try await persist.set(key: "k", value: "v", expires: .seconds(10_000))
                let first = try #require(try await persist.getWithTTL(key: "k", as: String.self))
                #expect(first.object == "v")
                #expect((.seconds(9_000) ... .seconds(10_000)).contains(try #require(first.ttl)))
                try await persist.set(key: "k", value: "w")
                let second = try #require(try await persist.getWithTTL(key: "k", as: String.self))
                #expect(second.object == "w")
                #expect((.seconds(9_000) ... .seconds(10_000)).contains(try #require(second.ttl)))
                try await persist.set(key: "n", value: "v")
                try await persist.set(key: "n", value: "w")
                let never = try #require(try await persist.getWithTTL(key: "n", as: String.self))
                #expect(never.object == "w" && never.ttl == nil)
                #expect(try await persist.getWithTTL(key: "none", as: String.self) == nil)
            }
        }

        @Test("Values of any Codable type come back as they were")
        func codable() async throws {
            try await withDriver { persist, _, _ in
                let point = Point(x: 3, label: "\r\nEND\r\n")
                try await persist.set(key: "k", value: point)
                #expect(try await persist.get(key: "k", as: Point.self) == point)
                try await persist.set(key: "n", value: 7)
                #expect(try await persist.get(key: "n", as: Int.self) == 7)
                try await persist.set(key: "o", value: Int?.none)
                #expect(try await persist.get(key: "o", as: Int?.self) == .some(nil))
            }
        }

        @Test("A value of another type is an invalid conversion")
        func invalidConversion() async throws {
            try await withDriver { persist, client, _ in
                try await persist.set(key: "k", value: Point(x: 1, label: "p"))
                await #expect(throws: PersistError.invalidConversion) {
                    try await persist.get(key: "k", as: String.self)
                }
                await #expect(throws: PersistError.invalidConversion) {
                    try await persist.getWithTTL(key: "k", as: String.self)
                }
                try await client.set("persist:kk", to: Array("{".utf8))
                await #expect(throws: PersistError.invalidConversion) {
                    try await persist.get(key: "k", as: Point.self)
                }
            }
        }

        @Test("What was removed is gone, and removing it again is no error")
        func remove() async throws {
            try await withDriver { persist, _, _ in
                try await persist.set(key: "k", value: "v")
                try await persist.remove(key: "k")
                #expect(try await persist.get(key: "k", as: String.self) == nil)
                try await persist.remove(key: "k")
            }
        }

        @Test("Any string is a key, and no two are the same item")
        func keys() async throws {
            try await withDriver { persist, _, node in
                let keys = [
                    "", " ", "a b", "a\r\nflush_all\r\n", "\u{0}", "schlüssel", "k", "kk", "h",
                    String(repeating: "x", count: 240), String(repeating: "x", count: 241),
                    String(repeating: "x", count: 242), String(repeating: "x", count: 100_000),
                    "/path?q=1", "persist:k",
                ]
                for (number, key) in keys.enumerated() {
                    try await persist.create(key: key, value: number)
                }
                for (number, key) in keys.enumerated() {
                    #expect(try await persist.get(key: key, as: Int.self) == number)
                }
                #expect(try node.counter("curr_items") == keys.count)
                #expect(try node.counter("cmd_flush") == 0)
            }
        }

        @Test("Sets that race all end, and one of them stays")
        func racingSets() async throws {
            try await withDriver { persist, _, _ in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    for number in 0..<8 {
                        tasks.addTask { try await persist.set(key: "k", value: number) }
                    }
                    try await tasks.waitForAll()
                }
                #expect(
                    (0..<8).contains(try #require(try await persist.get(key: "k", as: Int.self))))
            }
        }

        @Test("A store that does not answer is an error, not a missing value")
        func deadNode() async throws {
            try await withDriver { persist, _, node in
                try await persist.set(key: "k", value: "v")
                node.program.end()
                await #expect(throws: CacheError.self) {
                    try await persist.get(key: "k", as: String.self)
                }
                await #expect(throws: CacheError.self) { try await persist.remove(key: "k") }
            }
        }

        @Test("As a service the driver runs its client, and shuts it down")
        func service() async throws {
            try await withDriver { persist, client, node in
                let application = Application(
                    router: Router(),
                    configuration: ApplicationConfiguration(
                        address: .hostname("127.0.0.1", port: 0)),
                    services: [persist])
                let run = Task { try await application.run() }
                try await persist.set(key: "k", value: "v")
                run.cancel()
                _ = await run.result
                await #expect(throws: CacheError(.shutDown)) {
                    try await persist.get(key: "k", as: String.self)
                }
            }
        }

        @Test("A prefix has to be the beginning of a key")
        func prefix() throws {
            let client = try CacheClient(nodes: [Node(host: "127.0.0.1")])
            defer { client.shutDown() }
            for prefix in ["a b", "\n", String(repeating: "x", count: 101)] {
                #expect(throws: CacheError.self) {
                    try SojournPersistDriver(client: client, prefix: prefix)
                }
            }
            for prefix in ["", String(repeating: "x", count: 100)] {
                _ = try SojournPersistDriver(client: client, prefix: prefix)
            }
        }
    }
#endif
