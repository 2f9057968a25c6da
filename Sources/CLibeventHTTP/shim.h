// <features.h> comes first, as in CLibevent's shim.
#include <features.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <sys/queue.h>

// The next of a list of headers, whose links are a macro's.
static inline struct evkeyval *http_first_header(const struct evkeyvalq *headers) {
    return headers->tqh_first;
}
static inline struct evkeyval *http_next_header(const struct evkeyval *header) {
    return header->next.tqe_next;
}
