import Glibc
import TestSupport

/// A real etcd of one member, on free loopback ports.
final class EtcdServer {
    let directory: TemporaryDirectory
    let port: Int
    private let peerPort: Int
    private let certificates: TestCertificates?
    private(set) var program: Program
    private var password: String?

    private static let path = "/usr/bin/etcd"

    /// - Parameter certificates: with them it speaks TLS, and asks clients for certificates.
    init(_ certificates: TestCertificates? = nil) throws {
        guard access(Self.path, X_OK) == 0 else {
            throw Trouble("\(Self.path) is missing: scripts/install test installs etcd-server")
        }
        directory = try TemporaryDirectory()
        let ports = try freePorts(2)
        (port, peerPort) = (ports[0], ports[1])
        self.certificates = certificates
        program = try Self.start(directory, ports, certificates)
        try waitUntilHealthy()
    }

    deinit {
        program.end()
        // What etcd keeps are folders in folders.
        _ = try? Program.run("/bin/rm", ["-rf", directory.path + "/data"])
    }

    private static func start(
        _ directory: TemporaryDirectory, _ ports: [Int], _ certificates: TestCertificates?
    ) throws -> Program {
        let scheme = certificates == nil ? "http" : "https"
        let clients = "\(scheme)://127.0.0.1:\(ports[0])"
        let peers = "http://127.0.0.1:\(ports[1])"
        var arguments = [
            "--name", "own", "--data-dir", directory.path + "/data",
            "--listen-client-urls", clients, "--advertise-client-urls", clients,
            "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
            "--initial-cluster", "own=\(peers)",
        ]
        if let certificates {
            arguments += [
                "--cert-file", certificates.path("node.pem"),
                "--key-file", certificates.path("node.key"), "--client-cert-auth",
                "--trusted-ca-file", certificates.path("ca.pem"),
            ]
        }
        return try Program(path, arguments)
    }

    var url: String { "\(certificates == nil ? "http" : "https")://127.0.0.1:\(port)" }

    /// As a crash does.
    func kill() { program.end() }

    /// With what it had.
    func restart() throws {
        program = try Self.start(directory, [port, peerPort], certificates)
        try waitUntilHealthy()
    }

    private func waitUntilHealthy() throws {
        try wait(for: "etcd to answer") {
            guard !program.hasEnded else { throw Trouble("etcd ends: \(program.errors)") }
            return try control(["endpoint", "health"]).exit == .status(0)
        }
    }

    /// Runs etcdctl: another client than the follower, which speaks another protocol with it.
    private func control(_ arguments: [String]) throws -> (
        exit: Program.Exit, output: String, errors: String
    ) {
        var access = ["--endpoints", url, "--command-timeout", "20s", "--dial-timeout", "20s"]
        if let certificates {
            access += [
                "--cacert", certificates.path("ca.pem"), "--cert", certificates.path("node.pem"),
                "--key", certificates.path("node.key"),
            ]
        }
        if let password { access += ["--user", "root:\(password)"] }
        return try Program.run(
            "/usr/bin/etcdctl", access + arguments, environment: ["ETCDCTL_API": "3"])
    }

    @discardableResult
    private func command(_ arguments: String...) throws -> String {
        let result = try control(arguments)
        guard result.exit == .status(0) else {
            throw Trouble("etcdctl \(arguments[0]): \(result.output) \(result.errors)")
        }
        return result.output
    }

    func put(_ value: String, at key: String) throws { try command("put", key, value) }

    func delete(_ key: String) throws { try command("del", key) }

    /// Forgets all but what there is now.
    func compact() throws {
        let answer = try command("get", "none", "-w", "json")
        let rest = answer.split(separator: "\"revision\":").last ?? ""
        try command("compact", String(rest.prefix { $0.isNumber }))
    }

    /// From now on users have to log in; `root` with this password.
    func enableUsers(password: String) throws {
        try command("user", "add", "root:\(password)")
        try command("user", "grant-role", "root", "root")
        try command("auth", "enable")
        self.password = password
    }
}
