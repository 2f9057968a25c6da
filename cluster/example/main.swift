#if Hummingbird
    import Crypto
    import Glibc
    import HashRing
    import Hummingbird
    import HummingbirdSojourn
    import SessionClient

    /// Everything comes from the environment:
    ///
    ///     SHOP_NODES    a file with the nodes, one `host:port` per line; it is read again when it changes
    ///     SHOP_SECRET   what cookies are signed with and sessions encrypted: 32 characters or more
    ///     SHOP_PORT     where to listen on loopback; 0, which is the default, is any free port
    ///     SHOP_NAME     what the instance calls itself
    ///     SHOP_COPIES   nodes that hold each session: 2, unless said otherwise
    func setting(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    func run() async throws {
        guard let nodes = setting("SHOP_NODES"), let secret = setting("SHOP_SECRET"),
            secret.utf8.count >= 32
        else { throw Usage() }
        // One secret, two keys that tell nothing of each other.
        let master = SymmetricKey(data: Array(secret.utf8))
        func key(_ purpose: String) -> SymmetricKey {
            let code = HMAC<SHA256>.authenticationCode(for: Array(purpose.utf8), using: master)
            return SymmetricKey(data: Array(code))
        }
        var configuration = CacheClientConfiguration()
        configuration.replication = Replication(
            copyCount: setting("SHOP_COPIES").flatMap { Int($0) } ?? 2)
        let cache = try CacheClient(membership: .file(path: nodes), configuration: configuration)
        var sessions = SessionStoreConfiguration()
        sessions.keyPrefix = "shop:"
        sessions.cookieName = Shop.cookieName
        sessions.signingKeys = [key("cookies")]
        sessions.encryptionKeys = [key("sessions")]
        let persist = try SojournPersistDriver(client: cache, prefix: "shop-persist:")
        let shop = Shop(
            sessions: try SessionStore(cache: cache, configuration: sessions), persist: persist,
            name: setting("SHOP_NAME") ?? "shop")
        let port = setting("SHOP_PORT").flatMap { Int($0) } ?? 0
        let application = Application(
            router: shop.router(),
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
            // Runs the client, too.
            services: [persist],
            onServerRunning: { channel in
                print("\(shop.name) listens on port \(channel.localAddress?.port ?? 0)")
                fflush(stdout)
            })
        try await application.runService()
    }

    struct Usage: Error, CustomStringConvertible {
        let description = "shop: SHOP_NODES and SHOP_SECRET (32 characters or more) have to be set"
    }

    do {
        try await run()
    } catch {
        fputs("\(error)\n", stderr)
        exit(1)
    }
#else
    // Who does not ask for Hummingbird does not build it.
    print("shop: build it with --traits Hummingbird")
#endif
