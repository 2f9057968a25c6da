import Glibc
import TestSupport

/// A node whose peers have to log in: the user `app` with the password `secret`.
final class AuthenticatedNode {
    let directory: TemporaryDirectory
    let passwordFile: String
    let node: RunningNode

    init(_ flags: [String] = [], passwords: String = "app:secret\n") throws {
        directory = try TemporaryDirectory()
        passwordFile = try directory.write(passwords, to: "passwords")
        chmod(passwordFile, 0o600)
        node = try RunningNode.sojournd(["-Y", passwordFile] + flags)
    }

    /// A peer that has not said anything.
    func connect() throws -> SocketPeer { try node.connect() }

    func logIn(_ token: String = "app secret") throws -> SocketPeer {
        let peer = try connect()
        let reply = try peer.ask("set auth 0 0 \(token.utf8.count)\r\n\(token)")
        guard reply == "STORED\r\n" else { throw Trouble("\(token) is answered by \(reply)") }
        return peer
    }

    func counter(_ name: String) throws -> Int? {
        let page = try logIn().ask("stats", until: "END\r\n").split(separator: "\r\n")
        let line = page.first { $0.hasPrefix("STAT \(name) ") }
        return line.flatMap { Int($0.split(separator: " ")[2]) }
    }

    /// Other passwords, which the node reads when it is told to.
    func change(_ passwords: String) throws {
        _ = try directory.write(passwords, to: "passwords")
        node.program.send(SIGHUP)
    }
}
