extension CacheClientConfiguration {
    /// How a client speaks TLS with its nodes.
    ///
    /// Files are PEM. They are read once, when a client is made: a new certificate needs a new client.
    ///
    /// Each new connection is a full handshake. The library below, swift-nio-ssl, gives clients no way to
    /// resume an earlier session. Connections are few and stay, so that handshakes are rare.
    public struct TLS: Hashable, Sendable {
        /// A version of TLS.
        public enum Version: String, Hashable, Sendable, CaseIterable {
            /// TLS 1.2.
            case tls12 = "1.2"
            /// TLS 1.3.
            case tls13 = "1.3"
        }

        /// Who signs the nodes' certificates; nil are those whom the system believes.
        public var authorityFile: String?
        /// What the client shows of itself: its certificate, then that of its issuer, and so on. Nil is nothing,
        /// which nodes accept that ask for no certificates.
        public var certificateFile: String?
        /// The certificate's key, not encrypted, which nobody else may read; nil looks for it in
        /// `certificateFile`.
        public var keyFile: String?
        /// The name that every node's certificate has to be for, and that is asked for (SNI). Nil is each
        /// node's own host, a name or an address. A certificate for the address that was connected to is taken
        /// in any case, as swift-nio-ssl does.
        public var serverName: String?
        /// Whether a node's certificate has to be for its name. Without this, whoever has any certificate of
        /// the same authority can pretend to be a node. That the authority signed it is checked always.
        public var verifiesServerName = true
        /// Older versions are not spoken.
        public var minimumVersion = Version.tls12

        /// TLS with nodes whose certificates were signed by these; nil are those whom the system believes.
        public init(authorityFile: String? = nil) { self.authorityFile = authorityFile }
    }
}
