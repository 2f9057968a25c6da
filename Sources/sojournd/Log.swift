import CacheNode
import Glibc

/// The log of this process, on stderr.
enum Log {
    static let queue = LogQueue(descriptor: STDERR_FILENO)

    /// How long the end of the process waits for a reader.
    static let patienceMilliseconds = 200

    /// Says one line behind everything that was logged, or gives up: the reader of a pipe may never come.
    static func sayLast(_ line: String) {
        queue.drain(milliseconds: patienceMilliseconds)
        var wanted = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        // A pipe that is ready takes a page as a whole.
        guard poll(&wanted, 1, Int32(patienceMilliseconds)) == 1 else { return }
        var text = line + "\n"
        _ = text.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
