import MemcacheProtocol
package import NIOCore
import NIOPosix

/// How connections to nodes begin: in clear text or under TLS, and as whom.
package struct NodeAccess: Sendable {
    private let tls: NodeTLS?
    /// The first that is sent on a connection, if anything has to be before requests.
    let login: ByteBuffer?

    /// Clear text, as nobody.
    package static let open = NodeAccess()

    private init() {
        tls = nil
        login = nil
    }

    /// Reads certificates and checks everything.
    package init(
        tls: CacheClientConfiguration.TLS?, credentials: Credentials?
    ) throws(ConfigurationError) {
        if let tls { self.tls = try NodeTLS(tls) } else { self.tls = nil }
        if let problem = credentials?.problem {
            throw ConfigurationError("credentials: \(problem)")
        }
        login = credentials.map {
            ByteBuffer(bytes: LoginRequest.bytes(user: $0.user, password: $0.password))
        }
    }

    /// Puts TLS, where it is spoken, between a socket and what is added to its channel later.
    package func begin(on channel: any Channel, with host: String) throws {
        try tls?.begin(on: channel, with: host)
    }

    /// Connects. Under TLS the handshake is then under way, and what is written waits for its end.
    func connect(
        _ bootstrap: ClientBootstrap, toHost host: String, port: Int,
        prepare: @escaping @Sendable (any Channel) throws -> Void = { _ in }
    ) -> EventLoopFuture<any Channel> {
        bootstrap.channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try begin(on: channel, with: host)
                try prepare(channel)
            }
        }.connectAnywhere(toHost: host, port: port)
    }
}

extension ClientBootstrap {
    /// An address needs no resolver, and no thread of its own; one that hangs does not hold it up.
    fileprivate func connectAnywhere(toHost host: String, port: Int) -> EventLoopFuture<any Channel>
    {
        if let address = try? SocketAddress(ipAddress: host, port: port) {
            return connect(to: address)
        }
        return connect(host: host, port: port)
    }
}
