import CacheNode
import Glibc

/// Swift's Glibc does not show what needs `_GNU_SOURCE`.
@_silgen_name("sched_getaffinity")
private func affinity(_ process: pid_t, _ byteCount: Int, _ mask: UnsafeMutableRawPointer) -> Int32

/// The processors that this process may use.
enum Processors {
    /// As many as are in its affinity mask, and no more than its control group's quota is worth: more
    /// threads than processors only take turns.
    static var count: Int {
        let allowed = countInMask ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        return min(allowed, ControlGroup.processorCountMax ?? allowed)
    }

    private static var countInMask: Int? {
        // 8,192 processors: the kernel's own limit. It refuses a mask that is shorter than its own.
        var mask = [UInt64](repeating: 0, count: 128)
        let result = mask.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { affinity(0, bytes.count, $0) } ?? -1
        }
        let count = mask.reduce(0) { $0 + $1.nonzeroBitCount }
        return result == 0 && count > 0 ? count : nil
    }
}
