internal import CLibevent
import Glibc

/// The process that started this one.
package enum ParentProcess {
    /// Lets this process end by SIGKILL when its parent does. False if `parent` has ended already.
    package static func dieWith(_ parent: Int32) -> Bool {
        _ = die_with_parent(SIGKILL)
        // It may have ended before the kernel knew: somebody else is the parent then.
        return getppid() == parent
    }
}
