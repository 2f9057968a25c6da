import Glibc
import SessionMap

/// What a memory file says of itself, on disk before anything else: that a node uses it, and in the end
/// that everything is there.
///
/// After any death of the process the file is whole, as the kernel keeps its pages. If the machine stops,
/// the disk has pages of different moments. So a file that is still open, under another start of the
/// machine, is not taken over.
///
/// Opened before recovery changes the first byte, closed when it is let go; not if the process dies.
final class MemoryFileState {
    private let memory: UnsafeMutableRawBufferPointer

    init(opening memory: UnsafeMutableRawBufferPointer, bootID: [UInt8]) throws(NodeError) {
        guard let page = memory.baseAddress else { preconditionFailure("a file without memory") }
        self.memory = memory
        ArenaState.open(bootID: bootID).write(to: page)
        guard msync(page, ArenaHeader.byteCount, MS_SYNC) == 0 else {
            throw NodeError(
                message: "the memory file cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    /// Nobody changes the file any more. On a disk it takes as long as it takes to write what the kernel
    /// has not written yet; on tmpfs nothing.
    deinit {
        guard let page = memory.baseAddress, msync(page, memory.count, MS_SYNC) == 0 else { return }
        ArenaState.closed.write(to: page)
        _ = msync(page, ArenaHeader.byteCount, MS_SYNC)
    }
}
