/// Why the process does not serve: one line for the user, and an exit status. Unless another is given, it
/// is the command line that is wrong.
struct Refusal: Error, Equatable, CustomStringConvertible {
    var message: String
    var status: Int32
    var description: String { message }

    static let failure: Int32 = 1
    // Those of sysexits.h. memcached ends with 1 for some wrong command lines, and with 64 for others.
    static let usage: Int32 = 64
    static let noUser: Int32 = 67
    static let osError: Int32 = 71
    static let ioError: Int32 = 74

    init(_ message: String, status: Int32 = Refusal.usage) {
        self.message = message
        self.status = status
    }
}
