/// Who may use the node, as its operator says it: `-Y` and the options that begin with `auth_`.
package struct AuthenticationRules: Equatable, Sendable {
    /// `-Y`: users and passwords.
    package var passwordFile: String?
    /// Whether it is read though others can read it, too.
    package var mayFileBeShared = false
    /// How long a connection may take to log in.
    package var timeoutSeconds = Self.timeoutSecondsDefault
    /// Whether a client's certificate that was verified is a login.
    package var acceptsCertificates = false
    /// Users of this machine who are logged in on a Unix socket. Where there are some, nobody else is,
    /// unless there are passwords.
    package var userIDs: [UInt32] = []

    package static let timeoutSecondsDefault = 10
    package static let timeoutSecondsRange = 1...3_600
    package static let userIDCountMax = 64

    package init() {}
}
