import Glibc

/// Where a run's threads wait for each other between phases, and the run for all of them.
///
/// `@unchecked Sendable`: everything in it is touched under `mutex` only.
final class PhaseGate: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let threadCount: Int
    private var arrivedCount = 0
    private var phase = 0

    init(threadCount: Int) {
        self.threadCount = threadCount
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(changed)
        mutex.deallocate()
        changed.deallocate()
    }

    /// A thread has ended a phase and waits for the next.
    func arriveAndWait() {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        arrivedCount += 1
        let own = phase
        pthread_cond_broadcast(changed)
        while phase == own { pthread_cond_wait(changed, mutex) }
    }

    /// Waits until all threads have arrived, for at most that time.
    func waitForAll(milliseconds: Int) -> Bool {
        var end = timespec()
        clock_gettime(CLOCK_REALTIME, &end)
        let nanoseconds = end.tv_nsec + milliseconds % 1_000 * 1_000_000
        end.tv_sec += milliseconds / 1_000 + nanoseconds / 1_000_000_000
        end.tv_nsec = nanoseconds % 1_000_000_000
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while arrivedCount < threadCount {
            if pthread_cond_timedwait(changed, mutex, &end) == ETIMEDOUT {
                return arrivedCount == threadCount
            }
        }
        return true
    }

    /// Lets all threads into the next phase.
    func open() {
        pthread_mutex_lock(mutex)
        arrivedCount = 0
        phase += 1
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }
}
