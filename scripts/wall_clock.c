// In front of a program's libraries: a clock on the wall that is wrong by the seconds in the file SOJOURN_CLOCK, a number of
// 8 bytes that may change at any moment. What counts from the boot goes on as it did, as when a machine's clock is set.
// A part of Tests/EndToEndTests/faulty_kernel.c, and by itself for scripts/headline.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t seconds_wrong(void) {
    static _Atomic(int64_t *) seconds;
    static int64_t nothing;
    if (!atomic_load(&seconds)) {
        const char *path = getenv("SOJOURN_CLOCK");
        int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *found = descriptor < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, descriptor, 0);
        if (descriptor >= 0) close(descriptor);
        atomic_store(&seconds, found == MAP_FAILED ? &nothing : found);
    }
    return *atomic_load(&seconds);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time->tv_sec += seconds_wrong();
    return result;
}

int gettimeofday(struct timeval *time, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}

// The kernel's clock is right: what waits until a moment waits until the same one there.
int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    static int (*real)(sem_t *, const struct timespec *);
    if (!real) real = (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec moment = *until;
    moment.tv_sec -= seconds_wrong();
    return real(semaphore, &moment);
}
