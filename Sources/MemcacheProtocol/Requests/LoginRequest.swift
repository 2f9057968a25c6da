/// How a client says who it is, before anything else on a connection: a `set` whose data block is a user's
/// name and password. A node that knows users (`-Y`) looks at nothing else of it, and answers STORED, or a
/// CLIENT_ERROR.
///
/// A node that knows none takes it for an item. Its exptime is in the past, so that nobody can read it.
package enum LoginRequest {
    /// A name or a password has 1 byte to so many.
    package static let wordByteCountMax = 250

    /// - Parameters:
    ///   - user: without spaces, as the password, which begins behind the first one.
    package static func bytes(user: String, password: String) -> [UInt8] {
        let block = "\(user) \(password)"
        return Array("set auth 0 -1 \(block.utf8.count)\r\n\(block)\r\n".utf8)
    }

    /// What a node answers to everything else until then.
    package static let needed = "CLIENT_ERROR unauthenticated"
}
