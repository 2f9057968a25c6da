// What somebody would try who got into a node: preloaded (LD_PRELOAD), it tries it in the thread that accepts, in
// one that serves and in the one that writes the log, when these have something to do for the first time, and says on standard error what came of it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static long (*real_syscall)(long, ...);
static atomic_int is_serving;

static void tell(const char *thread, const char *what, long result) {
    char line[128];
    int number = errno;
    int count = snprintf(
        line, sizeof line, "intruder: %s: %s: %s\n", thread, what, result >= 0 ? "done" : strerrorname_np(number));
    if (real_syscall(SYS_write, 2, line, (long)count, 0, 0, 0) < 0) abort();
}

static void intrude(const char *thread) {
    if (!real_syscall) real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    tell(thread, "read a file", open("/etc/passwd", O_RDONLY));
    tell(thread, "write a file", open(getenv("SOJOURN_LOOT"), O_WRONLY | O_CREAT, 0600));
    int remote = socket(AF_INET, SOCK_STREAM, 0);
    tell(thread, "make a socket", remote);
    // Where nobody listens.
    struct sockaddr_in elsewhere = {AF_INET, htons(9), {htonl(INADDR_LOOPBACK)}};
    int reached = connect(remote, (struct sockaddr *)&elsewhere, sizeof elsewhere);
    tell(thread, "dial", reached == 0 || errno == ECONNREFUSED ? 0 : -1);
    int fast = socket(AF_INET, SOCK_STREAM, 0);
    long sent = real_syscall(
        SYS_sendto, (long)fast, (long)"", 1, MSG_FASTOPEN, (long)&elsewhere, (long)sizeof elsewhere);
    tell(thread, "dial with the first byte", sent >= 0 || errno == ECONNREFUSED ? 0 : -1);
    tell(thread, "dial by MPTCP", socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
    tell(thread, "make a socket for datagrams", socket(AF_INET, SOCK_DGRAM, 0));
    int local = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un { sa_family_t family; char path[108]; } address = {AF_UNIX, "/nonexistent"};
    tell(thread, "connect", connect(local, (struct sockaddr *)&address, sizeof address) == 0 || errno == ENOENT ? 0 : -1);
    char *const arguments[] = {"/nonexistent", NULL};
    // Of a program that there is not, so that the node goes on where nothing keeps it from becoming another one.
    tell(thread, "become a program", execve(arguments[0], arguments, NULL) == 0 || errno == ENOENT ? 0 : -1);
}

int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags) {
    static atomic_int tried;
    if (atomic_fetch_add(&tried, 1) == 0) {
        intrude("accepting");
        atomic_store(&is_serving, 1);
    }
    int (*real)(int, struct sockaddr *, socklen_t *, int) = dlsym(RTLD_NEXT, "accept4");
    return real(descriptor, address, length, flags);
}

// The log's thread, which has lines to write from then on.
ssize_t write(int descriptor, const void *bytes, size_t count) {
    static atomic_int tried;
    if (descriptor == 2 && atomic_load(&is_serving) && atomic_fetch_add(&tried, 1) == 0) intrude("logging");
    ssize_t (*real)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    return real(descriptor, bytes, count);
}

long syscall(long number, ...) {
    static atomic_int tried;
    if (!real_syscall) real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_sendto && atomic_fetch_add(&tried, 1) == 0) intrude("serving");
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
