/// What is wrong with bytes that a peer has sent. The link is of no use any more: nobody knows where the next
/// frame begins.
package enum FrameError: Error, Equatable, Sendable {
    /// More is announced than is taken.
    case tooLong(announced: Int, byteCountMax: Int)
    /// Of a version to come, or no frame at all.
    case unknownType(UInt8)
    /// A field has a value that it cannot have.
    case badField(String, of: String, came: UInt64, expected: String)
    /// Less has come than the lengths in it add up to.
    case endsEarly(String, needed: Int, left: Int)
    /// More has come than the lengths in it add up to.
    case goesOn(String, left: Int)
}

extension FrameError: CustomStringConvertible {
    /// One line: what was expected, and what came.
    package var description: String {
        switch self {
        case .tooLong(let announced, let max):
            "at most \(max) bytes were expected after a frame's header, \(announced) were announced"
        case .unknownType(let type):
            "a known type of frame was expected, \(type) came"
        case .badField(let field, let subject, let came, let expected):
            "\(subject): \(expected) was expected as its \(field), \(came) came"
        case .endsEarly(let subject, let needed, let left):
            "\(subject): \(needed) more bytes were expected, \(left) came"
        case .goesOn(let subject, let left):
            "\(subject): its end was expected, \(left) more bytes came"
        }
    }
}
