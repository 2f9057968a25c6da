import Glibc
import TestSupport
import Testing

/// How many clients and threads a node has.
@Suite(.timeLimit(.minutes(10)))
struct LimitTests {
    /// Connections that are served at the same time, of as many as are tried.
    private func admitted(_ node: RunningNode, tried: Int, at place: RunningNode.Place? = nil)
        throws
        -> Int
    {
        var peers: [SocketPeer] = []
        var count = 0
        for _ in 0..<tried {
            let peer = try SocketPeer(place ?? node.places[0])
            try peer.send("mn\r\n")
            if try peer.receive(until: "\r\n") == "MN\r\n" { count += 1 }
            peers.append(peer)
        }
        return count
    }

    struct Limits: Sendable {
        var clients: Int
        var threads: Int
        var preparation: String?
    }

    private static let limits = [
        Limits(clients: 10, threads: 1), Limits(clients: 40, threads: 64),
        Limits(clients: 40, threads: 64, preparation: "ulimit -Sn 30"),
        Limits(clients: 300, threads: 4, preparation: "ulimit -Sn 300"),
    ]

    @Test("-c counts clients, whatever the node needs itself", arguments: limits)
    func clients(limits: Limits) throws {
        let node = try RunningNode.sojournd(
            ["-c", "\(limits.clients)", "-t", "\(limits.threads)"],
            preparation: limits.preparation)
        #expect(try admitted(node, tried: limits.clients + 5) == limits.clients)
    }

    /// A node whose limit of open files nobody can raise, root included.
    private func limited(_ flags: [String], limit: Int) throws -> Program {
        let root = getuid() == 0 ? "setpriv --bounding-set=-sys_resource" : ""
        let command = "ulimit -n \(limit); exec \(root) \"$0\" \"$@\""
        return try Program(
            "/bin/sh", ["-c", command, try RunningNode.sojourndPath(), "-p", "-1"] + flags)
    }

    @Test(
        "A number of clients that cannot be had is refused where it was asked for, and said elsewhere"
    )
    func descriptorLimit() throws {
        let refused = try limited(["-c", "1000", "-t", "4"], limit: 300)
        #expect(try refused.waitForExit(seconds: 10) == .status(71))
        #expect(
            refused.errors
                == "1000 connections and 4 threads need 1064 descriptors, and the limit of open "
                + "files is 300; raise it ('ulimit -Hn'), or use -c 236 or less\n")
        let allowed = try limited(["-c", "236", "-t", "4"], limit: 300)
        try wait(for: "the node to serve") { allowed.errors.contains("listens on") }
        let usual = try limited(["-t", "4"], limit: 300)
        try wait(for: "the node to serve") { usual.errors.contains("listens on") }
        try usual.waitToSay("only 236 connections are admitted")
    }

    @Test(
        "Where others are served, a probe on this machine finds a place when there is none for them"
    )
    func localPlaces() throws {
        let only = try RunningNode.sojournd(["-c", "4"])
        #expect(try admitted(only, tried: 20) == 4)
        let node = try RunningNode.sojournd(["-c", "4", "-l", "0.0.0.0"])
        #expect(try admitted(node, tried: 20) == 4 + 8)
    }

    @Test(
        "Peers on other addresses do not get the places that are kept for this machine",
        .enabled(if: ownAddress != nil, "this machine has no address but the loopback's"))
    func otherPlaces() throws {
        let address = try #require(ownAddress)
        let node = try RunningNode.sojournd(["-c", "4", "-l", "0.0.0.0"])
        let place = RunningNode.Place.address(address, port: UInt16(try node.port))
        var peers: [SocketPeer] = []
        for number in 0..<6 {
            let peer = try SocketPeer(place)
            try peer.send("mn\r\n")
            let reply = try peer.receive(until: "\r\n")
            #expect(reply == (number < 4 ? "MN\r\n" : "ERROR Too many open connections\r\n"))
            peers.append(peer)
        }
        #expect(try node.connect().ask("mn") == "MN\r\n")
    }

    // MARK: Threads

    @Test(
        "-t is by default the number of processors in the affinity mask",
        .enabled(if: access("/usr/bin/taskset", X_OK) == 0, "taskset: Debian package util-linux"))
    func affinity() throws {
        let node = try RunningNode.sojournd(
            preparation: "taskset --pid 1 $$ > /dev/null")
        #expect(try node.counter("threads") == 1)
    }

    /// A control group that may be made and given a quota, of version 1 or 2.
    private static let quotaGroup: (directory: String, file: String, text: String)? = {
        for (root, file, text) in [
            ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "100000"),
            ("/sys/fs/cgroup", "cpu.max", "100000 100000"),
        ] {
            let directory = "\(root)/sojourn-test-\(getpid())"
            guard mkdir(directory, 0o755) == 0 else { continue }
            if access("\(directory)/\(file)", W_OK) == 0 { return (directory, file, text) }
            rmdir(directory)
        }
        return nil
    }()

    @Test(
        "-t is by default no more than the control group's quota is worth",
        .enabled(if: quotaGroup != nil, "no control group with a quota can be made here"))
    func quota() throws {
        let quota = try #require(Self.quotaGroup)
        defer { rmdir(quota.directory) }
        do {
            let node = try RunningNode.sojournd(
                preparation: "echo \(quota.text) > \(quota.directory)/\(quota.file); "
                    + "echo $$ > \(quota.directory)/cgroup.procs")
            #expect(try node.counter("threads") == 1)
        }
    }
}

/// This machine's first IPv4 address that is not the loopback's.
private let ownAddress: String? = {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return nil }
    defer { freeifaddrs(list) }
    var next = list
    while let interface = next?.pointee {
        next = interface.ifa_next
        guard let address = interface.ifa_addr, Int32(address.pointee.sa_family) == AF_INET else {
            continue
        }
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        getnameinfo(
            address, socklen_t(MemoryLayout<sockaddr_in>.size), &host, socklen_t(host.count), nil,
            0, NI_NUMERICHOST)
        let text = String(
            decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if !text.hasPrefix("127.") { return text }
    }
    return nil
}()
