package import ClusterFile

extension CacheClientConfiguration {
    /// TLS and credentials of a cluster's definition, where the configuration says nothing of them.
    ///
    /// - Throws: for a file of credentials that cannot be used.
    package mutating func takeAccess(
        of definition: ClusterDefinition
    ) throws(ConfigurationError) {
        tls = tls ?? definition.tls.map { TLS($0) }
        if credentials == nil, let path = definition.credentialsFile {
            credentials = try Credentials(contentsOf: path)
        }
    }
}

extension CacheClientConfiguration.TLS {
    /// What a cluster's definition says to clients.
    package init(_ definition: ClusterDefinition.TLS) {
        self.init(authorityFile: definition.authorityFile)
        certificateFile = definition.clientCertificateFile
        keyFile = definition.clientKeyFile
        serverName = definition.serverName
    }
}
