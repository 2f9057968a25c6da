import Glibc
import TestSupport

/// `sojournd --config FILE`: a node of several spaces, whose file can be written anew.
final class SpacesNode {
    let directory: TemporaryDirectory
    /// Free ones, for `PORT0` to `PORT9` of the file.
    let ports: [Int]
    let path: String
    private(set) var program: Program

    /// - Parameters:
    ///   - text: of the file. DIR stands for the node's own directory.
    ///   - flags: typed beside it.
    init(_ text: String, _ flags: [String] = []) throws {
        directory = try TemporaryDirectory()
        ports = try freePorts(6)
        path = directory.path + "/node.yaml"
        let written = Self.fill(text, ports, directory.path)
        _ = try directory.write(written, to: "node.yaml")
        program = try Self.start(path, flags)
        try wait(for: "the node") {
            if program.hasEnded { throw Trouble("no node: \(program.errors)") }
            return program.errors.contains("listens on")
        }
    }

    private static func start(_ path: String, _ flags: [String]) throws -> Program {
        let user = getuid() == 0 ? ["-u", "root"] : []
        return try Program(
            try RunningNode.sojourndPath(), user + ["--config", path, "-v"] + flags)
    }

    private static func fill(_ text: String, _ ports: [Int], _ directory: String) -> String {
        var text = text.replacing("DIR", with: directory)
        for (number, port) in ports.enumerated() {
            text = text.replacing("PORT\(number)", with: String(port))
        }
        return text
    }

    /// Has it read another file by SIGHUP, and waits until it has.
    func change(to text: String) throws {
        _ = try directory.write(Self.fill(text, ports, directory.path), to: "node.yaml")
        let before = count(of: "the configuration ")
        program.send(SIGHUP)
        try wait(for: "the file to be read") { count(of: "the configuration ") > before }
    }

    private func count(of text: String) -> Int { program.errors.split(separator: text).count }

    /// Kills it and starts it again with the same file.
    func killAndStart() throws {
        program.send(SIGKILL)
        _ = try program.waitForExit()
        program = try Self.start(path, [])
        try wait(for: "the node") { program.errors.contains("listens on") }
    }

    func connect(_ place: Int) throws -> SocketPeer {
        try SocketPeer(.tcp(port: UInt16(ports[place])))
    }

    /// What `stats` says of one name there.
    func counter(_ name: String, _ place: Int, page: String = "") throws -> Int? {
        let page = try connect(place).ask("stats \(page)", until: "END\r\n")
        let line = page.split(separator: "\r\n").first { $0.hasPrefix("STAT \(name) ") }
        return line.flatMap { Int($0.split(separator: " ")[2]) }
    }
}
