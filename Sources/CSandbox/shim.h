// What a process gives up for good: Landlock (files, TCP) and seccomp (system calls). Both are Linux's own, and are
// reached by system calls whose arguments Swift cannot write.
#include <features.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Landlock's numbers, which headers of older systems do not have. Source: the kernel's
// include/uapi/linux/landlock.h.
enum {
    sandbox_create_ruleset = 444,
    sandbox_add_rule = 445,
    sandbox_restrict_self = 446,
};
// As fcntl.h has it for programs that ask for GNU's extensions.
#define SANDBOX_O_PATH 010000000
#define SANDBOX_READ_FILE (1ull << 2)
#define SANDBOX_READ_DIR (1ull << 3)
#define SANDBOX_REMOVE_FILE (1ull << 5)
#define SANDBOX_BIND_TCP (1ull << 0)
#define SANDBOX_CONNECT_TCP (1ull << 1)

static inline uint64_t sandbox_reading(void) { return SANDBOX_READ_FILE | SANDBOX_READ_DIR; }
static inline uint64_t sandbox_removing(void) {
    return SANDBOX_READ_FILE | SANDBOX_READ_DIR | SANDBOX_REMOVE_FILE;
}

/// Lets this thread, and those that it makes, open nothing but what is in these folders, and neither bind by TCP nor
/// connect but to these ports. Returns the version of the kernel's Landlock, 0 where there is none, or the negative
/// errno. Versions before 4 know nothing of TCP.
static inline int sandbox_restrict_files(const char *const *folders, const uint64_t *rights, int count,
                                         const uint16_t *ports, int port_count) {
    long version = syscall(sandbox_create_ruleset, NULL, 0, 1);
    if (version < 1) return 0;
    struct {
        uint64_t files, network, scopes;
    } handled = {0, 0, 0};
    // All that this version knows of: 13 rights at first, then to link and rename across folders, to truncate, and
    // ioctl(2) of devices.
    int bits = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
    handled.files = (1ull << bits) - 1;
    if (version >= 4) handled.network = SANDBOX_BIND_TCP | SANDBOX_CONNECT_TCP;
    // Signals to processes outside.
    if (version >= 6) handled.scopes = 2;
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    long ruleset = syscall(sandbox_create_ruleset, &handled, size, 0);
    if (ruleset < 0) return -errno;
    int result = (int)version;
    for (int i = 0; i < count && result > 0; i++) {
        struct {
            uint64_t allowed;
            int32_t folder;
        } __attribute__((packed)) rule = {rights[i], open(folders[i], SANDBOX_O_PATH | O_CLOEXEC)};
        if (rule.folder < 0) {
            result = -errno;
            break;
        }
        if (syscall(sandbox_add_rule, ruleset, 1, &rule, 0) != 0) result = -errno;
        close(rule.folder);
    }
    for (int i = 0; i < port_count && result >= 4; i++) {
        struct {
            uint64_t allowed, port;
        } rule = {SANDBOX_CONNECT_TCP, ports[i]};
        if (syscall(sandbox_add_rule, ruleset, 2, &rule, 0) != 0) result = -errno;
    }
    if (result > 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                       || syscall(sandbox_restrict_self, ruleset, 0) != 0))
        result = -errno;
    close((int)ruleset);
    return result;
}

#if defined(__x86_64__)
#define SANDBOX_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define SANDBOX_LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SANDBOX_REFUSAL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define SANDBOX_REFUSE(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), SANDBOX_REFUSAL

// No system call has this number.
#define SANDBOX_NO_CALL 0x3FFFFFFF
// MSG_FASTOPEN, and what of a socket's type is not its flags.
#define SANDBOX_FAST_OPEN 0x20000000
#define SANDBOX_SOCKET_TYPES 0xF
#define SANDBOX_REFUSE_FLAG(number, argument, flag)                                                                    \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4), SANDBOX_LOAD(args[argument]),                                   \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flag, 0, 1), SANDBOX_REFUSAL, SANDBOX_LOAD(nr)

