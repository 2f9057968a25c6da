// <features.h> comes first, as in CLibevent's shim.
#include <features.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
// What Glibc's own module leaves out.
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Macros of OpenSSL, which Swift does not see.

static inline int tls_set_minimum_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}
static inline void tls_set_options(SSL_CTX *context, int uses_kernel, int issues_tickets) {
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    // Who is cut off has sent no command that is carried out in part, and what came before is answered
    // as in clear text: after an error nothing could be sent.
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (uses_kernel) SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
    if (!issues_tickets) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
}
static inline void tls_set_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    // A record and its head by one system call, and what follows it, too.
    SSL_CTX_set_read_ahead(context, 1);
}
static inline void tls_set_session_cache(SSL_CTX *context, int is_on, long count) {
    SSL_CTX_set_session_cache_mode(context, is_on ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
    if (is_on) SSL_CTX_sess_set_cache_size(context, count);
}
static inline int tls_set_server_name(SSL *session, const char *name) {
    return (int)SSL_set_tlsext_host_name(session, name);
}
static inline int tls_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}
static inline int tls_info_count(const STACK_OF(X509_INFO) *list) { return sk_X509_INFO_num(list); }
static inline X509 *tls_info_certificate(const STACK_OF(X509_INFO) *list, int place) {
    return sk_X509_INFO_value(list, place)->x509;
}
static inline X509_CRL *tls_info_crl(const STACK_OF(X509_INFO) *list, int place) {
    return sk_X509_INFO_value(list, place)->crl;
}
static inline void tls_free_infos(STACK_OF(X509_INFO) *list) {
    sk_X509_INFO_pop_free(list, X509_INFO_free);
}

// A BIO over a socket that it does not own. OpenSSL's own one calls read(2) and write(2): these are
// points at which a thread can be cancelled, which costs several atomic operations each time, and a
// write to a peer that has gone is a signal to the process.

// The one number that a BIO has for those who make one; what it means is its method's.
static inline int socket_bio_descriptor(BIO *bio) { return BIO_get_shutdown(bio); }

// A server's ticket, with which its client can resume the session, waits for the first reply: both go out by
// one packet, which wakes the client up once. Without a reply the kernel sends it, after 200 ms.
static inline int socket_bio_flags(BIO *bio) {
    return SSL_get_state((const SSL *)BIO_get_data(bio)) == TLS_ST_SW_SESSION_TICKET ? MSG_MORE : 0;
}

static inline int socket_bio_read(BIO *bio, char *bytes, int count) {
    BIO_clear_retry_flags(bio);
    while (1) {
        ssize_t result = syscall(SYS_recvfrom, socket_bio_descriptor(bio), bytes, (size_t)count, 0,
                                 NULL, NULL);
        if (result > 0) return (int)result;
        if (result == 0) {
            BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
            return 0;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) BIO_set_retry_read(bio);
        return -1;
    }
}

static inline int socket_bio_write(BIO *bio, const char *bytes, int count) {
    BIO_clear_retry_flags(bio);
    while (1) {
        ssize_t result = syscall(SYS_sendto, socket_bio_descriptor(bio), bytes, (size_t)count,
                                 MSG_NOSIGNAL | socket_bio_flags(bio), NULL, 0);
        if (result >= 0) return (int)result;
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) BIO_set_retry_write(bio);
        return -1;
    }
}

static inline long socket_bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default: return 0;
    }
}

static inline BIO_METHOD *socket_bio_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (method == NULL) return NULL;
    BIO_meth_set_read(method, socket_bio_read);
    BIO_meth_set_write(method, socket_bio_write);
    BIO_meth_set_ctrl(method, socket_bio_control);
    return method;
}

static inline int tls_has_met_end(const SSL *session) { return BIO_eof(SSL_get_rbio(session)); }

static inline BIO *socket_bio_new(const BIO_METHOD *method, SSL *session, int descriptor) {
    BIO *bio = BIO_new(method);
    if (bio == NULL) return NULL;
    BIO_set_data(bio, session);
    BIO_set_shutdown(bio, descriptor);
    BIO_set_init(bio, 1);
    return bio;
}
