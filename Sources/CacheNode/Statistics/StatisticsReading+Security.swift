import EventLoop

/// TLS, by memcached's names and some of our own.
extension StatisticsReading {
    func addSecurity(to list: inout StatisticsList) {
        guard let security = space.security else { return }
        list.isShowing = security.settings.cachesSessions
        list.counter(
            "ssl_new_sessions", self[.tlsNewSessions], "Handshakes that began a new session")
        list.isShowing = true
        list.counter(
            "ssl_handshake_errors", self[.tlsHandshakeErrors],
            "Handshakes that failed, in whatever way")
        list.counter(
            "ssl_proto_errors", self[.tlsProtocolErrors],
            "Connections that ended because the peer did not keep to the protocol")
        list.gauge(
            "time_since_server_cert_refresh", Int(security.age / .seconds(1)),
            "Seconds since the certificate was read")
        list.counter(
            "ssl_resumed_sessions", self[.tlsResumedSessions],
            "Handshakes that went on with an earlier session")
        list.counter(
            "ssl_handshake_timeouts", self[.tlsHandshakeTimeouts],
            "Handshakes that took too long, or stood still while others waited")
        list.counter(
            "ssl_plaintext_clients", self[.tlsClearTextClients],
            "Connections that did not begin with TLS")
        list.counter(
            "ssl_cut_off_connections", self[.tlsCutOffs],
            "Connections that ended without a close-notify")
        list.gauge(
            "ssl_cert_seconds_left", security.secondsLeft, "Seconds until the certificate expires")
    }

    func addSecuritySettings(to list: inout StatisticsList) {
        let tls = configuration.tls
        list.flag("ssl_enabled", tls != nil, "Whether TLS is spoken (-Z)")
        list.text("ssl_chain_cert", tls?.chainFile ?? "(null)", "The node's certificate")
        list.text("ssl_key", tls.map { $0.keyFile ?? $0.chainFile } ?? "(null)", "Its key")
        list.gauge(
            "ssl_verify_mode", (tls?.verification ?? .none).flags,
            "What is asked of clients' certificates: 0, 1, 3 or 7 for the options' 0 to 3")
        list.gauge(
            "ssl_keyformat", (tls?.keyFormat ?? .pem).rawValue, "Of the key: 1 is PEM, 2 is DER")
        list.text("ssl_ciphers", tls?.ciphers ?? "NULL", "Those that are chosen from")
        list.text("ssl_ca_cert", tls?.authorityFile ?? "NULL", "Who signs clients' certificates")
        list.gauge(
            "ssl_wbuf_size", tls?.recordByteCount ?? TLSSettings.recordByteCountRange.upperBound,
            "Bytes of a record at most")
        list.flag(
            "ssl_session_cache", tls?.cachesSessions ?? false,
            "Whether sessions are kept for clients without tickets")
        list.flag("ssl_kernel_tls", tls?.usesKernel ?? false, "Whether the kernel may encrypt")
        list.text(
            "ssl_min_version", (tls?.minimumVersion ?? .tls13).name, "The oldest that is spoken")
        list.gauge(
            "ssl_handshakes", context.rules.handshakeCountMax, "Handshakes under way at most")
        list.gauge(
            "ssl_handshake_timeout", context.rules.handshakeTimeoutSeconds,
            "Seconds that a handshake may take")
    }

    func addAuthentication(to list: inout StatisticsList) {
        guard let authentication = space.authentication else { return }
        list.counter(
            "auth_timeouts", self[.loginTimeouts],
            "Connections that did not log in in time (auth_timeout)")
        list.gauge(
            "auth_slowed_addresses", authentication.throttle.peerCount,
            "Addresses from which logins failed and none has succeeded since")
    }

    /// memcached's two, in their place.
    func addAuthenticationSettings(to list: inout StatisticsList) {
        let rules = configuration.authentication
        let speaksBinary = configuration.listener.bindingProtocol != .ascii
        list.flag(
            "auth_enabled_sasl", rules?.passwordFile != nil && speaksBinary,
            "Whether the binary protocol has logins (-Y, -S)")
        list.text(
            "auth_enabled_ascii", rules?.passwordFile ?? "no",
            "The file of users and passwords (-Y)")
    }

    /// Our own.
    func addLoginSettings(to list: inout StatisticsList) {
        list.flag(
            "sandbox", context.rules.isSandboxed,
            "Whether the process has given up what it does not need (-o sandbox)")
        let rules = configuration.authentication ?? AuthenticationRules()
        list.gauge(
            "auth_timeout", rules.timeoutSeconds, "Seconds that a connection may take to log in")
        list.flag(
            "auth_mtls", rules.acceptsCertificates, "Whether a client's certificate is a login")
        list.text(
            "auth_uids",
            rules.userIDs.isEmpty ? "no" : rules.userIDs.map(String.init).joined(separator: ":"),
            "Users of this machine that are logged in on a Unix socket")
    }
}
