// Put in front of a node that is built with the thread sanitizer: the slow way of Swift's Mutex, which is in
// a library that the sanitizer cannot see into. This one asks again and again, where the other has the kernel
// wait; so nobody ever has to be woken up, and the fast ways, which are seen, are all that there is beside it.
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

__attribute__((swiftcall)) void lock(
    uint32_t thread, __attribute__((swift_context)) _Atomic(uint32_t) *owner)
    __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");

__attribute__((swiftcall)) void lock(
    uint32_t thread, __attribute__((swift_context)) _Atomic(uint32_t) *owner) {
    for (uint32_t nobody = 0; !atomic_compare_exchange_weak(owner, &nobody, thread); nobody = 0)
        sched_yield();
}
