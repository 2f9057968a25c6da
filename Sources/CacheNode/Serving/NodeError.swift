import EventLoop
import Glibc
import SessionMap

/// Why a node cannot start, in one line for its operator.
package struct NodeError: Error, Equatable, CustomStringConvertible {
    package private(set) var message: String
    package var description: String { message }
    /// The memory file is what stands in the way, and another one would do.
    var isFileUnusable = false
    /// The machine stopped while a node used it: nobody's fault, and never a reason not to start.
    var isFileInterrupted = false
    /// It is no longer where it was just now.
    var isFileGone = false
    /// The file system has no room for what is asked of it.
    var isNoRoom = false

    init(message: String) { self.message = message }

    /// A file that the command line names is wrong, and would be the next time.
    package internal(set) var isMisconfigured = false

    init(_ error: TLSError) {
        message = "TLS: \(error)"
        isMisconfigured = true
    }

    init(_ error: AuthenticationError) {
        message = "-Y: \(error)"
        isMisconfigured = true
    }

    /// The same, where there are several, with the space's name.
    func of(_ space: SpaceConfiguration) -> NodeError {
        guard space.isNamed else { return self }
        var error = self
        error.message = "space \(space.name): \(message)"
        return error
    }

    /// Not a failure: somebody asked the node to stop before it listened.
    package static let stopped = NodeError(message: "stopped before it listened")

    init(_ error: SocketError) {
        switch error {
        case .unresolvable(let name, let reason):
            message = "failed to listen on one of interface(s) \(name): \(reason)"
        case .failed(let call, let address, let number):
            message = "failed to listen on \(address): \(call)(): \(Self.reason(number))"
        case .pathTooLong(let path):
            message = "failed to listen on \(path): a Unix socket's path has at most 107 bytes"
        }
    }

    init(_ error: MapError) {
        switch error {
        case .cannotMap(let byteCount, let number):
            message =
                "cannot map \(byteCount >> 20) MB for items: \(Self.reason(number)); lower -m"
        case .cannotLock(let byteCount, let number):
            message =
                "cannot lock \(byteCount >> 20) MB of memory: \(Self.reason(number)); "
                + "raise 'ulimit -l' or leave -k out"
        case .damaged(let region):
            message =
                "the memory file is damaged (\(region.reason)), which no death of a node explains; "
                + "remove it to start without its items, or give -o damaged_file=aside"
            isFileUnusable = true
        }
    }

    private static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }
}
