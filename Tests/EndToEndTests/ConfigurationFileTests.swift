import Glibc
import TestSupport
import Testing

/// `sojournd --config FILE --check-config`: what is right, and what is wrong where.
@Suite(.timeLimit(.minutes(10)))
struct ConfigurationFileTests {
    private func check(
        _ text: String, _ flags: [String] = ["--check-config"]
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        let directory = try TemporaryDirectory()
        let path = try directory.write(text, to: "node.yaml")
        let result = try Program.run(
            try RunningNode.sojourndPath(), ["--config", path] + flags, seconds: 10)
        return (
            result.exit, result.output.replacing(path, with: "FILE"),
            result.errors.replacing(path, with: "FILE")
        )
    }

    @Test("A file that is right is summed up, and nothing is started")
    func right() throws {
        let result = try check(
            """
            threads: 2
            memory_limit: 200
            conn_limit: 3000
            spaces:
            - name: sessions
              unix_socket: /run/sessions.sock
              memory_limit: 128
              memory_file: /dev/shm/none
              lock_keys: [memc.sess.lock., "*.lock"]
            - {name: cache, listen: "*", conn_limit: 1976, track_sizes: true, no_lru_crawler: false}
            """)
        #expect(result.exit == .status(0))
        #expect(
            result.output == """
                FILE is right: 2 spaces, 192 MB
                  sessions: 128 MB, file /dev/shm/none, 1024 connections, on /run/sessions.sock
                  cache: 64 MB, no memory file, 1976 connections, on *:11211

                """)
        #expect(access("/dev/shm/none", F_OK) != 0)
    }

    @Test("The documentation's example is right")
    func example() throws {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let result = try check(try #require(contents(of: root + "/cluster/spaces.yaml")))
        #expect(result.exit == .status(0))
        #expect(result.output.hasPrefix("FILE is right: 2 spaces, 1536 MB\n"))
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        var text: String
        var line: String
        var testDescription: String { line }
    }

    private static let wrong = [
        Wrong(text: "", line: "FILE:1: expected a node's configuration, not an empty file"),
        Wrong(text: "threads: 2", line: "FILE:1: spaces: expected a list of at least one space"),
        Wrong(text: "spaces: []", line: "FILE:1: spaces: expected a list of at least one space"),
        Wrong(
            text: "spaces:\n- port: 1",
            line: "FILE:2: spaces[0].name: missing; a space is known by its name"),
        Wrong(
            text: "spaces: [{name: a b, port: 1}]",
            line: "FILE:1: spaces[0].name: expected a name of at most 32 letters, digits, _ and -, "
                + "not 'a b'"),
        Wrong(
            text: "spaces:\n- {name: a, port: 1}\n- {name: a, port: 2}",
            line: "FILE:3: spaces[1]: there is a space a already; names must differ"),
        Wrong(
            text: "spaces:\n- {name: a, port: 11211}\n- {name: b, listen: \"*\"}",
            line:
                "FILE:3: spaces[1]: listens on *:11211, and space a listens on 127.0.0.1:11211 already"
        ),
        Wrong(
            text: "spaces:\n- {name: a, unix_socket: /x}\n- {name: b, unix_socket: /x}",
            line: "FILE:3: spaces[1]: listens on /x, and space a listens on /x already"),
        Wrong(
            text:
                "spaces:\n- {name: a, port: 1, memory_file: /x}\n- {name: b, port: 2, memory_file: /x}",
            line: "FILE:3: spaces[1]: memory_file /x is that of space a already"),
        Wrong(
            text: "spaces: [{name: a}]",
            line: "FILE:1: spaces[0]: listens nowhere; it needs listen, port or unix_socket"),
        Wrong(
            text: "memory_limit: 100\nspaces:\n- {name: a, port: 1}\n- {name: b, port: 2}",
            line: "FILE:1: memory_limit: is 100, and that of the spaces comes to 128"),
        Wrong(
            text: "conn_limit: 1025\nspaces: [{name: a, port: 1, conn_limit: 1026}]",
            line: "FILE:1: conn_limit: is 1025, and that of the spaces comes to 1026"),
        Wrong(
            text: "spaces:\n- name: a\n  port: 1\n  memory_limit: much",
            line:
                "FILE:4: spaces[0].memory_limit: Memory limit must be a number of megabytes up to "
                + "1048576, not \"much\""),
        Wrong(
            text: "spaces:\n- name: a\n  port: 1\n  probation: x",
            line: "FILE:4: spaces[0].probation: probation must be 0 to 100, not \"x\""),
        Wrong(
            text: "spaces:\n- name: a\n  port: 1\n  memory_limt: 5",
            line: "FILE:4: spaces[0].memory_limt: unknown; expected a flag's word (listen, port, "),
        Wrong(
            text: "spaces:\n- name: a\n  port: 1\n  threads: 5",
            line: "FILE:4: spaces[0].threads: is the node's: write it at the beginning of a line"),
        Wrong(
            text: "max_item_size: 5\nspaces: [{name: a, port: 1}]",
            line: "FILE:1: max_item_size: is a space's: write it behind its name, in spaces"),
        Wrong(
            text: "colour: 5\nspaces: [{name: a, port: 1}]",
            line: "FILE:1: colour: unknown; the node's words are threads, "),
        Wrong(
            text: "spaces: [{name: a, port: 1, disable_cas: 1}]",
            line: "FILE:1: spaces[0].disable_cas: expected true or false, not '1'"),
        Wrong(
            text: "spaces: [{name: a, port: 1, auth_file: /none}]",
            line:
                "FILE: space a: -Y: cannot read the password file /none: No such file or directory"
        ),
        Wrong(
            text: "spaces:\n- {name: a, port: 1\n- b",
            line: "FILE:4: not YAML: "),
    ]

    @Test("What is wrong is told with its line, its word and what was expected", arguments: wrong)
    func refusals(_ wrong: Wrong) throws {
        let result = try check(wrong.text)
        #expect(result.exit == .status(64))
        #expect(result.errors.hasPrefix(wrong.line), "\(result.errors)")
        #expect(result.errors.split(separator: "\n").count == 1)
        #expect(result.output.isEmpty)
    }

    @Test("Of flags only those of the process go with a file, and they win")
    func flags() throws {
        let text = "spaces: [{name: a, port: 1}]"
        for (flags, name) in [
            (["-m", "5"], "-m"), (["-l", "127.0.0.1"], "-l"),
            (["-o", "probation=5"], "-o probation"),
            (["--cluster", "x"], "--cluster"),
        ] {
            let result = try check(text, ["--check-config"] + flags)
            #expect(result.exit == .status(64))
            #expect(
                result.errors
                    == "\(name) does not go with --config: say it in a space of FILE, in its word\n"
            )
        }
        #expect(
            try check(text, ["--check-config", "-t", "3", "-o", "idle_timeout=5"]).exit
                == .status(0))
        let node = try SpacesNode(
            "threads: 3\nspaces: [{name: a, listen: \"127.0.0.1:PORT0\"}]", ["-t", "1"])
        #expect(try node.counter("threads", 0) == 1)
        let alone = try Program.run(try RunningNode.sojourndPath(), ["--check-config"], seconds: 10)
        #expect(alone.exit == .status(64))
        #expect(alone.errors == "--check-config needs --config FILE, which is to be checked\n")
    }

    @Test("64 spaces are read, and one more is one too many")
    func many() throws {
        func text(_ count: Int) -> String {
            "spaces:\n"
                + (0..<count).map { "- {name: s\($0), port: \($0 + 1)}" }.joined(separator: "\n")
        }
        #expect(try check(text(64)).exit == .status(0))
        #expect(
            try check(text(65)).errors == "FILE:2: spaces: a node has at most 64 spaces, not 65\n")
    }
}
