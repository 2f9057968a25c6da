import Glibc
import TestSupport
import Testing

/// A command line that is refused: the exit status and the line on stderr.
struct Refused: Sendable, CustomTestStringConvertible {
    var flags: String
    var status: Int32
    var line: String
    /// Where the text is not memcached's: why. A wrong command line always has the status 64; of
    /// memcached's some have 1.
    var differs: String?

    init(_ flags: String, _ status: Int32, _ line: String, differs: String? = nil) {
        self.flags = flags
        self.status = status
        self.line = line
        self.differs = differs
    }

    var testDescription: String { flags }

    /// `''` stands for an empty argument.
    var arguments: [String] {
        flags.split(separator: " ").map { $0 == "''" ? "" : String($0) }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct CommandLineTests {
    private static let itemSizeTooSmall = "Item max size cannot be less than 1024 bytes."
    private static let udp =
        "UDP is not supported (-U 11211): it has been abused for amplification attacks, and no "
        + "session client needs it; use -U 0 or leave it out"

    private static let manyKeys = (0..<17).map { "lock\($0)." }.joined(separator: ",lock_keys=")

    private static let refused: [Refused] = [
        Refused("-c 0", 64, "Maximum connections must be greater than 0"),
        Refused("-c -1", 64, "Maximum connections must be greater than 0"),
        Refused("-c abc", 64, "Maximum connections must be greater than 0"),
        Refused("-t 0", 64, "Number of threads must be greater than 0"),
        Refused("-t abc", 64, "Number of threads must be greater than 0"),
        Refused("-t -1", 64, "Number of threads must be greater than 0"),
        Refused(
            "-B http", 64,
            "Invalid value for binding protocol: http -- should be one of auto, binary, or ascii"),
        Refused(
            "-l nonsense.invalid", 71,
            "failed to listen on one of interface(s) nonsense.invalid: Name or service not known"),
        Refused("-I 10", 64, itemSizeTooSmall),
        Refused("-I 1000", 64, itemSizeTooSmall),
        Refused("-I 1023", 64, itemSizeTooSmall),
        Refused(
            "-I 2048m", 64, "Item max size cannot be more than 129m.",
            differs: "memcached allows a gigabyte"),
        Refused(
            "-I 135266305 -m 1024", 64, "Item max size cannot be more than 129m.",
            differs: "memcached allows a gigabyte"),
        Refused(
            "-I 2g", 64, "Item max size must be a number of bytes, or one with k or m, not \"2g\"",
            differs: "memcached reads 2"),
        Refused(
            "-m 0", 64,
            "Cannot set item size limit higher than 1/2 of memory max. (-I 1048576 needs -m 2 or more)"
        ),
        Refused(
            "-m 1", 64,
            "Cannot set item size limit higher than 1/2 of memory max. (-I 1048576 needs -m 2 or more)"
        ),
        Refused(
            "-m 8 -I 5m", 64,
            "Cannot set item size limit higher than 1/2 of memory max. (-I 5242880 needs -m 10 or more)"
        ),
        Refused(
            "-m abc", 64,
            "Memory limit must be a number of megabytes up to 1048576, not \"abc\"",
            differs: "memcached reads 0"),
        Refused("-p 99999", 64, "ERROR: Invalid port number 99999."),
        Refused("-p abc", 64, "ERROR: Invalid port number abc.", differs: "memcached reads 0"),
        Refused(
            "-p 0", 64, "Nothing to listen on: -p 0 turns TCP off, and there is no -s",
            differs: "memcached starts, and nobody can reach it"),
        Refused("-l 127.0.0.1:99999", 64, "ERROR: Invalid port number 99999."),
        Refused("-U 11211", 64, udp, differs: "memcached speaks UDP"),
        Refused("-o bogus", 64, "Illegal suboption \"bogus\""),
        Refused("-o bogus=3,idle_timeout=4", 64, "Illegal suboption \"bogus=3\""),
        Refused("-o idle_timeout", 64, "Missing numeric argument for idle_timeout"),
        Refused(
            "-o idle_timeout=x", 64, "idle_timeout must be a number of seconds, not \"x\"",
            differs: "memcached has another text"),
        Refused(
            "-o lock_keys", 64, "lock_keys must be a PREFIX of keys or a *SUFFIX, not \"\"",
            differs: "memcached has no such option"),
        Refused(
            "-o lock_keys=", 64, "lock_keys must be a PREFIX of keys or a *SUFFIX, not \"\"",
            differs: "memcached has no such option"),
        Refused(
            "-o lock_keys=*", 64, "lock_keys must be a PREFIX of keys or a *SUFFIX, not \"*\"",
            differs: "memcached has no such option"),
        Refused(
            "-o lock_keys=lock.*", 64,
            "lock_keys must be a PREFIX of keys or a *SUFFIX, not \"lock.*\"",
            differs: "memcached has no such option"),
        Refused(
            "-o lock_keys=lock.,lock_keys=*.lock,lock_keys=lock.", 64,
            "lock_keys=lock. is given twice", differs: "memcached has no such option"),
        Refused(
            "-o lock_keys=lock.,lock_wait=abc", 64, "lock_wait must be 1 to 60000, not \"abc\"",
            differs: "memcached has no such option"),
        Refused(
            "-o lock_keys=lock.,lock_wait=0", 64, "lock_wait must be 1 to 60000, not \"0\"",
            differs: "memcached has no such option"),
        Refused(
            "-o lock_keys=lock.,lock_wait=60001", 64,
            "lock_wait must be 1 to 60000, not \"60001\"",
            differs: "memcached has no such option"),
        Refused(
            "-o lock_keys=lock.,lock_waiters", 64, "Missing numeric argument for lock_waiters",
            differs: "memcached has no such option"),
        Refused(
            "-o lock_keys=lock.,lock_waiters_all=0", 64,
            "lock_waiters_all must be 1 to 1000000, not \"0\"",
            differs: "memcached has no such option"),
        Refused(
            "-o lock_wait=500", 64, "lock_wait has no meaning without lock_keys",
            differs: "memcached has no such option"),
        Refused(
            "-o lock_keys=\(manyKeys)", 64, "lock_keys can be given 16 times at most",
            differs: "memcached has no such option"),
        Refused(
            "-o idle", 64, "idle needs a time, as 1800, 30m, 8h or 2d",
            differs: "memcached has no such option"),
        Refused(
            "-o idle=soon", 64,
            "idle must be 0 to 315360000 seconds, or a number with s, m, h or d behind it, "
                + "not \"soon\"", differs: "memcached has no such option"),
        Refused(
            "-o absolute=3651d", 64,
            "absolute must be 0 to 315360000 seconds, or a number with s, m, h or d behind it, "
                + "not \"3651d\"", differs: "memcached has no such option"),
        Refused(
            "-o exptime_max=-1", 64,
            "exptime_max must be 0 to 315360000 seconds, or a number with s, m, h or d behind it, "
                + "not \"-1\"", differs: "memcached has no such option"),
        Refused(
            "-o idle=31m,absolute=30m", 64,
            "absolute must not be less than idle: nothing would live to be idle",
            differs: "memcached has no such option"),
        Refused(
            "-o exptime_max=1799,idle=30m", 64,
            "idle must not be more than exptime_max: it would govern nothing",
            differs: "memcached has no such option"),
        Refused(
            "-o exptime_default=2h,exptime_max=1h", 64,
            "exptime_default must not be more than exptime_max",
            differs: "memcached has no such option"),
        Refused(
            "-o fence=3601", 64,
            "fence must be 0 to 3600 seconds, or a number with s, m, h or d behind it, "
                + "not \"3601\"", differs: "memcached has no such option"),
        Refused(
            "-o fence=1m,fence_keys=", 64,
            "fence_keys must be a PREFIX of keys or a *SUFFIX, not \"\"",
            differs: "memcached has no such option"),
        Refused(
            "-o fence=1m,fence_keys=s:,fence_keys=s:", 64, "fence_keys=s: is given twice",
            differs: "memcached has no such option"),
        Refused(
            "-o fence_keys=session:", 64, "fence_keys has no meaning without fence",
            differs: "memcached has no such option"),
        Refused(
            "-o top_sample=1000001", 64, "top_sample must be 0 to 1000000, not \"1000001\"",
            differs: "memcached has no such option"),
        Refused(
            "-o id_key_file", 64,
            "id_key_file needs the path of a file with 32 digits from 0 to f",
            differs: "memcached has no such option"),
        Refused(
            "-o id_key_file=/none", 64,
            "id_key_file: cannot read the key of IDs /none: No such file or directory",
            differs: "memcached has no such option"),
        Refused("-R 0", 64, "Number of requests per event must be greater than 0"),
        Refused("-f 1", 64, "Factor must be greater than 1"),
        Refused("-f abc", 64, "Factor must be greater than 1"),
        Refused("-n 0", 64, "Chunk size must be greater than 0"),
        Refused(
            "-q", 64, "sojournd: Unknown option '-q' (see --help)",
            differs: "memcached has two lines"),
        Refused(
            "-Q", 64, "sojournd: Unknown option '-Q' (see --help)",
            differs: "memcached has two lines"),
        Refused(
            "--bogus", 64, "sojournd: Unknown option '--bogus' (see --help)",
            differs: "memcached has two lines"),
        Refused(
            "-c", 64, "sojournd: Missing value for '-c' (see --help)",
            differs: "memcached has two lines"),
        Refused(
            "extra", 64, "sojournd: Unexpected argument 'extra' (see --help)",
            differs: "memcached ignores it"),
        Refused(
            "extra args", 64, "sojournd: 2 unexpected arguments: 'extra', 'args' (see --help)",
            differs: "memcached ignores them"),
        Refused(
            "-D ''", 64, "-D needs one character", differs: "memcached has another text and status"),
        Refused("-D ab", 64, "-D needs one character", differs: "memcached takes a longer one"),
        Refused(
            "-b abc", 64, "Listen backlog must be a number, not \"abc\"",
            differs: "memcached reads 0"),
        Refused(
            "-s /nonexistent/dir/sock", 71,
            "failed to listen on /nonexistent/dir/sock: bind(): No such file or directory",
            differs: "memcached has two lines"),
        Refused("-s ''", 64, "-s needs a path", differs: "memcached starts"),
        Refused(
            "-s /nonexistent/sock -a abc", 64,
            "Access mask must be octal, at most 777, not \"abc\"", differs: "memcached reads 0"),
        Refused(
            "-s /etc/passwd", 71, "failed to listen on /etc/passwd: bind(): Address already in use",
            differs: "memcached has two lines"),
        Refused(
            "-t 257", 64, "Number of threads cannot be more than 256",
            differs: "memcached only warns"),
    ]

    @Test(
        "A wrong flag ends the start with one line on stderr, and status 64 if the command line is wrong",
        arguments: refused)
    func refusal(_ wanted: Refused) throws {
        // Should it start after all, then where it harms nobody.
        let port = wanted.flags.hasPrefix("-p") ? [] : ["-p", "-1"]
        // Root is warned in a line of its own unless it says who it is.
        let user = getuid() == 0 ? ["-u", "root"] : []
        let result = try Program.run(
            RunningNode.sojourndPath(), user + port + wanted.arguments, seconds: 10)
        #expect(result.exit == .status(wanted.status))
        #expect(result.errors == wanted.line + "\n")
        #expect(result.output == "")
    }

    @Test("A user who is not there is told, by root", .enabled(if: getuid() == 0, "needs root"))
    func unknownUser() throws {
        let result = try Program.run(
            RunningNode.sojourndPath(), ["-p", "-1", "-u", "nosuchuser"], seconds: 10)
        #expect(result.exit == .status(67))
        #expect(result.errors == "can't find the user nosuchuser to switch to\n")
    }

    @Test("A port that another node has is refused")
    func takenPort() throws {
        let node = try RunningNode.sojournd()
        let port = try node.port
        let result = try Program.run(
            RunningNode.sojourndPath(), ["-p", "\(port)"], seconds: 10)
        #expect(result.exit == .status(71))
        #expect(result.errors.contains("failed to listen on tcp:127.0.0.1:\(port)"))
        #expect(result.errors.contains("Address already in use"))
    }

    @Test("The version and the help go to stdout, and are no failure")
    func versionAndHelp() throws {
        for flag in ["-V", "--version"] {
            let result = try Program.run(RunningNode.sojourndPath(), [flag], seconds: 10)
            #expect(result.exit == .status(0))
            #expect(result.output.hasPrefix("sojournd "))
            #expect(result.errors == "")
        }
        for flag in ["-h", "--help"] {
            let result = try Program.run(RunningNode.sojourndPath(), [flag], seconds: 10)
            #expect(result.exit == .status(0))
            #expect(result.output.contains("--memory-limit"))
            #expect(result.errors == "")
        }
    }

    @Test("The node, its statistics and the tool say the same version")
    func oneVersion() throws {
        let tool = try Program.run(
            RunningNode.builtProgram("sojourn"), ["--version"], seconds: 10)
        #expect(tool.exit == .status(0))
        let version = try #require(tool.output.split(whereSeparator: { $0.isWhitespace }).last)
        #expect(tool.output == "sojourn \(version)\n")
        let node = try Program.run(RunningNode.sojourndPath(), ["--version"], seconds: 10)
        #expect(node.output.hasPrefix("sojournd \(version) "))
        let running = try RunningNode.sojournd()
        let statistics = try running.connect().ask("stats", until: "END\r\n")
        running.program.end()
        #expect(statistics.contains("STAT sojourn_version \(version)\r\n"))
    }

    @Test(
        "Flags without a meaning here are taken",
        arguments: [
            "-L", "-f 1.25", "-n 48", "-o hashpower=20,lru_crawler,no_lru_maintainer,slab_reassign",
            "-o modern", "-U 0", "-b 0", "-k -m 64", "-c 5", "-R 1", "-t 1", "-vv",
            "-C -F -X -M -A",
        ])
    func accepted(flags: String) throws {
        let arguments = flags.split(separator: " ").map(String.init)
        let node = try RunningNode.sojournd(arguments)
        #expect(try node.connect().ask("version").hasPrefix("VERSION "))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ProcessTests {
    @Test(
        "SIGTERM and SIGINT end the node with status 0, and stdout stays silent",
        arguments: [
            SIGTERM, SIGINT, SIGUSR1,
        ])
    func signals(signal: Int32) throws {
        let node = try RunningNode.sojournd(["-v"])
        let peer = try node.connect()
        #expect(try peer.ask("version").hasPrefix("VERSION "))
        node.program.send(signal)
        #expect(try node.program.waitForExit() == .status(0))
        #expect(try peer.receiveUntilEnd() == "")
        #expect(node.program.output == "")
        #expect(!node.program.errors.isEmpty)
    }

    @Test("SIGHUP does not end the node")
    func hangUp() throws {
        let node = try RunningNode.sojournd()
        node.program.send(SIGHUP)
        #expect(try node.connect().ask("version").hasPrefix("VERSION "))
        try wait(for: "the note on SIGHUP") { node.program.errors.contains("SIGHUP") }
        #expect(!node.program.hasEnded)
    }

    @Test(
        "shutdown ends the node with status 0, gracefully or not",
        arguments: [
            "shutdown", "shutdown graceful",
        ])
    func shutdown(command: String) throws {
        let node = try RunningNode.sojournd(["-A"])
        let other = try node.connect()
        #expect(try other.ask("version").hasPrefix("VERSION "))
        let peer = try node.connect()
        try peer.send(command + "\r\n")
        #expect(try peer.receiveUntilEnd() == "")
        #expect(try other.receiveUntilEnd() == "")
        #expect(try node.program.waitForExit() == .status(0))
        #expect(node.program.output == "")
        let isTold = node.program.errors.contains("Gracefully stopping")
        #expect(isTold == (command == "shutdown graceful"))
    }

    @Test("-P writes the process ID, which goes with the node")
    func pidFile() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/pid"
        let node = try RunningNode.sojournd(["-P", path])
        try wait(for: "the pid file") { access(path, F_OK) == 0 }
        #expect(contents(of: path) == "\(node.program.processID)\n")
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
        #expect(access(path, F_OK) != 0)
    }

    @Test("-P to a place that is not there is an error in the log, not the end")
    func badPidFile() throws {
        let node = try RunningNode.sojournd(["-P", "/nonexistent/pid"])
        #expect(try node.connect().ask("version").hasPrefix("VERSION "))
        try wait(for: "the error") {
            node.program.errors.contains("Could not open /nonexistent/pid.tmp")
        }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ListeningTests {
    @Test("The port file names every TCP place, in order")
    func portFile() throws {
        let node = try RunningNode.sojournd(["-l", "127.0.0.1", "-l", "::1,127.0.0.2"])
        try #require(node.places.count == 3)
        guard case .tcp = node.places[0], case .tcp6 = node.places[1], case .tcp = node.places[2]
        else {
            Issue.record("\(node.places)")
            return
        }
        #expect(try SocketPeer(node.places[0]).ask("version").hasPrefix("VERSION "))
        #expect(try SocketPeer(node.places[1]).ask("version").hasPrefix("VERSION "))
        let file = contents(of: node.directory.path + "/ports") ?? ""
        #expect(
            file.split(separator: "\n").map { $0.split(separator: ":")[0] }
                == ["TCP INET", "TCP INET6", "TCP INET"])
    }

    @Test("Without -l only the loopback address is listened on")
    func loopback() throws {
        let node = try RunningNode.sojournd()
        #expect(node.places.count == 1)
        let listing = try node.connect().ask("stats conns", until: "END\r\n")
        #expect(listing.contains(":addr tcp:127.0.0.1:\(try node.port)\r\n"))
    }

    @Test("-l * listens on every address of both families")
    func everyAddress() throws {
        let node = try RunningNode.sojournd(["-l", "*"])
        #expect(node.places.count >= 1)
        for place in node.places {
            #expect(try SocketPeer(place).ask("version").hasPrefix("VERSION "))
        }
    }

    @Test("-l with a port of its own listens there")
    func ownPort() throws {
        // A port that was free a moment ago; somebody else may be faster.
        for attempt in 1...5 {
            let port = try RunningNode.sojournd().port
            do {
                let node = try RunningNode.sojournd(["-l", "127.0.0.1:\(port)"])
                #expect(try node.port == port)
                #expect(try node.connect().ask("version").hasPrefix("VERSION "))
                return
            } catch  where attempt < 5 {}
        }
    }

    @Test("IPv6 is served, and its addresses are shown in brackets")
    func ipv6() throws {
        let node = try RunningNode.sojournd(["-l", "[::1]"])
        let peer = try node.connect()
        let listing = try peer.ask("stats conns", until: "END\r\n")
        #expect(listing.contains(":addr tcp6:[::1]:\(try node.port)\r\n"))
    }

    @Test("-s serves a Unix socket with the mask of -a, and no TCP")
    func unixSocket() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        for (mask, mode) in [("700", UInt32(0o700)), ("666", 0o666)] {
            let node = try RunningNode.sojournd(["-s", path, "-a", mask])
            #expect(node.places == [.unix(path: path)])
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == mode)
            let peer = try node.connect()
            #expect(try peer.ask("set k 0 0 1\r\nx") == "STORED\r\n")
            let settings = try peer.ask("stats settings", until: "END\r\n")
            #expect(settings.contains("STAT domain_socket \(path)\r\n"))
            let listing = try peer.ask("stats conns", until: "END\r\n")
            #expect(listing.contains(":addr unix:\(path)\r\n"))
            node.program.send(SIGTERM)
            #expect(try node.program.waitForExit() == .status(0))
            #expect(access(path, F_OK) != 0)
        }
    }
}
