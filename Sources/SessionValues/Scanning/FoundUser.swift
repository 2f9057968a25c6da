/// What has come of a field so far. A later one of the same name takes its place, as in the language that will
/// read the value.
struct FoundUser {
    /// The bytes are where the reading puts them.
    var isThere = false
    var trouble: ValueTrouble?

    /// Another field of that name, or of what leads there, begins.
    mutating func clear(_ user: inout [UInt8]) {
        isThere = false
        trouble = nil
        user.removeAll(keepingCapacity: true)
    }

    /// Whether there is a user, at the end of a value that was whole.
    func finish() throws(ValueTrouble) -> Bool {
        if let trouble { throw trouble }
        return isThere
    }
}
