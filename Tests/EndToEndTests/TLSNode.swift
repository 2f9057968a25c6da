import Glibc
import TestSupport

/// A node that speaks TLS at one port, and clear text at another for its counters.
final class TLSNode {
    let certificates: TestCertificates
    let node: RunningNode

    /// - Parameters:
    ///   - options: of `-o`, beside certificate and key.
    ///   - places: `-l`, behind the one of clear text.
    ///   - preparation: what the shell does to the process before it becomes the node.
    init(
        _ certificates: TestCertificates, options: String = "", places: [String] = ["127.0.0.1"],
        flags: [String] = [], preparation: String? = nil
    ) throws {
        self.certificates = certificates
        let addresses = (["notls:127.0.0.1"] + places).joined(separator: ",")
        node = try RunningNode.sojournd(
            certificates.flags("node", options) + ["-l", addresses] + flags,
            preparation: preparation)
    }

    /// A client of the listener at `place`, which believes in `ca`.
    func connect(
        to place: Int = 0, shakesHands: Bool = true,
        _ change: (inout TLSPeer.Options) -> Void = { _ in }
    ) throws -> TLSPeer {
        var options = TLSPeer.Options()
        options.authority = certificates.path("ca.pem")
        change(&options)
        return try TLSPeer(node.places[1 + place], options, shakesHands: shakesHands)
    }

    /// A client that sends what it likes.
    func connectBare() throws -> SocketPeer { try SocketPeer(node.places[1]) }

    func counter(_ name: String) throws -> Int {
        guard let count = try node.counter(name) else { throw Trouble("no counter \(name)") }
        return count
    }

    /// Waits until a counter is what it should be.
    func expect(_ name: String, _ count: Int) throws {
        try wait(for: "\(name) to be \(count)", seconds: 20) { try counter(name) == count }
    }
}
