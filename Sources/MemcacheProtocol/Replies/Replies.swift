/// Replies that are one fixed line.
///
/// Public for the reason that `ReplyWriter` is.
public enum Reply: Sendable {
    case stored, notStored, exists, notFound, deleted, touched, ok, end, reset

    /// The line with its end.
    @inlinable @inline(__always)
    public var line: StaticString {
        switch self {
        case .stored: "STORED\r\n"
        case .notStored: "NOT_STORED\r\n"
        case .exists: "EXISTS\r\n"
        case .notFound: "NOT_FOUND\r\n"
        case .deleted: "DELETED\r\n"
        case .touched: "TOUCHED\r\n"
        case .ok: "OK\r\n"
        case .end: "END\r\n"
        case .reset: "RESET\r\n"
        }
    }
}

/// Replies that tell of an error, word for word memcached's.
package enum ErrorReply: Equatable, Sendable {
    case error
    case badFormat
    case badCommandLine
    case badDataChunk
    case invalidExptime
    case invalidDelta
    case notANumber
    case flushNotAllowed
    case shutdownNotEnabled
    case invalidShutdownMode
    case memlimitTooSmall
    case memlimitTooLarge
    case memlimitOutOfBounds
    case statsDetailUsage
    case statsTopUsage
    case statsDetailNotAllowed
    case cachedumpNotAllowed
    case illegalSlabID
    case tooLarge
    case outOfMemory
    case outOfMemoryForReply
    case tooManyConnections
    case invalidFlag
    case duplicateFlag
    case invalidOrDuplicateFlag
    case tooManyWords
    case badToken
    case opaqueTooLong
    case undecodableKey
    case invalidInitial
    case invalidMetaDelta
    case invalidStoreMode
    case invalidArithmeticMode
    case unauthenticated
    case authenticationFailure
    case authTokenTooLong
    case badAuthToken
    case badAuthTermination
    case loginPutOff
    case noMajority

    package var line: StaticString {
        switch self {
        case .error: "ERROR\r\n"
        case .badFormat: "CLIENT_ERROR bad command line format\r\n"
        case .badCommandLine: "CLIENT_ERROR bad command line\r\n"
        case .badDataChunk: "CLIENT_ERROR bad data chunk\r\n"
        case .invalidExptime: "CLIENT_ERROR invalid exptime argument\r\n"
        case .invalidDelta: "CLIENT_ERROR invalid numeric delta argument\r\n"
        case .notANumber:
            "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
        case .flushNotAllowed: "CLIENT_ERROR flush_all not allowed\r\n"
        case .shutdownNotEnabled: "SERVER_ERROR: shutdown not enabled\r\n"
        case .invalidShutdownMode: "CLIENT_ERROR invalid shutdown mode\r\n"
        case .memlimitTooSmall:
            "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n"
        case .memlimitTooLarge:
            "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n"
        case .memlimitOutOfBounds:
            "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"
        case .statsDetailUsage: "CLIENT_ERROR usage: stats detail on|off|dump\r\n"
        case .statsTopUsage:
            "CLIENT_ERROR usage: stats top [reads|rewrites|unchanged_rewrites|size|growth|creators]\r\n"
        case .statsDetailNotAllowed: "CLIENT_ERROR stats detail not allowed\r\n"
        case .cachedumpNotAllowed: "CLIENT_ERROR stats cachedump not allowed\r\n"
        case .illegalSlabID: "CLIENT_ERROR Illegal slab id\r\n"
        case .tooLarge: "SERVER_ERROR object too large for cache\r\n"
        case .outOfMemory: "SERVER_ERROR out of memory storing object\r\n"
        case .outOfMemoryForReply: "SERVER_ERROR out of memory writing get response\r\n"
        case .tooManyConnections: "ERROR Too many open connections\r\n"
        case .invalidFlag: "CLIENT_ERROR invalid flag\r\n"
        case .duplicateFlag: "CLIENT_ERROR duplicate flag\r\n"
        case .invalidOrDuplicateFlag: "CLIENT_ERROR invalid or duplicate flag\r\n"
        case .tooManyWords: "CLIENT_ERROR options flags are too long\r\n"
        case .badToken: "CLIENT_ERROR bad token in command line format\r\n"
        case .opaqueTooLong: "CLIENT_ERROR opaque token too long\r\n"
        case .undecodableKey: "CLIENT_ERROR error decoding key\r\n"
        case .invalidInitial: "CLIENT_ERROR invalid numeric initial value\r\n"
        case .invalidMetaDelta: "CLIENT_ERROR invalid numeric delta value\r\n"
        case .invalidStoreMode: "CLIENT_ERROR invalid mode for ms M token\r\n"
        case .invalidArithmeticMode: "CLIENT_ERROR invalid mode for ma M token\r\n"
        case .unauthenticated: "CLIENT_ERROR unauthenticated\r\n"
        case .authenticationFailure: "CLIENT_ERROR authentication failure\r\n"
        case .authTokenTooLong: "CLIENT_ERROR auth token too long\r\n"
        case .badAuthToken: "CLIENT_ERROR bad authentication token format\r\n"
        case .loginPutOff: "SERVER_ERROR too many logins from this address have failed\r\n"
        case .noMajority:
            "SERVER_ERROR no majority of the members is reached: changes are refused\r\n"
        case .badAuthTermination: "CLIENT_ERROR bad command line termination\r\n"
        }
    }
}
