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
        _ program: String, _ script: String, against address: String, options: [String] = []
    ) throws {
        let result = try Program.run(program, options + ["\(tests)/\(script)", address])
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

/// Dalli, Rails' client, in Ruby. Debian packages 3.0.6, which speaks the binary protocol only: of that
/// the test shows that it is told at once. From 3.2 on Dalli speaks the meta commands; the test takes
/// the one whose `lib` folder SOJOURN_TEST_DALLI names.
@Suite(.timeLimit(.minutes(10)))
struct DalliTests {
    @Test("Dalli's commands work, or it is refused at once if it knows no meta commands")
    func checks() throws {
        let library = getenv("SOJOURN_TEST_DALLI").map { String(cString: $0) }
        let node = try RunningNode.sojournd()
        try Script.run(
            Script.ruby(), "dalli_checks.rb", against: "127.0.0.1:\(try node.port)",
            options: library.map { ["-I", $0] } ?? [])
        // Whatever it was told, others are served.
        #expect(try node.connect().ask("mn") == "MN\r\n")
    }
}
