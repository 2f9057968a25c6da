/// What comes of bytes that came while a link is made.
package struct GreetingStep: Equatable, Sendable {
    package enum Progress: Equatable, Sendable {
        /// For more bytes.
        case waits
        /// The other side is who it says it is, and the link has this version. What is left over is the link's.
        case done(Greeting, WireVersion, leftover: [UInt8])
        /// To be hung up, once everything was sent.
        case failed(GreetingFailure)
    }

    /// What is to be sent, whatever the progress is.
    package var answer: [UInt8]
    package var progress: Progress

    package init(answer: [UInt8] = [], progress: Progress = .waits) {
        self.answer = answer
        self.progress = progress
    }
}
