import Glibc

/// What a node does when a page of its memory file is gone: somebody has cut the file short, its disk cannot
/// be read, or a page that it had not yet, because somebody gave it back, finds the disk full.
///
/// The kernel tells the thread that touches the page, by SIGBUS. Nothing can be put in the page's place that
/// would not be taken for sessions, and what others wait for is behind locks that this thread holds: so the
/// node says what happened and ends. What it says was made before: a signal's handler may call almost nothing.
enum LostPages {
    nonisolated(unsafe) private static var words = UnsafeMutableRawBufferPointer(
        start: nil, count: 0)

    /// - Parameter files: whose pages they would be.
    static func attend(to files: [String]) {
        guard !files.isEmpty else { return }
        let text = """
            sojournd: memory file \(files.joined(separator: " or ")): a page of it is gone: it was cut short, or its disk is full or \
            broken. The node ends, as it cannot go on without; its next start checks what is left\n
            """
        words = .allocate(byteCount: text.utf8.count, alignment: 1)
        words.copyBytes(from: text.utf8)
        var action = sigaction()
        action.sa_flags = SA_SIGINFO
        action.__sigaction_handler.sa_sigaction = { _, information, _ in
            guard information?.pointee.si_code == LostPages.addressError else {
                // Returning has the instruction tried again, now without us.
                signal(SIGBUS, SIG_DFL)
                return
            }
            write(STDERR_FILENO, LostPages.words.baseAddress, LostPages.words.count)
            _exit(Refusal.ioError)
        }
        sigaction(SIGBUS, &action, nil)
    }

    /// `BUS_ADRERR`, which Swift's Glibc does not show.
    private static let addressError: Int32 = 2
}
