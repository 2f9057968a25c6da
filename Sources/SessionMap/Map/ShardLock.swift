import Glibc

/// A mutual exclusion lock for one shard.
///
/// `Synchronization.Mutex` would hand its state to a `sending` closure, which rejects the raw
/// pointers that a shard is made of. Held for one operation or one bounded turn of maintenance.
struct ShardLock: ~Copyable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init() {
        mutex = .allocate(capacity: 1)
        var attributes = pthread_mutexattr_t()
        pthread_mutexattr_init(&attributes)
        // Spins a little before it sleeps: the lock is held for less than a microsecond.
        pthread_mutexattr_settype(&attributes, Int32(PTHREAD_MUTEX_ADAPTIVE_NP))
        let result = pthread_mutex_init(mutex, &attributes)
        precondition(result == 0, "no mutex to be had")
        pthread_mutexattr_destroy(&attributes)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    @inline(__always)
    func lock() {
        let result = pthread_mutex_lock(mutex)
        precondition(result == 0, "a lock that cannot be taken")
    }

    @inline(__always)
    func unlock() {
        let result = pthread_mutex_unlock(mutex)
        precondition(result == 0, "a lock that was not held")
    }
}
