import Testing

@testable import MemcacheProtocol

@Suite(.timeLimit(.minutes(10)))
struct RepliesTests {
    private static let errors: [ErrorReply] = [
        .error, .badFormat, .badCommandLine, .badDataChunk, .invalidExptime, .invalidDelta,
        .notANumber, .flushNotAllowed, .shutdownNotEnabled, .invalidShutdownMode,
        .memlimitTooSmall, .memlimitTooLarge, .memlimitOutOfBounds, .statsDetailUsage,
        .statsDetailNotAllowed, .cachedumpNotAllowed, .illegalSlabID, .tooLarge, .outOfMemory,
        .tooManyConnections, .invalidFlag, .duplicateFlag, .invalidOrDuplicateFlag, .tooManyWords,
        .badToken, .opaqueTooLong, .undecodableKey, .invalidInitial, .invalidMetaDelta,
        .invalidStoreMode, .invalidArithmeticMode,
    ]

    @Test("Every error is one line that clients take for an error")
    func errorsAreLines() {
        let starts = ["ERROR", "CLIENT_ERROR ", "SERVER_ERROR", "MEMLIMIT_"]
        for error in Self.errors {
            let line = "\(error.line)"
            #expect(starts.contains { line.hasPrefix($0) }, "\(error)")
            #expect(line.hasSuffix("\r\n"))
            #expect(line.utf8.count(where: { $0 == 10 }) == 1)
        }
    }

    @Test("A reply is its word and CR LF")
    func replies() {
        let lines: [(Reply, String)] = [
            (.stored, "STORED"), (.notStored, "NOT_STORED"), (.exists, "EXISTS"),
            (.notFound, "NOT_FOUND"), (.deleted, "DELETED"), (.touched, "TOUCHED"), (.ok, "OK"),
            (.end, "END"), (.reset, "RESET"),
        ]
        for (reply, word) in lines { #expect("\(reply.line)" == word + "\r\n") }
    }
}
