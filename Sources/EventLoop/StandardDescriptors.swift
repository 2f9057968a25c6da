import Glibc

/// Descriptors 0 to 2, which a process may be started without.
package enum StandardDescriptors {
    package enum Substitute {
        /// Reads nothing, and takes whatever is written.
        case silent
        /// Every use is an error.
        case failing
    }

    /// `O_PATH`, which Glibc's module does not have: neither reading nor writing is possible.
    private static let onlyPath: Int32 = 0o10_000_000

    /// Opens those that are closed. To be called before anything else is opened: the next file or socket
    /// gets the lowest number that is free, and is then written to as if it were the log, or the output.
    ///
    /// - Returns: false if that cannot be had. To go on would be a danger to whatever is opened next.
    package static func open(_ substitute: Substitute) -> Bool {
        let flags = substitute == .silent ? O_RDWR : onlyPath
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            guard Glibc.open("/dev/null", flags) == descriptor else { return false }
        }
        return true
    }
}
