// <features.h> comes first: without it a clean debug build sees two definitions of `fd_set`, one
// through libevent's headers and one through Glibc's module, and fails.
#include <features.h>
#include <event2/event.h>
// What Glibc's own module leaves out.
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// recv(2) and send(2) as glibc would call them were they not points at which a thread can be
// cancelled: that costs a program with several threads four atomic operations per request.
static inline ssize_t uncancelled_recv(int descriptor, void *bytes, size_t count) {
    return syscall(SYS_recvfrom, descriptor, bytes, count, 0, NULL, NULL);
}
static inline ssize_t uncancelled_send(int descriptor, const void *bytes, size_t count) {
    return syscall(SYS_sendto, descriptor, bytes, count, MSG_NOSIGNAL, NULL, 0);
}

// accept4(2), which <sys/socket.h> shows to none but GNU's own programs, for who does not want to know the peer.
extern int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
static inline int accept_nonblocking(int descriptor) {
    return accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

// prctl(2) takes a variable number of arguments, which Swift cannot pass.
static inline int die_with_parent(int signal) {
    return prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0);
}
