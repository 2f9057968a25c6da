package import Glibc

/// Certificates for one test, made by the `openssl` command: an authority `ca`, and whatever is asked for.
/// A certificate NAME is in NAME.pem, its key in NAME.key.
package final class TestCertificates {
    private let directory: TemporaryDirectory
    /// In Unix time: they are good then, however long it takes to make them.
    package let goodSeconds = time(nil) + 3_600

    /// Makes `ca` and a server's `node`.
    package init() throws {
        directory = try TemporaryDirectory()
        try makeAuthority("ca")
        try make("node")
    }

    package func path(_ name: String) -> String { "\(directory.path)/\(name)" }

    /// The path of a file with these contents.
    package func write(_ text: String, to name: String, mode: mode_t = 0o600) throws -> String {
        let path = try directory.write(text, to: name)
        chmod(path, mode)
        return path
    }

    package func text(_ name: String) throws -> String {
        guard let text = contents(of: path(name)) else { throw Trouble("there is no \(name)") }
        return text
    }

    /// What a node needs to speak TLS with `node`, or another certificate.
    package func flags(_ name: String = "node", _ options: String = "") -> [String] {
        [
            "-Z", "-o",
            "ssl_chain_cert=\(path(name + ".pem")),ssl_key=\(path(name + ".key"))"
                + (options.isEmpty ? "" : "," + options),
        ]
    }

    private static let newKey = [
        "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    ]

    /// Makes an authority that has signed itself, or that another one has signed.
    package func makeAuthority(_ name: String, signedBy issuer: String? = nil) throws {
        guard let issuer else {
            return try run(
                ["req", "-x509"] + Self.newKey + [
                    "-keyout", path(name + ".key"), "-out", path(name + ".pem"), "-days", "2",
                    "-subj", "/CN=\(name)",
                ])
        }
        try make(name, signedBy: issuer, extensions: "basicConstraints=critical,CA:TRUE")
    }

    /// - Parameters:
    ///   - days: that it is good for; -1 has expired a day ago.
    ///   - places: names and addresses that it is for.
    ///   - extensions: `extendedKeyUsage` and the like.
    package func make(
        _ name: String, signedBy issuer: String = "ca", days: Int = 2,
        places: String = "DNS:localhost,IP:127.0.0.1",
        extensions: String = "extendedKeyUsage=serverAuth,clientAuth"
    ) throws {
        let request = path(name + ".csr")
        try run(
            ["req"] + Self.newKey + [
                "-keyout", path(name + ".key"), "-out", request, "-subj", "/CN=\(name)",
            ])
        let file = try write(
            "subjectAltName=\(places)\n\(extensions)\n", to: name + ".ext")
        try run([
            "x509", "-req", "-in", request, "-CA", path(issuer + ".pem"),
            "-CAkey", path(issuer + ".key"), "-set_serial", "\(Int.random(in: 1...Int.max))",
            "-days", "\(days)", "-extfile", file, "-out", path(name + ".pem"),
        ])
    }

    /// One that is good from tomorrow on.
    package func makeEarly(_ name: String) throws {
        try make(name)
        let configuration = try write(
            """
            [ca]
            default_ca=own
            [own]
            database=\(path("index"))
            serial=\(path("serial"))
            new_certs_dir=\(directory.path)
            default_md=sha256
            policy=any
            [any]
            commonName=supplied

            """, to: "ca.cnf")
        _ = try write("", to: "index")
        _ = try write("1000", to: "serial")
        try run([
            "ca", "-batch", "-notext", "-config", configuration, "-in", path(name + ".csr"),
            "-cert", path("ca.pem"), "-keyfile", path("ca.key"), "-out", path(name + ".pem"),
            "-startdate", Self.text(daysAhead: 1), "-enddate", Self.text(daysAhead: 300),
        ])
    }

    private static func text(daysAhead days: Int) -> String {
        var time = time(nil) + days * 86_400
        var parts = tm()
        gmtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y%m%d%H%M%SZ", &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A list of revoked certificates of `ca`, with this one in it.
    package func revocations(of name: String) throws -> String {
        try makeEarly("unused")
        let configuration = path("ca.cnf")
        let authority = ["-cert", path("ca.pem"), "-keyfile", path("ca.key")]
        try run(
            ["ca", "-config", configuration, "-revoke", path(name + ".pem")] + authority)
        try run(
            [
                "ca", "-config", configuration, "-gencrl", "-crldays", "2",
                "-out", path("revoked.pem"),
            ] + authority)
        return try text("revoked.pem")
    }

    package func run(_ arguments: [String]) throws {
        let result = try Program.run("/usr/bin/openssl", arguments)
        guard result.exit == .status(0) else {
            throw Trouble("openssl \(arguments[0]): \(result.errors)")
        }
    }
}
