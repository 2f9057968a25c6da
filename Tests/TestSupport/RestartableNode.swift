import Glibc

/// A node that can be killed and started again at the same place. It has a loopback address of its own:
/// on the common one somebody else may take its port meanwhile.
package final class RestartableNode {
    package let host: String
    package let port: Int
    private let executable: String
    private let flags: [String]
    package private(set) var program: Program?

    /// - Parameter executable: `sojournd` or memcached.
    package init(_ executable: String, flags: [String] = []) throws {
        let bytes = (0..<3).map { _ in Int.random(in: 1...254) }
        host = "127.\(bytes[0]).\(bytes[1]).\(bytes[2])"
        port = .random(in: 20_000...60_000)
        self.executable = executable
        self.flags = flags
        try start()
    }

    /// Starts it, after `kill`, and waits until it takes connections.
    package func start() throws {
        let user = getuid() == 0 ? ["-u", "root"] : []
        let program = try Program(executable, user + ["-l", host, "-p", "\(port)"] + flags)
        self.program = program
        try wait(for: "\(executable) at \(host):\(port)") {
            guard !program.hasEnded else { throw Trouble("it does not start: \(program.errors)") }
            return (try? connect()) != nil
        }
    }

    package func connect() throws -> SocketPeer {
        try SocketPeer(.address(host, port: UInt16(port)))
    }

    package func kill() {
        program?.end()
        program = nil
    }
}
