internal import COpenSSL
import Glibc

/// A connected socket's bytes under TLS: a handshake, then non-blocking reads and writes as a `Stream`
/// has them. Owns the socket. Says goodbye (close-notify) when it goes.
///
/// Costs: an SSL object of OpenSSL's. Its buffers are there while there is something in them.
///
/// A socket that is not readable does not mean that there is nothing to read: see `hasPending`.
package struct TLSStream: ~Copyable {
    package let socket: Stream
    private let session: OpaquePointer
    private let recordByteCount: Int

    /// - Parameter recordByteCount: what goes into one record at most.
    init(_ socket: consuming Stream, session: OpaquePointer, recordByteCount: Int) {
        self.socket = socket
        self.session = session
        self.recordByteCount = recordByteCount
    }

    // The socket closes behind this.
    deinit {
        // Not waited for: a peer that does not take it has gone. Refused after an error.
        SSL_shutdown(session)
        ERR_clear_error()
        SSL_free(session)
    }

    // MARK: The handshake

    package enum Step: Equatable {
        case done
        /// Goes on when the socket is ready for this.
        case waits(Readiness)
        case failed(reason: String)
    }

    /// Goes on with the handshake as far as the peer has.
    package func shakeHands() -> Step {
        let result = SSL_do_handshake(session)
        if result == 1 { return .done }
        switch SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ: return .waits(.readable)
        case SSL_ERROR_WANT_WRITE: return .waits(.writable)
        case SSL_ERROR_ZERO_RETURN: return .failed(reason: "the peer has gone")
        case SSL_ERROR_SYSCALL where ERR_peek_error() == 0:
            return .failed(reason: String(cString: strerror(errno)))
        default: return .failed(reason: failure())
        }
    }

    private func failure() -> String {
        let verified = SSL_get_verify_result(session)
        let reason = TLSFailure.take()
        guard verified != X509_V_OK else { return reason }
        return "\(reason): \(String(cString: X509_verify_cert_error_string(verified)))"
    }

    /// Whether an earlier session was gone on with.
    package var isResumed: Bool { SSL_session_reused(session) == 1 }
    /// Whether the peer has shown a certificate, here or when a session began that is gone on with, and it
    /// is good.
    package var hasVerifiedPeer: Bool {
        SSL_get0_peer_certificate(session) != nil && SSL_get_verify_result(session) == X509_V_OK
    }
    /// Such as `TLSv1.3` and `TLS_AES_128_GCM_SHA256`.
    package var version: String { String(cString: SSL_get_version(session)) }
    package var cipher: String {
        SSL_CIPHER_get_name(SSL_get_current_cipher(session)).map { String(cString: $0) } ?? "none"
    }

    // MARK: Reading

    /// Whether a read may find something though the socket is not readable: bytes, or that the peer has
    /// ended its side.
    package var hasPending: Bool {
        SSL_has_pending(session) == 1 || SSL_get_shutdown(session) & SSL_RECEIVED_SHUTDOWN != 0
    }

    /// Takes what has arrived, of all records that are there in full.
    package func read(into target: UnsafeMutableRawBufferPointer) -> Stream.Transfer {
        var count = 0
        while count < target.count {
            let room = Int32(clamping: target.count - count)
            let result = SSL_read(session, target.baseAddress.unsafelyUnwrapped + count, room)
            guard result > 0 else {
                let ending = ending(result)
                // What has come first. The rest will be met again: `hasPending`.
                return count > 0 ? .bytes(count) : ending
            }
            count += Int(result)
            if SSL_has_pending(session) == 0 { break }
        }
        return count > 0 ? .bytes(count) : .wouldBlock
    }

    /// Fills `first`, then `second`.
    package func read(
        into first: UnsafeMutableRawBufferPointer, then second: UnsafeMutableRawBufferPointer
    ) -> Stream.Transfer {
        let result = read(into: first)
        guard result == .bytes(first.count), hasPending, !second.isEmpty,
            case .bytes(let more) = read(into: second)
        else { return result }
        return .bytes(first.count + more)
    }

    // MARK: Endings

    /// What stands in the way of a read or write that would block, which may be the other: a read may
    /// have to send something first.
    package var awaited: Readiness { SSL_want(session) == SSL_WRITING ? .writable : .readable }

    /// Whether the peer's end came without its saying so: it was cut off, or does not care.
    package var wasCutOff: Bool { tls_has_met_end(session) != 0 }

    /// What a result that is not above 0 stands for. A protocol that is not kept to is EPROTO.
    @inline(never)
    private func ending(_ result: Int32) -> Stream.Transfer {
        switch SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .wouldBlock
        case SSL_ERROR_ZERO_RETURN: return .ended
        case SSL_ERROR_SYSCALL where ERR_peek_error() == 0: return .failed(errno: errno)
        default:
            ERR_clear_error()
            return .failed(errno: EPROTO)
        }
    }

    // MARK: Writing

    /// Writes as much as the socket takes, in records of at most `recordByteCount` bytes.
    ///
    /// What it does not take has to come first the next time: a record of it may be under way.
    package func write(_ bytes: UnsafeRawBufferPointer) -> Stream.Transfer {
        var count = 0
        while count < bytes.count {
            let record = UnsafeRawBufferPointer(
                rebasing: bytes[count..<min(bytes.count, count + recordByteCount)])
            switch write(record: record) {
            case .bytes(let written): count += written
            case let ending: return count > 0 ? .bytes(count) : ending
            }
        }
        return .bytes(count)
    }

    /// The same for several pieces. Small ones are gathered in `scratch`, as many as fill a record; of
    /// what is larger than that, records are made where it lies.
    package func write(
        _ pieces: [UnsafeRawBufferPointer], scratch: RecordScratch
    ) -> Stream.Transfer {
        var remainder = Remainder(pieces)
        var count = 0
        while !remainder.isEmpty {
            switch write(record: remainder.nextRecord(scratch, atMost: recordByteCount)) {
            case .bytes(let written):
                count += written
                remainder.drop(written)
            case let ending: return count > 0 ? .bytes(count) : ending
            }
        }
        return .bytes(count)
    }

    private func write(record: UnsafeRawBufferPointer) -> Stream.Transfer {
        let result = SSL_write(session, record.baseAddress, Int32(clamping: record.count))
        return result > 0 ? .bytes(Int(result)) : ending(result)
    }
}

