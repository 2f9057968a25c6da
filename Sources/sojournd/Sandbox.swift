import CSandbox
import CacheNode
import EventLoop
import Glibc

/// `-o sandbox`: what a node gives up for good once it serves, so that whoever gets into it gets no further. From
/// then on it opens no files but those that it reads again or removes, becomes no other program, and
/// reaches nobody but the members of its cluster and the predecessor: it answers those who have connected.
struct Sandbox {
    /// Each with the rights of Landlock that files in it have.
    private var folders: [String: UInt64] = [:]
    /// Of the members that it dials.
    private var ports: Set<UInt16> = []

    /// - Parameter settings: name the files that a node reads again, and those that it removes in the end.
    init(_ settings: Settings) {
        let node = settings.node
        for space in node.spaces {
            var read = [space.tls?.chainFile, space.tls?.keyFile, space.tls?.authorityFile]
            let tls = space.peers?.tls
            read += [tls?.chainFile, tls?.keyFile, tls?.authorityFile]
            read.append(space.authentication?.passwordFile)
            read.append(space.cluster?.path)
            for case let path? in read { allow(sandbox_reading(), for: path) }
            for case .unix(let path, _) in space.listening {
                allow(sandbox_removing(), for: path)
            }
            ports.formUnion(space.peers?.dialled.compactMap { UInt16(exactly: $0.port) } ?? [])
            ports.formUnion(
                space.predecessor?.servers.compactMap { UInt16(exactly: $0.port) } ?? [])
        }
        if let admin = node.admin {
            for case let path? in [
                admin.passwordFile, admin.chainFile, admin.keyFile, admin.authorityFile,
            ] { allow(sandbox_reading(), for: path) }
            if case .unix(let path) = admin.place { allow(sandbox_removing(), for: path) }
            ports.formUnion(admin.members.compactMap { UInt16(exactly: $0.port) })
        }
        if let path = settings.pidFile { allow(sandbox_removing(), for: path) }
        if let path = node.operatorSocket { allow(sandbox_removing(), for: path) }
    }

    /// A file's folder, as another file may take its place; and that of what it leads to, if it is a link.
    private mutating func allow(_ rights: UInt64, for path: String) {
        for path in [path, Self.target(of: path)] {
            folders[Self.folder(of: path), default: 0] |= rights
        }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func target(of path: String) -> String {
        guard let target = realpath(path, nil) else { return path }
        defer { free(target) }
        return String(cString: target)
    }

    /// Gives it all up. Returns in a line what that was: older kernels know less.
    func enter() throws(Refusal) -> String {
        let names = folders.keys.sorted()
        let paths = names.map { strdup($0).map { UnsafePointer($0) } }
        defer { for path in paths { free(UnsafeMutablePointer(mutating: path)) } }
        let rights = names.map { folders[$0, default: 0] }
        let ports = ports.sorted()
        let landlock = sandbox_restrict_files(
            paths, rights, Int32(paths.count), ports, Int32(ports.count))
        guard landlock >= 0 else { throw Self.refusal("Landlock", -landlock) }
        let seccomp = sandbox_refuse_calls(ports.isEmpty ? 0 : 1)
        guard seccomp >= 0 else { throw Self.refusal("seccomp", -seccomp) }
        var parts: [String] = []
        parts.append(
            landlock > 0
                ? "files are closed (Landlock \(landlock))"
                : "files are not, as this kernel has no Landlock")
        parts.append(
            seccomp > 0
                ? "no other programs, \(reach(landlock)) (seccomp)"
                : "other programs and connections are not refused, as this kernel has no seccomp")
        return parts.joined(separator: "; ")
    }

    /// Where the process may connect to. Landlock knows ports, and no addresses.
    private func reach(_ landlock: Int32) -> String {
        if ports.isEmpty { return "no connections to others" }
        guard landlock >= 4 else {
            return "no connections but by TCP, to anywhere, as this kernel's Landlock knows no "
                + "ports"
        }
        return "no connections but by TCP to port "
            + ports.sorted().map(String.init).joined(separator: ", ")
    }

    private static func refusal(_ what: String, _ number: Int32) -> Refusal {
        Refusal(
            "-o sandbox: \(what): \(Process.reason(number)); leave the option out to start without",
            status: Refusal.osError)
    }
}
