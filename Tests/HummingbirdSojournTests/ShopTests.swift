#if Hummingbird
    import Glibc
    import TestSupport
    import Testing

    /// Three nodes with memory files, and two instances of the example application that take turns.
    private final class ShopCluster {
        private let directory: TemporaryDirectory
        let nodes: [RestartableNode]
        private var shops: [Program?] = []
        private(set) var ports: [Int] = []
        private var turn = 0
        /// The browser's.
        var cookie = ""

        init(instanceCount: Int = 2) throws {
            let directory = try TemporaryDirectory()
            self.directory = directory
            nodes = try (0..<3).map { number in
                let file = "\(directory.path)/node-\(number)"
                return try RestartableNode(
                    try RunningNode.sojourndPath(), flags: ["-e", file, "-m", "32", "-t", "1"])
            }
            let list = nodes.map { "\($0.host):\($0.port)\n" }.joined()
            _ = try directory.write(list, to: "nodes")
            for number in 0..<instanceCount {
                shops.append(nil)
                ports.append(0)
                try startShop(number)
            }
        }

        func startShop(_ number: Int) throws {
            shops[number]?.end()
            let shop = try Program(
                try RunningNode.builtProgram("shop"),
                environment: [
                    "SHOP_NODES": "\(directory.path)/nodes",
                    "SHOP_SECRET": "a secret of this test, and long enough",
                    "SHOP_NAME": "shop-\(number)",
                ])
            shops[number] = shop
            try wait(for: "the port of shop \(number)") {
                guard !shop.hasEnded else { throw Trouble(shop.errors) }
                guard let line = shop.output.split(separator: "\n").first,
                    let port = line.split(separator: " ").last.flatMap({ Int($0) })
                else { return false }
                ports[number] = port
                return true
            }
        }

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
        @Test("Logged in on one instance is logged in on the other, until the logout")
        func roundRobin() throws {
            let shop = try ShopCluster()
            #expect(try shop.ask("GET", "/me", at: 0).status == 401)
            #expect(try shop.ask("POST", "/cart", "a book", at: 0).status == 200)
            let anonymous = shop.cookie
            #expect(try shop.ask("POST", "/cart", "a pen", at: 1).body == "a book, a pen\n")
            #expect(try shop.ask("POST", "/login", "ann", at: 0).body == "welcome, ann\n")
            // Another ID: whoever knew the one from before knows nothing now.
            #expect(shop.cookie != anonymous)
            #expect(try shop.ask("GET", "/me", cookie: anonymous).status == 401)
            for instance in 0..<2 {
                #expect(
                    try shop.ask("GET", "/me", at: instance).body == "ann, says shop-\(instance)\n")
                #expect(try shop.ask("GET", "/cart", at: instance).body == "a book, a pen\n")
            }
            let number = try shop.ask("POST", "/orders", at: 0).body.dropLast()
            let order = try shop.ask("GET", "/orders/\(number)", at: 1)
            #expect(order.status == 200 && order.body.contains("a pen"))
            #expect(try shop.ask("GET", "/orders/\(number)", cookie: "none").status == 404)
            #expect(try shop.ask("GET", "/cart", at: 1).body == "\n")
            let old = shop.cookie
            #expect(try shop.ask("POST", "/logout", at: 1).body == "bye\n")
            #expect(shop.cookie == "")
            for instance in 0..<2 {
                #expect(try shop.ask("GET", "/me", at: instance, cookie: old).status == 401)
                #expect(try shop.ask("GET", "/cart", at: instance, cookie: old).body == "\n")
            }
        }

        @Test("An application that restarts, and nodes that do, log nobody out, and nobody back in")
        func restarts() throws {
            let shop = try ShopCluster()
            #expect(try shop.ask("POST", "/login", "ann").status == 200)
            let ann = shop.cookie
            shop.cookie = ""
            #expect(try shop.ask("POST", "/login", "bob").status == 200)
            let bob = shop.cookie
            #expect(try shop.ask("POST", "/logout").status == 200)
            func check(_ what: String) throws {
                for instance in 0..<2 {
                    let answer = try shop.ask("GET", "/me", at: instance, cookie: ann)
                    #expect(answer.status == 200, "\(what)")
                    #expect(try shop.ask("GET", "/me", at: instance, cookie: bob).status == 401)
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
                    try shop.ask("GET", "/me", at: 0, cookie: ann).status == 200
                        && shop.ask("GET", "/me", at: 1, cookie: ann).status == 200
                }
                try check("node \(number) restarted")
            }
            // With two copies one dead node is not noticed.
            for (number, node) in shop.nodes.enumerated() {
                node.kill()
                try check("node \(number) dead")
                try node.start()
                try wait(for: "the return of node \(number)") {
                    try shop.ask("POST", "/cart", "an item", cookie: ann).status == 200
                }
            }
        }

        @Test("Who logs out while a node is dead stays logged out when it returns")
        func logoutBesideDeadNode() throws {
            for node in 0..<3 {
                let shop = try ShopCluster(instanceCount: 1)
                #expect(try shop.ask("POST", "/login", "ann").status == 200)
                let ann = shop.cookie
                shop.nodes[node].kill()
                #expect(try shop.ask("POST", "/logout").status == 200)
                try shop.nodes[node].start()
                for _ in 0..<5 {
                    #expect(try shop.ask("GET", "/me", cookie: ann).status == 401)
                    usleep(100_000)
                }
            }
        }

        @Test("Whatever a browser sends as its cookie, it is nobody, and no error")
        func hostileCookies() throws {
            let shop = try ShopCluster(instanceCount: 1)
            #expect(try shop.ask("POST", "/login", "ann").status == 200)
            let good = shop.cookie
            for cookie in [
                "x", good + "x", String(good.dropLast()), String(repeating: "A", count: 5_000),
                "\u{1}",
                good.replacing(".", with: ","), "a b", "\"\"",
            ] {
                #expect(try shop.ask("GET", "/me", cookie: cookie).status == 401, "\(cookie)")
            }
            #expect(try shop.ask("GET", "/me", cookie: good).status == 200)
        }
    }
#endif
