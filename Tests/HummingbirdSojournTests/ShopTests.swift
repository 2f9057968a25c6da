#if Hummingbird
    import Glibc
    import TestSupport
    import Testing

    /// Three nodes with memory files, and two instances of the example application that take turns.
    private final class ShopCluster {
        private let directory: TemporaryDirectory
        let nodes: [RestartableNode]
        private var shops: [Program?] = []
        let browser = Browser(ports: [])

        init(instanceCount: Int = 2, copyCount: Int = 2) throws {
            let directory = try TemporaryDirectory()
            self.directory = directory
            nodes = try (0..<3).map { number in
                let file = "\(directory.path)/node-\(number)"
                return try RestartableNode(
                    try RunningNode.sojourndPath(), flags: ["-e", file, "-m", "32", "-t", "1"])
            }
            let list = nodes.map { "- {host: \($0.host), port: \($0.port)}\n" }.joined()
            _ = try directory.write(
                "copies: \(copyCount)\nnodes:\n\(list)", to: "cluster.yaml")
            for number in 0..<instanceCount {
                shops.append(nil)
                browser.ports.append(0)
                try startShop(number)
            }
        }

        func startShop(_ number: Int) throws {
            shops[number]?.end()
            let shop = try Program(
                try RunningNode.builtProgram("shop"),
                environment: [
                    "SHOP_CLUSTER": "\(directory.path)/cluster.yaml",
                    "SHOP_SECRET": "a secret of this test, and long enough",
                    "SHOP_NAME": "shop-\(number)",
                ])
            shops[number] = shop
            try wait(for: "the port of shop \(number)") {
                guard !shop.hasEnded else { throw Trouble(shop.errors) }
                guard let line = shop.output.split(separator: "\n").first,
                    let port = line.split(separator: " ").last.flatMap({ Int($0) })
                else { return false }
                browser.ports[number] = port
                return true
            }
        }
    }

    /// Somebody with a cookie, who is sent to one instance after the other.
    private final class Browser {
        var ports: [Int]
        var cookie = ""
        private var turn = 0

        init(ports: [Int]) { self.ports = ports }

        struct Answer {
            var status: Int
            var body: String
            var cookie: String?
        }

        /// Sends a request to the next instance, or to a certain one.
        func ask(
            _ method: String, _ path: String, _ body: String = "", at instance: Int? = nil,
            cookie: String? = nil
        ) throws -> Answer {
            turn += 1
            let port = ports[instance ?? turn % ports.count]
            let peer = try SocketPeer(.tcp(port: UInt16(port)))
            var head = "\(method) \(path) HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n"
            head += "Content-Length: \(body.utf8.count)\r\n"
            let sent = cookie ?? self.cookie
            if !sent.isEmpty { head += "Cookie: theme=dark; shop=\(sent)\r\n" }
            try peer.send(head + "\r\n" + body)
            let text = try peer.receiveUntilEnd().utf8.filter { $0 != 13 }
            let parts = String(decoding: text, as: UTF8.self).split(
                separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
            let lines = parts[0].split(separator: "\n")
            guard parts.count == 2,
                let status = lines.first?.split(separator: " ").dropFirst().first
            else { throw Trouble("no answer from \(port)") }
            let set = lines.first { $0.lowercased().hasPrefix("set-cookie: shop=") }
            let value = set.map { String($0.dropFirst(17).prefix { $0 != ";" }) }
            if let value, cookie == nil { self.cookie = value }
            return Answer(
                status: Int(status) ?? 0, body: String(parts[1]), cookie: value)
        }
    }

    struct ShopTests {
        private static let root =
            "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

        @Test("Logged in on one instance is logged in on the other, until the logout")
        func roundRobin() throws {
            let shop = try ShopCluster()
            #expect(try shop.browser.ask("GET", "/me", at: 0).status == 401)
            #expect(try shop.browser.ask("POST", "/cart", "a book", at: 0).status == 200)
            let anonymous = shop.browser.cookie
            #expect(try shop.browser.ask("POST", "/cart", "a pen", at: 1).body == "a book, a pen\n")
            #expect(try shop.browser.ask("POST", "/login", "ann", at: 0).body == "welcome, ann\n")
            // Another ID: whoever knew the one from before knows nothing now.
            #expect(shop.browser.cookie != anonymous)
            #expect(try shop.browser.ask("GET", "/me", cookie: anonymous).status == 401)
            for instance in 0..<2 {
                #expect(
                    try shop.browser.ask("GET", "/me", at: instance).body
                        == "ann, says shop-\(instance)\n")
                #expect(
                    try shop.browser.ask("GET", "/cart", at: instance).body == "a book, a pen\n")
            }
            let number = try shop.browser.ask("POST", "/orders", at: 0).body.dropLast()
            let order = try shop.browser.ask("GET", "/orders/\(number)", at: 1)
            #expect(order.status == 200 && order.body.contains("a pen"))
            #expect(try shop.browser.ask("GET", "/orders/\(number)", cookie: "none").status == 404)
            #expect(try shop.browser.ask("GET", "/cart", at: 1).body == "\n")
            let old = shop.browser.cookie
            #expect(try shop.browser.ask("POST", "/logout", at: 1).body == "bye\n")
            #expect(shop.browser.cookie == "")
            for instance in 0..<2 {
                #expect(try shop.browser.ask("GET", "/me", at: instance, cookie: old).status == 401)
                #expect(
                    try shop.browser.ask("GET", "/cart", at: instance, cookie: old).body == "\n")
            }
        }

        @Test("An application that restarts, and nodes that do, log nobody out, and nobody back in")
        func restarts() throws {
            let shop = try ShopCluster()
            #expect(try shop.browser.ask("POST", "/login", "ann").status == 200)
            let ann = shop.browser.cookie
            shop.browser.cookie = ""
            #expect(try shop.browser.ask("POST", "/login", "bob").status == 200)
            let bob = shop.browser.cookie
            #expect(try shop.browser.ask("POST", "/logout").status == 200)
            func check(_ what: String) throws {
                for instance in 0..<2 {
                    let answer = try shop.browser.ask("GET", "/me", at: instance, cookie: ann)
                    #expect(answer.status == 200, "\(what)")
                    #expect(
                        try shop.browser.ask("GET", "/me", at: instance, cookie: bob).status == 401)
                }
            }
            try check("at first")
            for instance in 0..<2 {
                try shop.startShop(instance)
                try check("instance \(instance) restarted")
            }
            for (number, node) in shop.nodes.enumerated() {
                node.kill()
                try node.start()
                try wait(for: "the return of node \(number)") {
                    try shop.browser.ask("GET", "/me", at: 0, cookie: ann).status == 200
                        && shop.browser.ask("GET", "/me", at: 1, cookie: ann).status == 200
                }
                try check("node \(number) restarted")
            }
            // With two copies one dead node is not noticed.
            for (number, node) in shop.nodes.enumerated() {
                node.kill()
                try check("node \(number) dead")
                try node.start()
                try wait(for: "the return of node \(number)") {
                    try shop.browser.ask("POST", "/cart", "an item", cookie: ann).status == 200
                }
            }
        }

        @Test(
            "Without a second copy a dead node's visitors are told to try again, and are still logged in later"
        )
        func deadNodeWithoutSecondCopy() throws {
            let shop = try ShopCluster(copyCount: 1)
            let cookies = try (0..<30).map { number in
                shop.browser.cookie = ""
                let answer = try shop.browser.ask("POST", "/login", "visitor \(number)")
                #expect(answer.status == 200)
                return shop.browser.cookie
            }
            func statuses() throws -> [Int] {
                try cookies.map { try shop.browser.ask("GET", "/me", cookie: $0).status }
            }
            shop.nodes[1].kill()
            // 30 sessions and three nodes: each has some.
            #expect(Set(try statuses()) == [200, 503])
            try shop.nodes[1].start()
            try wait(for: "the return of the node") {
                try statuses().allSatisfy { $0 == 200 }
            }
        }

        @Test("Who logs out while a node is dead stays logged out when it returns")
        func logoutBesideDeadNode() throws {
            for node in 0..<3 {
                let shop = try ShopCluster(instanceCount: 1)
                #expect(try shop.browser.ask("POST", "/login", "ann").status == 200)
                let ann = shop.browser.cookie
                shop.nodes[node].kill()
                #expect(try shop.browser.ask("POST", "/logout").status == 200)
                try shop.nodes[node].start()
                for _ in 0..<5 {
                    #expect(try shop.browser.ask("GET", "/me", cookie: ann).status == 401)
                    usleep(100_000)
                }
            }
        }

        @Test("One command starts three nodes and two instances, and ends what it has started")
        func oneCommand() throws {
            let directory = try TemporaryDirectory()
            let bytes = (0..<3).map { _ in Int.random(in: 1...254) }
            let host = "127.\(bytes[0]).\(bytes[1]).\(bytes[2])"
            let base = Int.random(in: 20_000...60_000)
            let user = getuid() == 0 ? "-u, root, " : ""
            let nodes = (0..<3).map { "- {name: n\($0), host: \(host), port: \(base + $0)}\n" }
            let definition = try directory.write(
                "defaults: {flags: [\(user)-t, '1']}\nnodes:\n" + nodes.joined(),
                to: "cluster.yaml")
            let programs = try RunningNode.builtProgram("shop").dropLast("/shop".count)
            let script = try Program(
                Self.root + "/cluster/example/run",
                [
                    "--cluster", definition, "--state", directory.path + "/state",
                    "--programs", String(programs),
                ])
            var ports: [Int] = []
            try wait(for: "two instances", seconds: 120) {
                guard !script.hasEnded else { throw Trouble(script.errors) }
                ports = script.output.split(separator: "\n").compactMap { line in
                    line.split(separator: " ").last.flatMap { Int($0) }
                }
                return ports.count == 2
            }
            let browser = Browser(ports: ports)
            #expect(try browser.ask("POST", "/login", "ann", at: 0).status == 200)
            #expect(try browser.ask("GET", "/me", at: 1).body == "ann, says shop-2\n")
            script.send(SIGTERM)
            #expect(try script.waitForExit() == .status(143))
            for number in 0..<3 {
                #expect(throws: Trouble.self) {
                    try SocketPeer(.address(host, port: UInt16(base + number)))
                }
            }
        }

        @Test("Whatever a browser sends as its cookie, it is nobody, and no error")
        func hostileCookies() throws {
            let shop = try ShopCluster(instanceCount: 1)
            #expect(try shop.browser.ask("POST", "/login", "ann").status == 200)
            let good = shop.browser.cookie
            for cookie in [
                "x", good + "x", String(good.dropLast()), String(repeating: "A", count: 5_000),
                good.replacing(".", with: ","), "a b", "\"\"",
            ] {
                #expect(
                    try shop.browser.ask("GET", "/me", cookie: cookie).status == 401, "\(cookie)")
            }
            // A control byte does not get past the HTTP server.
            #expect(try shop.browser.ask("GET", "/me", cookie: "\u{1}").status == 400)
            #expect(try shop.browser.ask("GET", "/me", cookie: good).status == 200)
        }
    }
#endif
