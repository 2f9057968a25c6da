/// A connected socket's bytes, in clear text or under TLS.
package enum Transport: ~Copyable {
    case clear(Stream)
    case secured(TLSStream)

    /// The socket below: who is at its other end, and what the kernel knows of it.
    package var socket: Stream {
        _read {
            switch self {
            case .clear(let stream): yield stream
            case .secured(let stream): yield stream.socket
            }
        }
    }

    package var isSecured: Bool {
        switch self {
        case .clear: false
        case .secured: true
        }
    }

    /// Goes on with the handshake as far as the peer has. In clear text there is none.
    package func shakeHands() -> TLSStream.Step {
        switch self {
        case .clear: .done
        case .secured(let stream): stream.shakeHands()
        }
    }

    /// Whether a TLS session is gone on with that began on an earlier connection.
    package var isResumed: Bool {
        switch self {
        case .clear: false
        case .secured(let stream): stream.isResumed
        }
    }

    /// Whether the peer has shown a certificate that is good. In clear text nobody shows any.
    package var hasVerifiedPeer: Bool {
        switch self {
        case .clear: false
        case .secured(let stream): stream.hasVerifiedPeer
        }
    }

    /// Whether a read may find something though the socket is not readable.
    @inline(__always)
    package var hasPending: Bool {
        switch self {
        case .clear: false
        case .secured(let stream): stream.hasPending
        }
    }

    /// Whether a read or write that would block waits for something else than in clear text.
    package func isCrossed(_ usual: Readiness) -> Bool {
        switch self {
        case .clear: false
        case .secured(let stream): stream.awaited != usual
        }
    }

    /// Whether the end that a read met came without the peer's saying so. In clear text there is nothing
    /// that it could say.
    package var wasCutOff: Bool {
        switch self {
        case .clear: false
        case .secured(let stream): stream.wasCutOff
        }
    }

    @inline(__always)
    package func read(into target: UnsafeMutableRawBufferPointer) -> Stream.Transfer {
        switch self {
        case .clear(let stream): stream.read(into: target)
        case .secured(let stream): stream.read(into: target)
        }
    }

    /// Fills `first`, then `second`.
    package func read(
        into first: UnsafeMutableRawBufferPointer, then second: UnsafeMutableRawBufferPointer
    ) -> Stream.Transfer {
        switch self {
        case .clear(let stream): stream.read(into: first, then: second)
        case .secured(let stream): stream.read(into: first, then: second)
        }
    }

    @inline(__always)
    package func write(_ bytes: UnsafeRawBufferPointer) -> Stream.Transfer {
        switch self {
        case .clear(let stream): stream.write(bytes)
        case .secured(let stream): stream.write(bytes)
        }
    }

    /// - Parameter scratch: where small pieces become one record of TLS.
    package func write(
        _ pieces: [UnsafeRawBufferPointer], scratch: RecordScratch
    ) -> Stream.Transfer {
        switch self {
        case .clear(let stream): stream.write(pieces)
        case .secured(let stream): stream.write(pieces, scratch: scratch)
        }
    }
}
