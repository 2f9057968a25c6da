internal import COpenSSL
import Glibc

/// OpenSSL's queue of errors, one per thread. Whoever had one empties it: `SSL_get_error` looks at it.
enum TLSFailure {
    /// The first that was put in the queue, which is nearest to the cause; empties it.
    static func take() -> String {
        let code = ERR_get_error()
        ERR_clear_error()
        return text(code)
    }

    static func text(_ code: UInt) -> String {
        guard code != 0 else { return "no reason given" }
        // Errors of the system have the highest bit, and errno in the rest.
        if code & 0x8000_0000 != 0 { return String(cString: strerror(Int32(code & 0x7fff_ffff))) }
        guard let reason = ERR_reason_error_string(code) else { return "error \(code)" }
        return String(cString: reason)
    }
}
