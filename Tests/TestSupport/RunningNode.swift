import Glibc

/// A node as a process of its own: `sojournd`, or memcached as the oracle.
package final class RunningNode {
    package let program: Program
    package let directory: TemporaryDirectory
    /// Where it listens.
    package private(set) var places: [Place] = []

    package enum Place: Equatable {
        case tcp(port: UInt16)
        case tcp6(port: UInt16)
        case unix(path: String)
        /// An IPv4 address in dotted form.
        case address(String, port: UInt16)
    }

    /// The node that was built with the tests, or another one of the same sources, such as one with a
    /// sanitizer.
    package static func sojourndPath() throws -> String {
        if let other = getenv("SOJOURN_NODE") { return String(cString: other) }
        return try builtProgram("sojournd")
    }

    /// An executable that was built with the tests: it lies next to them.
    package static func builtProgram(_ name: String) throws -> String {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &path, path.count)
        let own = String(
            decoding: path.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for candidate in [own, CommandLine.arguments[0]] {
            guard let slash = candidate.lastIndex(of: "/") else { continue }
            let path = candidate[..<slash] + "/\(name)"
            if access(String(path), X_OK) == 0 { return String(path) }
        }
        throw Trouble("there is no \(name) next to \(own)")
    }

    package static let memcachedPath = "/usr/bin/memcached"

    /// Starts `sojournd` on a free loopback port, or as `flags` say.
    ///
    /// - Parameter preparation: what the shell does to the process before it becomes the node.
    package static func sojournd(
        _ flags: [String] = [], preparation: String? = nil
    ) throws -> RunningNode {
        try RunningNode(
            executable: sojourndPath(), flags: ["-p", "-1"] + flags, preparation: preparation)
    }

    package static func memcached(_ flags: [String]) throws -> RunningNode {
        guard access(memcachedPath, X_OK) == 0 else {
            throw Trouble(
                "\(memcachedPath) is not installed (Debian package memcached): "
                    + "without it there is no oracle to compare with")
        }
        let user = getuid() == 0 ? ["-u", "root"] : []
        return try RunningNode(
            executable: memcachedPath, flags: user + ["-l", "127.0.0.1", "-p", "-1"] + flags,
            writesPortFile: false)
    }

    /// - Parameter writesPortFile: not wanted of memcached, whose descriptors it puts in another
    ///   order.
    private init(
        executable: String, flags: [String], preparation: String? = nil,
        writesPortFile: Bool = true
    ) throws {
        directory = try TemporaryDirectory()
        let portFile = directory.path + "/ports"
        let environment = writesPortFile ? ["MEMCACHED_PORT_FILENAME": portFile] : [:]
        if let preparation {
            program = try Program.prepared(
                preparation, executable, flags, environment: environment)
        } else {
            program = try Program(executable, flags, environment: environment)
        }
        try wait(for: "the ports of \(executable)") {
            if program.hasEnded {
                throw Trouble("\(executable) \(flags) does not start: \(program.errors)")
            }
            if writesPortFile { return access(portFile, F_OK) == 0 }
            places = Self.listeningPorts(of: program.processID).map { .tcp(port: $0) }
            return !places.isEmpty
        }
        for line in (contents(of: portFile) ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "TCP", let port = UInt16(words[2]) else { continue }
            places.append(words[1] == "INET6:" ? .tcp6(port: port) : .tcp(port: port))
        }
        if let flag = flags.firstIndex(of: "-s") { places.append(.unix(path: flags[flag + 1])) }
    }

    /// The TCP ports on which a process listens, as the kernel shows them.
    private static func listeningPorts(of processID: pid_t) -> [UInt16] {
        var inodes: Set<Substring> = []
        for descriptor in 3..<256 {
            var link = [CChar](repeating: 0, count: 64)
            let count = readlink("/proc/\(processID)/fd/\(descriptor)", &link, link.count)
            let target = String(
                decoding: link.prefix(max(0, count)).map { UInt8(bitPattern: $0) },
                as: UTF8.self)
            if target.hasPrefix("socket:[") { inodes.insert(target.dropFirst(8).dropLast()) }
        }
        return (contents(of: "/proc/net/tcp") ?? "").split(separator: "\n").compactMap { line in
            // Number, local address, peer, state (0A listens), ..., inode as the tenth.
            let words = line.split(separator: " ")
            guard words.count > 9, words[3] == "0A", inodes.contains(words[9]) else { return nil }
            return words[1].split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
        }
    }

    package func connect() throws -> SocketPeer {
        guard let place = places.first else { throw Trouble("it listens nowhere") }
        return try SocketPeer(place)
    }

    /// The port of the first place.
    package var port: Int {
        get throws {
            switch places.first {
            case .tcp(let port), .tcp6(let port): Int(port)
            default: throw Trouble("it does not listen on TCP")
            }
        }
    }

    /// What `stats` says of one name.
    package func counter(_ name: String) throws -> Int? {
        let peer = try connect()
        let lines = try peer.ask("stats", until: "END\r\n").split(separator: "\r\n")
        let line = lines.first { $0.hasPrefix("STAT \(name) ") }
        return line.flatMap { Int($0.split(separator: " ")[2]) }
    }
}