/// Refuses, in all of this process's threads, the system calls by which a program becomes another one, reaches others,
/// or changes the system. Who `dials` may make TCP connections; where to is Landlock's business.
/// Returns 1, 0 where there is no such thing, or the negative errno.
static inline int sandbox_refuse_calls(int dials) {
#ifdef SANDBOX_ARCHITECTURE
    struct sock_filter filter[] = {
        SANDBOX_LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCHITECTURE, 1, 0),
        SANDBOX_REFUSAL,
        SANDBOX_LOAD(nr),
        // The numbers of x32, by which every call could be made once more.
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
        SANDBOX_REFUSAL,
        SANDBOX_REFUSE(SYS_execve),
        SANDBOX_REFUSE(SYS_execveat),
        SANDBOX_REFUSE(dials ? SANDBOX_NO_CALL : SYS_connect),
        // By which one connects without connect(2).
        SANDBOX_REFUSE_FLAG(SYS_sendto, 3, SANDBOX_FAST_OPEN),
        SANDBOX_REFUSE_FLAG(SYS_sendmsg, 2, SANDBOX_FAST_OPEN),
        SANDBOX_REFUSE_FLAG(SYS_sendmmsg, 3, SANDBOX_FAST_OPEN),
        SANDBOX_REFUSE(SYS_bind),
        SANDBOX_REFUSE(SYS_listen),
        SANDBOX_REFUSE(SYS_ptrace),
        SANDBOX_REFUSE(SYS_process_vm_readv),
        SANDBOX_REFUSE(SYS_process_vm_writev),
        SANDBOX_REFUSE(SYS_open_by_handle_at),
        SANDBOX_REFUSE(SYS_mount),
        SANDBOX_REFUSE(SYS_umount2),
        SANDBOX_REFUSE(SYS_pivot_root),
        SANDBOX_REFUSE(SYS_chroot),
        SANDBOX_REFUSE(SYS_setns),
        SANDBOX_REFUSE(SYS_unshare),
        SANDBOX_REFUSE(SYS_bpf),
        SANDBOX_REFUSE(SYS_perf_event_open),
        SANDBOX_REFUSE(SYS_userfaultfd),
        SANDBOX_REFUSE(SYS_keyctl),
        SANDBOX_REFUSE(SYS_add_key),
        SANDBOX_REFUSE(SYS_request_key),
        SANDBOX_REFUSE(SYS_init_module),
        SANDBOX_REFUSE(SYS_finit_module),
        SANDBOX_REFUSE(SYS_kexec_load),
        SANDBOX_REFUSE(SYS_delete_module),
        SANDBOX_REFUSE(SYS_kexec_file_load),
        SANDBOX_REFUSE(SYS_reboot),
        SANDBOX_REFUSE(SYS_kill),
        // These have the same numbers everywhere: pidfd_send_signal, io_uring_setup, open_tree, move_mount, fsopen,
        // fsconfig, fsmount, fspick, pidfd_getfd, mount_setattr.
        SANDBOX_REFUSE(424),
        SANDBOX_REFUSE(425),
        SANDBOX_REFUSE(428),
        SANDBOX_REFUSE(429),
        SANDBOX_REFUSE(430),
        SANDBOX_REFUSE(431),
        SANDBOX_REFUSE(432),
        SANDBOX_REFUSE(433),
        SANDBOX_REFUSE(438),
        SANDBOX_REFUSE(442),
        // Sockets: those by which a service manager is told, and TCP's for who dials, not MPTCP's, of which Landlock
        // knows nothing. A family that comes to the third test is not AF_UNIX.
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 14),
        SANDBOX_LOAD(args[0]),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 3),
        SANDBOX_LOAD(args[1]),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SANDBOX_SOCKET_TYPES),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_DGRAM, 9, 8),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, dials ? AF_INET : AF_UNIX, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, dials ? AF_INET6 : AF_UNIX, 0, 6),
        SANDBOX_LOAD(args[1]),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SANDBOX_SOCKET_TYPES),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 0, 3),
        SANDBOX_LOAD(args[2]),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 1, 0),
        SANDBOX_REFUSAL,
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0) return 1;
    return errno == ENOSYS || errno == EINVAL ? 0 : -errno;
#else
    return 0;
#endif
}
