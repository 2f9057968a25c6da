// <features.h> comes first: without it a clean debug build sees two definitions of `fd_set`, one
// through libevent's headers and one through Glibc's module, and fails.
#include <features.h>
#include <event2/event.h>
#include <event2/listener.h>
// What Glibc's own module leaves out.
#include <sys/eventfd.h>
