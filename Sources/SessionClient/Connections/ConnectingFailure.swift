import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a node cannot be reached, or a connection broke, in words.
package struct ConnectingFailure: CustomStringConvertible {
    package let description: String

    /// - Parameter error: what NIO says.
    package init(_ error: any Error) {
        switch error {
        case let error as NIOConnectionError:
            description =
                error.connectionErrors.first.map { ConnectingFailure($0.error).description }
                ?? "no address is known for \(error.host)"
        case let error as IOError: description = String(cString: strerror(error.errnoCode))
        case ChannelError.connectTimeout(let time):
            description = "no connection within \(time.nanoseconds / 1_000_000) ms"
        default: description = NodeTLS.reason(error) ?? "\(error)"
        }
    }
}
