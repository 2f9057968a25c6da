// A kernel that is less kind than most: preloaded into a node (LD_PRELOAD), it makes system calls take less than
// they were given, be interrupted, or say that nothing can be done now; or finds no room on a disk.
//
// SOJOURN_FAULTS says which, as words: `short=N`, `eintr=N` and `eagain=N` each for every Nth call that sends or
// receives; `accept=N` for every Nth accept4, which finds no descriptor; `nospace=N` for the Nth piece of a file
// that is asked for and all after it; `memory=N`, from the first client on, for every Nth piece of memory that
// libevent or OpenSSL asks for. The clock on the wall is wrong by the seconds in the file SOJOURN_CLOCK, a number
// of 8 bytes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long period(const char *word) {
    const char *all = getenv("SOJOURN_FAULTS");
    const char *found = all ? strstr(all, word) : NULL;
    return found ? atol(found + strlen(word)) : 0;
}

static int is_turn(atomic_long *count, const char *word) {
    long every = period(word);
    return every > 0 && (atomic_fetch_add(count, 1) + 1) % every == 0;
}

static atomic_long interruptions, refusals, shorts, acceptances, pieces;

/// 0, or the error that a transfer has instead.
static int transfer_error(void) {
    if (is_turn(&interruptions, "eintr=")) return EINTR;
    if (is_turn(&refusals, "eagain=")) return EAGAIN;
    return 0;
}

/// How much of `count` bytes is transferred: 1 to 61, in turn.
static size_t allowed(size_t count) {
    if (count == 0 || !is_turn(&shorts, "short=")) return count;
    size_t most = 1 + (size_t)(atomic_load(&shorts) % 61);
    return count < most ? count : most;
}

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (!real) real = next("syscall");
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_recvfrom || number == SYS_sendto) {
        int error = transfer_error();
        if (error) {
            errno = error;
            return -1;
        }
        a[2] = (long)allowed((size_t)a[2]);
    }
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/// The first bytes of several pieces.
static int first_pieces(const struct iovec *from, int count, size_t bytes, struct iovec *to) {
    int used = 0;
    while (used < count && bytes > 0) {
        to[used] = from[used];
        if (to[used].iov_len > bytes) to[used].iov_len = bytes;
        bytes -= to[used].iov_len;
        used++;
    }
    return used;
}

static size_t sum(const struct iovec *parts, int count) {
    size_t bytes = 0;
    for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
    return bytes;
}

ssize_t readv(int descriptor, const struct iovec *parts, int count) {
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real) real = next("readv");
    int error = transfer_error();
    if (error) {
        errno = error;
        return -1;
    }
    struct iovec some[1024];
    return real(descriptor, some, first_pieces(parts, count, allowed(sum(parts, count)), some));
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags) {
    static ssize_t (*real)(int, const struct msghdr *, int);
    if (!real) real = next("sendmsg");
    int error = transfer_error();
    if (error) {
        errno = error;
        return -1;
    }
    struct iovec some[1024];
    struct msghdr less = *message;
    less.msg_iov = some;
    less.msg_iovlen = (size_t)first_pieces(
        message->msg_iov, (int)message->msg_iovlen,
        allowed(sum(message->msg_iov, (int)message->msg_iovlen)), some);
    return real(descriptor, &less, flags);
}

static atomic_int has_clients;

int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags) {
    static int (*real)(int, struct sockaddr *, socklen_t *, int);
    if (!real) real = next("accept4");
    atomic_store(&has_clients, 1);
    if (is_turn(&acceptances, "accept=")) {
        errno = EMFILE;
        return -1;
    }
    return real(descriptor, address, length, flags);
}

/// Whether the disk is full by now.
static int is_full(void) {
    long first = period("nospace=");
    return first > 0 && atomic_fetch_add(&pieces, 1) + 1 >= first;
}

int posix_fallocate(int descriptor, off_t start, off_t count) {
    static int (*real)(int, off_t, off_t);
    if (!real) real = next("posix_fallocate");
    return is_full() ? ENOSPC : real(descriptor, start, count);
}

int posix_fallocate64(int descriptor, off64_t start, off64_t count) {
    return posix_fallocate(descriptor, (off_t)start, (off_t)count);
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int madvise(void *start, size_t count, int advice) {
    static int (*real)(void *, size_t, int);
    if (!real) real = next("madvise");
    // As a kernel before 5.14: fallocate is asked instead.
    if (advice == MADV_POPULATE_WRITE && period("nospace=") > 0) {
        errno = EINVAL;
        return -1;
    }
    return real(start, count, advice);
}

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

static atomic_long requests;

/// Whether a library that asks for memory gets none.
static int is_refused(const void *caller) {
    if (!atomic_load(&has_clients) || period("memory=") <= 0) return 0;
    Dl_info info;
    if (!dladdr(caller, &info) || !info.dli_fname) return 0;
    const char *names[] = {"libevent", "libssl", "libcrypto"};
    for (int i = 0; i < 3; i++)
        if (strstr(info.dli_fname, names[i])) return is_turn(&requests, "memory=");
    return 0;
}

static void *none(void) {
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t count) {
    return is_refused(__builtin_return_address(0)) ? none() : __libc_malloc(count);
}

void *calloc(size_t count, size_t each) {
    return is_refused(__builtin_return_address(0)) ? none() : __libc_calloc(count, each);
}

void *realloc(void *old, size_t count) {
    return is_refused(__builtin_return_address(0)) ? none() : __libc_realloc(old, count);
}

#include "../../scripts/wall_clock.c"
