#if Hummingbird
    import Crypto
    import Glibc
    import Hummingbird
    import HummingbirdSojourn
    import SessionClient

    /// Everything comes from the environment:
    ///
    ///     SHOP_CLUSTER  the definition of the cluster; followed when it changes
    ///     SHOP_SECRET   what cookies are signed with and sessions encrypted: 32 characters or more
    ///     SHOP_PORT     where to listen on loopback; 0, which is the default, is any free port
    ///     SHOP_NAME     what the instance calls itself
    func setting(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    struct Misuse: Error, CustomStringConvertible {
        let description: String
    }

    func shop(secret: String, cache: CacheClient) throws -> Shop {
        // One secret, two keys that tell nothing of each other.
        let master = SymmetricKey(data: Array(secret.utf8))
        func key(_ purpose: String) -> SymmetricKey {
            let code = HMAC<SHA256>.authenticationCode(for: Array(purpose.utf8), using: master)
            return SymmetricKey(data: Array(code))
        }
        var configuration = SessionStoreConfiguration()
        configuration.keyPrefix = "shop:"
        configuration.cookieName = Shop.cookieName
        configuration.signingKeys = [key("cookies")]
        configuration.encryptionKeys = [key("sessions")]
        return Shop(
            sessions: try SessionStore(cache: cache, configuration: configuration),
            persist: try SojournPersistDriver(client: cache, prefix: "shop-persist:"),
            name: setting("SHOP_NAME") ?? "shop")
    }

    func run() async throws {
        guard let path = setting("SHOP_CLUSTER"), let secret = setting("SHOP_SECRET"),
            secret.utf8.count >= 32
        else {
            throw Misuse(
                description: "SHOP_CLUSTER and SHOP_SECRET (32 characters or more) have to be set")
        }
        let portText = setting("SHOP_PORT") ?? "0"
        guard let port = Int(portText), (0...65_535).contains(port) else {
            throw Misuse(description: "SHOP_PORT must be 0 to 65535, not '\(portText)'")
        }
        let cache = try CacheClient(membership: .definition(path: path))
        let shop = try shop(secret: secret, cache: cache)
        let application = Application(
            router: shop.router(),
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
            // Runs the client, too.
            services: [shop.persist],
            onServerRunning: { channel in
                print("\(shop.name) listens on port \(channel.localAddress?.port ?? 0)")
                // Whoever waits for the port reads a pipe or a file.
                fflush(nil)
            })
        try await application.runService()
    }

    do {
        try await run()
    } catch {
        var line = "shop: \(error)\n"
        _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        exit(1)
    }
#else
    // Who does not ask for Hummingbird does not build it.
    print("shop: build it with --traits Hummingbird")
#endif
