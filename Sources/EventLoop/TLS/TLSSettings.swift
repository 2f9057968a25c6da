/// What an operator says about TLS: memcached's options, checked by whoever makes a `TLSContext`.
package struct TLSSettings: Equatable, Sendable {
    package enum Version: Int, Sendable {
        // Those of memcached's numbers that are spoken. 0 and 1 are TLS 1.0 and 1.1.
        case tls12 = 2
        case tls13 = 3

        /// memcached's name.
        package var name: String { self == .tls12 ? "tlsv1.2" : "tlsv1.3" }
    }

    /// What is asked of a client's certificate; memcached's numbers.
    package enum Verification: Int, Sendable {
        case none = 0
        /// One that is sent must be good; none is good enough.
        case request = 1
        case require = 2
        /// As `require`: asking again would be a renegotiation, which there is none of.
        case requireOnce = 3

        package var needsAuthority: Bool { self != .none }

        /// OpenSSL's flags, which memcached shows.
        package var flags: Int {
            switch self {
            case .none: 0
            case .request: 1
            case .require: 3
            case .requireOnce: 7
            }
        }
    }

    package enum KeyFormat: Int, Sendable {
        case pem = 1
        case der = 2
    }

    /// PEM: the node's certificate, then that of its issuer, and so on; the root may be left out.
    package var chainFile: String
    /// Where it is nothing, the key is in `chainFile`.
    package var keyFile: String?
    package var keyFormat = KeyFormat.pem
    /// PEM: who signs clients' certificates. Lists of revoked ones may be in it, too.
    package var authorityFile: String?
    package var verification = Verification.none
    /// Whether the certificate is shown to servers, too.
    package var isForClientsToo = false
    package var minimumVersion = Version.tls13
    /// OpenSSL's list, names separated by colons. Those that begin with `TLS_` are of TLS 1.3.
    package var ciphers: String?
    /// Whether clients of TLS 1.2 without tickets can resume a session, too.
    package var cachesSessions = false
    /// Whether the kernel encrypts, where it can.
    package var usesKernel = false
    /// What goes into one record at most, `recordByteCountRange`.
    package var recordByteCount = Self.recordByteCountRange.upperBound

    /// A record holds 16 KiB.
    package static let recordByteCountRange = 1_024...16_384

    package init(chainFile: String) { self.chainFile = chainFile }
}

/// What is wrong with TLS, and where, in one line.
package struct TLSError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        // Files and certificates have a part in it, and it may be answered to a client.
        self.description = String(
            decoding: description.utf8.map { $0 < 32 || $0 == 127 ? UInt8(ascii: "?") : $0 },
            as: UTF8.self)
    }
}
