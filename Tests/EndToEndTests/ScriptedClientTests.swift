import Glibc
import TestSupport
import Testing

/// Other people's clients that are libraries: a script in their language holds their commands against
/// a node, and ends with the number of its checks.
enum Script {
    private static let tests =
        "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/")
    private static let root =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// Runs `script` of this folder, and holds it to its last line.
    static func run(
        _ program: String, _ script: String, against addresses: String..., options: [String] = []
    ) throws {
        try run(program, script, arguments: addresses, options: options)
    }

    /// The same for a script that starts nodes itself.
    static func run(
        _ program: String, _ script: String, arguments: [String], options: [String] = []
    ) throws {
        let result = try Program.run(
            program, options + ["\(tests)/\(script)"] + arguments,
            environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
        #expect(result.output.hasSuffix(" checks passed\n"), "\(result.output)")
    }

    /// The interpreter that has the clients from PyPI.
    static func python() throws -> String {
        let path =
            getenv("SOJOURN_TEST_PYTHON").map { String(cString: $0) }
            ?? root + "/.build/venv/bin/python"
        guard access(path, X_OK) == 0 else {
            throw Trouble(
                "no Python with the clients at \(path): make it with `scripts/install test`, or "
                    + "set SOJOURN_TEST_PYTHON")
        }
        return path
    }

    /// Debian's, which has Debian's pylibmc.
    static func debianPython() throws -> String {
        let path = "/usr/bin/python3"
        guard access(path, X_OK) == 0 else { throw Trouble("\(path) is not installed") }
        return path
    }

    static func ruby() throws -> String {
        let path = "/usr/bin/ruby"
        guard access(path, X_OK) == 0 else {
            throw Trouble("\(path) is not installed (Debian package ruby-dalli brings it)")
        }
        return path
    }
}

/// pymemcache, a client in Python that speaks the classic commands.
@Suite(.timeLimit(.minutes(10)))
struct PymemcacheTests {
    @Test("pymemcache's commands work over TCP and over a Unix socket", arguments: [false, true])
    func checks(usesUnixSocket: Bool) throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let node = try RunningNode.sojournd(usesUnixSocket ? ["-s", path] : [])
        let address = usesUnixSocket ? path : "127.0.0.1:\(try node.port)"
        try Script.run(Script.python(), "pymemcache_checks.py", against: address)
    }
}

/// Clients in Python that speak the binary protocol.
@Suite(.timeLimit(.minutes(10)))
struct BinaryPythonTests {
    @Test(
        "python-binary-memcached's commands work over TCP and over a Unix socket",
        arguments: [false, true])
    func pure(usesUnixSocket: Bool) throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let node = try RunningNode.sojournd(usesUnixSocket ? ["-s", path] : [])
        let address = usesUnixSocket ? path : "127.0.0.1:\(try node.port)"
        try Script.run(Script.python(), "bmemcached_checks.py", against: address)
    }

    @Test("pylibmc's commands work in the binary protocol, on one node and on three")
    func libmemcached() throws {
        let nodes = try (0..<3).map { _ in try RunningNode.sojournd() }
        let addresses = try nodes.map { "127.0.0.1:\(try $0.port)" }
        for count in [1, 3] {
            try Script.run(
                Script.debianPython(), "pylibmc_binary_checks.py",
                arguments: Array(addresses.prefix(count)))
        }
    }
}

/// meta-memcache, a client in Python that speaks the meta commands only.
@Suite(.timeLimit(.minutes(10)))
struct MetaMemcacheTests {
    @Test("meta-memcache's commands work, its leases and its stale values too")
    func checks() throws {
        let node = try RunningNode.sojournd()
        try Script.run(
            Script.python(), "metamemcache_checks.py", against: "127.0.0.1:\(try node.port)")
    }
}

/// Dalli, Rails' client, in Ruby. Debian packages 3.0.6, which speaks the binary protocol only. From 3.2
/// on Dalli speaks the meta commands, too, and from 5.0 on nothing else; the test takes the one whose
/// `lib` folder SOJOURN_TEST_DALLI names.
@Suite(.timeLimit(.minutes(10)))
struct DalliTests {
    private func library() -> [String] {
        getenv("SOJOURN_TEST_DALLI").map { ["-I", String(cString: $0)] } ?? []
    }

    @Test("Dalli's commands work, in each protocol that it speaks")
    func checks() throws {
        let node = try RunningNode.sojournd()
        try Script.run(
            Script.ruby(), "dalli_checks.rb", against: "127.0.0.1:\(try node.port)",
            options: library())
    }

    @Test(
        "Who visits a shop of Rack or Rails logs in, fills a cart, logs out, and is forgotten",
        arguments: ["rack", "rails"])
    func frameworks(name: String) throws {
        let nodes = try (0..<2).map { _ in try RunningNode.sojournd() }
        try Script.run(
            Script.ruby(), "rack_checks.rb",
            arguments: [name] + nodes.map { "127.0.0.1:\(try $0.port)" })
    }
}

/// spymemcached, a client in Java. The tests do not install it, as a Java is 190 MB: with Debian's
/// libspymemcached-java and default-jdk-headless they take it.
@Suite(.timeLimit(.minutes(10)))
struct SpymemcachedTests {
    private static let java = "/usr/bin/java"
    private static let library = "/usr/share/java/spymemcached.jar"

    @Test(
        "spymemcached's commands work in the binary protocol and in the text one",
        .enabled(
            if: access(java, X_OK) == 0 && access(library, R_OK) == 0,
            "Debian packages libspymemcached-java and default-jdk-headless"))
    func checks() throws {
        let nodes = try (0..<2).map { _ in try RunningNode.sojournd() }
        try Script.run(
            Self.java, "SpymemcachedChecks.java",
            arguments: nodes.map { "127.0.0.1:\(try $0.port)" }, options: ["-cp", Self.library])
    }
}
