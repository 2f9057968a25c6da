#if Hummingbird
    import Hummingbird
    import HummingbirdSojourn
    import Logging
    import SessionClient

    /// What the shop knows of a visitor. It is the session's value.
    struct Visit: Codable, Sendable {
        var user: String?
        var cart: [String] = []
    }

    /// What was bought. It is kept by Hummingbird's persist framework.
    struct Order: ResponseCodable, Sendable {
        var user: String
        var items: [String]
    }

    /// A shop with a login, a cart and a logout. Any instance answers any request: all that it knows is
    /// on the nodes.
    ///
    ///     POST /login     body: a name       the session gets another ID
    ///     GET  /me                           who is logged in
    ///     POST /cart      body: an item      works without a login, too
    ///     GET  /cart
    ///     POST /orders                       buys the cart
    ///     GET  /orders/ID
    ///     POST /logout
    struct Shop: Sendable {
        let sessions: SessionStore<Visit>
        let persist: SojournPersistDriver
        /// Tells instances apart.
        let name: String

        static let cookieName = "shop"
        private static let bodyByteCountMax = 1_000

        func router() -> Router<BasicRequestContext> {
            let router = Router()
            router.add(middleware: NoticeTrouble())
            router.post("login", use: login)
            router.get("me", use: me)
            router.post("cart", use: addToCart)
            router.get("cart", use: cart)
            router.post("orders", use: order)
            router.get("orders/:id", use: orderWithID)
            router.post("logout", use: logout)
            return router
        }

        // MARK: Sessions

        private func session(of request: Request) async throws -> Session<Visit>? {
            try await sessions.load(cookie: request.cookies[Self.cookieName]?.value)
        }

        private func reply(
            _ text: String, status: HTTPResponse.Status = .ok, cookie: String? = nil,
            forgets: Bool = false
        ) -> Response {
            var response = Response(
                status: status, body: ResponseBody(byteBuffer: ByteBuffer(string: text + "\n")))
            // Behind HTTPS the cookie has to be `secure`, too.
            if let cookie {
                response.setCookie(
                    Cookie(name: Self.cookieName, value: cookie, path: "/", sameSite: .lax))
            }
            if forgets {
                response.setCookie(
                    Cookie(name: Self.cookieName, value: "", maxAge: 0, path: "/", sameSite: .lax))
            }
            return response
        }

        private func body(of request: Request) async throws -> String {
            let buffer = try await request.body.collect(upTo: Self.bodyByteCountMax)
            let text = String(buffer: buffer)
            guard !text.isEmpty else { throw HTTPError(.badRequest) }
            return text
        }

        // MARK: Routes

        @Sendable private func login(
            _ request: Request, _ context: BasicRequestContext
        ) async throws -> Response {
            let user = try await body(of: request)
            var next: Session<Visit>?
            if let id = sessions.id(fromCookie: request.cookies[Self.cookieName]?.value) {
                next = try await sessions.regenerate(id) { $0.user = user }
            }
            let session =
                if let next { next } else { try await sessions.create(Visit(user: user)) }
            return reply("welcome, \(user)", cookie: sessions.cookieValue(for: session.id))
        }

        @Sendable private func me(
            _ request: Request, _ context: BasicRequestContext
        ) async throws -> Response {
            guard let user = try await session(of: request)?.value.user else {
                return reply("nobody, says \(name)", status: .unauthorized)
            }
            return reply("\(user), says \(name)")
        }

        @Sendable private func addToCart(
            _ request: Request, _ context: BasicRequestContext
        ) async throws -> Response {
            let item = try await body(of: request)
            if let id = sessions.id(fromCookie: request.cookies[Self.cookieName]?.value),
                // Two tabs may add at once: what one has saved is merged into, not lost.
                let session = try await sessions.update(id, merge: { $0.cart.append(item) })
            {
                return reply(session.value.cart.joined(separator: ", "))
            }
            let session = try await sessions.create(Visit(cart: [item]))
            return reply(item, cookie: sessions.cookieValue(for: session.id))
        }

        @Sendable private func cart(
            _ request: Request, _ context: BasicRequestContext
        ) async throws -> Response {
            let cart = try await session(of: request)?.value.cart ?? []
            return reply(cart.joined(separator: ", "))
        }

        @Sendable private func order(
            _ request: Request, _ context: BasicRequestContext
        ) async throws -> Response {
            guard let session = try await session(of: request), let user = session.value.user
            else { throw HTTPError(.unauthorized) }
            let number = UInt64.random(in: .min ... .max)
            let order = Order(user: user, items: session.value.cart)
            try await persist.create(
                key: "order:\(number)", value: order, expires: .seconds(86_400))
            _ = try await sessions.update(session.id) {
                $0.cart.removeAll { order.items.contains($0) }
            }
            return reply("\(number)", status: .created)
        }

        @Sendable private func orderWithID(
            _ request: Request, _ context: BasicRequestContext
        ) async throws -> Order {
            let number = try context.parameters.require("id")
            guard let user = try await session(of: request)?.value.user,
                let order = try await persist.get(key: "order:\(number)", as: Order.self),
                order.user == user
            else { throw HTTPError(.notFound) }
            return order
        }

        @Sendable private func logout(
            _ request: Request, _ context: BasicRequestContext
        ) async throws -> Response {
            if let id = sessions.id(fromCookie: request.cookies[Self.cookieName]?.value) {
                try await sessions.destroy(id)
            }
            return reply("bye", forgets: true)
        }
    }

    /// Where the nodes do not answer, the visitor is asked to try again: an error is not a missing session.
    private struct NoticeTrouble: RouterMiddleware {
        func handle(
            _ request: Request, context: BasicRequestContext,
            next: (Request, BasicRequestContext) async throws -> Response
        ) async throws -> Response {
            do {
                return try await next(request, context)
            } catch let error as SessionError {
                context.logger.warning("no session store", metadata: ["error": "\(error)"])
                throw HTTPError(.serviceUnavailable)
            } catch let error as CacheError {
                context.logger.warning("no store", metadata: ["error": "\(error)"])
                throw HTTPError(.serviceUnavailable)
            }
        }
    }
#endif
