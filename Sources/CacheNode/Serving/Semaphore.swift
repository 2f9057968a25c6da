import Glibc

/// A POSIX semaphore.
///
/// `@unchecked Sendable`: it is what threads may share; the memory goes with the object.
final class Semaphore: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init(_ count: UInt32 = 0) {
        let result = sem_init(semaphore, 0, count)
        precondition(result == 0, "a semaphore that cannot be")
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func signal() { sem_post(semaphore) }

    /// Takes one signal.
    func wait() {
        while sem_wait(semaphore) != 0, errno == EINTR {}
    }

    /// Takes all signals that there are, once there is one, or after so many seconds.
    func waitForAll(seconds: Int? = nil) {
        if let seconds {
            var until = timespec()
            clock_gettime(CLOCK_REALTIME, &until)
            until.tv_sec += seconds
            while sem_timedwait(semaphore, &until) != 0, errno == EINTR {}
        } else {
            wait()
        }
        while sem_trywait(semaphore) == 0 {}
    }
}
