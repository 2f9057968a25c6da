/// Why nobody can be found in a value.
package enum ValueTrouble: Int, Error, CaseIterable, Sendable {
    /// It is in another form than the rule says.
    case otherForm
    case compressed
    case encrypted
    /// It ends before it is over.
    case cutOff
    /// It begins as the rule says, and does not go on like that.
    case malformed
    case tooDeep
    /// More is remembered of earlier parts of it than there is room for.
    case tooLong
    /// What is at the place is no text and no number.
    case noUser
    /// What is at the place refers to another part of it.
    case reference
    case userTooLong
    /// Too much memory is held by others for so large a value to be looked at.
    case noMemory

    /// As a word of a result.
    package var name: String {
        switch self {
        case .otherForm: "other_form"
        case .compressed: "compressed"
        case .encrypted: "encrypted"
        case .cutOff: "cut_off"
        case .malformed: "malformed"
        case .tooDeep: "too_deep"
        case .tooLong: "too_long"
        case .noUser: "no_user"
        case .reference: "reference"
        case .userTooLong: "user_too_long"
        case .noMemory: "no_memory"
        }
    }

    /// For an operator.
    package var sentence: String {
        switch self {
        case .otherForm: "in another form than the rule says"
        case .compressed: "compressed by the client"
        case .encrypted: "encrypted by the client"
        case .cutOff: "cut off"
        case .malformed: "damaged, or in another form than the rule says"
        case .tooDeep: "nested too deeply"
        case .tooLong: "of too many parts"
        case .noUser: "with something at that place that is no text and no number"
        case .reference: "with a reference at that place"
        case .userTooLong: "with a user of more than \(UserFinder.userByteCountMax) bytes"
        case .noMemory: "too large for the memory that is free"
        }
    }
}