/// Where the small pieces of a reply become one record. One for each thread.
package final class RecordScratch {
    fileprivate let bytes: UnsafeMutableRawBufferPointer

    /// Of a record's size at most.
    package init(byteCount: Int = TLSSettings.recordByteCountRange.upperBound) {
        bytes = .allocate(byteCount: byteCount, alignment: 16)
    }

    deinit { bytes.deallocate() }

    package var byteCount: Int { bytes.count }
}

/// What of several pieces was not written yet.
private struct Remainder {
    private let pieces: [UnsafeRawBufferPointer]
    private var place = 0
    private var offset = 0

    init(_ pieces: [UnsafeRawBufferPointer]) {
        self.pieces = pieces
        drop(0)
    }

    var isEmpty: Bool { place == pieces.count }

    mutating func drop(_ count: Int) {
        offset += count
        while place < pieces.count, offset >= pieces[place].count {
            offset -= pieces[place].count
            place += 1
        }
    }

    /// The front, as long as `scratch` is, or all of it. Valid until `scratch` is used again.
    func nextRecord(
        _ scratch: RecordScratch, atMost byteCount: Int
    ) -> UnsafeRawBufferPointer {
        let room = UnsafeMutableRawBufferPointer(rebasing: scratch.bytes.prefix(byteCount))
        let front = pieces[place][offset...]
        if front.count >= room.count || place == pieces.count - 1 {
            return UnsafeRawBufferPointer(rebasing: front.prefix(room.count))
        }
        var count = 0
        var (place, offset) = (place, offset)
        while count < room.count, place < pieces.count {
            let part = pieces[place][offset...].prefix(room.count - count)
            UnsafeMutableRawBufferPointer(rebasing: room[count...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: part))
            count += part.count
            place += 1
            offset = 0
        }
        return UnsafeRawBufferPointer(rebasing: room[..<count])
    }
}
