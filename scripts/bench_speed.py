"""The part of scripts/bench that asks for speed: CPU time, throughput, latency, system calls."""
import json, math, os, re, statistics, subprocess, sys, tempfile

from support import Node, received, say, wait_until

KEY_BYTES = 40
QUIET_SETS = "ms 1 KB quiet, 50 and mn"


class Echo(Node):
    """The floor: `sojourn echo`, the same event loop without a protocol and a map."""

    def __init__(self, sojourn, prefix=()):
        self.start_command(lambda port: [*prefix, sojourn, "echo", "--port", str(port)])

    def answers(self, peer):
        peer.sendall(b"x")
        return peer.recv(1) == b"x"


class Workload:
    """What is sent. `bytes_each_way` is the mean of a request's and its reply's bytes: an echo of as
    many moves the same. `targets` are the highest ratios of CPU time aimed at: to memcached 1.6.18,
    to later ones, to the echo."""

    def __init__(self, title, args, connections=50, bytes_each_way=None, targets=(), large=False,
                 calls=5_000):
        self.title, self.args, self.connections = title, args, connections
        self.bytes_each_way, self.targets, self.large = bytes_each_way, targets, large
        self.calls = calls

    def load_args(self):
        return ["--connections", str(self.connections), *self.args]

    def echo_args(self):
        depth = self.args[self.args.index("--depth") + 1] if "--depth" in self.args else "1"
        return ["--connections", str(self.connections), "--depth", depth, "--protocol", "echo",
                "--value-bytes", str(self.bytes_each_way)]

    def patience(self):
        """By how much longer than others this takes to warm up and to measure."""
        return 3 if self.large else 1

    def node_flags(self):
        return ["-c", "4096"] + (["-I", "2m"] if self.large else [])

    def target(self, other):
        if not self.targets:
            return None
        return self.targets[0 if other.endswith(" 1.6.18") else 2 if other == "echo" else 1]


def get_bytes(size):
    return (4 + KEY_BYTES + 2 + 6 + KEY_BYTES + 3 + len(str(size)) + 2 + size + 2 + 5) // 2


def set_bytes(size):
    return (4 + KEY_BYTES + 5 + len(str(size)) + 2 + size + 2 + 8) // 2


def workloads():
    rows = []
    for size, name in ((100, "100 B"), (1_000, "1 KB"), (4_096, "4 KB")):
        large = (0.90, 1.0, None)
        value = ["--value-bytes", str(size)]
        rows += [
            Workload(f"get {name}", ["--mix", "get", *value], bytes_each_way=get_bytes(size),
                     targets=large if size > 1_000 else (0.85, 1.0, 1.2 if size == 100 else None)),
            Workload(f"set {name}", ["--mix", "set", *value], bytes_each_way=set_bytes(size),
                     targets=large if size > 1_000 else (0.80, 0.95, None)),
            Workload(f"gat {name}", ["--mix", "gat", "--ttl", "1800", *value],
                     targets=large if size > 1_000 else (0.85, 1.0, None)),
        ]
    for size, name in ((100, "100 B"), (1_000, "1 KB"), (4_096, "4 KB")):
        meta = ["--protocol", "meta", "--value-bytes", str(size)]
        rows += [
            Workload(f"mg v {name}", ["--mix", "get", *meta]),
            Workload(f"ms {name}", ["--mix", "set", *meta]),
            Workload(f"mg v T1800 {name}", ["--mix", "gat", "--ttl", "1800", *meta]),
        ]
    rows += [
        Workload("get 100 B, pipelined 16", ["--mix", "get", "--depth", "16"],
                 bytes_each_way=get_bytes(100), targets=(0.25, 0.80, None), calls=50_000),
        Workload("set 100 B, pipelined 16", ["--mix", "set", "--depth", "16"],
                 bytes_each_way=set_bytes(100), targets=(0.80, 0.85, None), calls=50_000),
        Workload("mg v 100 B, pipelined 16",
                 ["--mix", "get", "--depth", "16", "--protocol", "meta"], calls=50_000),
        Workload(QUIET_SETS,
                 ["--mix", "set", "--depth", "50", "--protocol", "meta", "--quiet-sets",
                  "--value-bytes", "1000"], calls=50_000),
        Workload("get of 50 keys, 100 B", ["--mix", "get", "--keys-per-get", "50"],
                 targets=(0.60, 0.60, None)),
        Workload("mg of 50 keys, 100 B",
                 ["--mix", "get", "--keys-per-get", "50", "--protocol", "meta"]),
        Workload("get 1 MB", ["--mix", "get", "--keys", "100", "--value-bytes", "1000000"],
                 targets=(1.0, 1.0, None), large=True, calls=300),
        Workload("set 1 MB", ["--mix", "set", "--keys", "100", "--value-bytes", "1000000"],
                 targets=(1.0, 1.0, None), large=True, calls=300),
        Workload("get 100 B, 1 connection", ["--mix", "get"], connections=1,
                 bytes_each_way=get_bytes(100)),
        Workload("set 100 B, 1 connection", ["--mix", "set"], connections=1),
        Workload("get 100 B, 1,000 connections", ["--mix", "get"], connections=1_000,
                 bytes_each_way=get_bytes(100)),
        Workload("set 100 B, 1,000 connections", ["--mix", "set"], connections=1_000),
        Workload("sessions: people and bots", ["--workload", "sessions"]),
    ]
    return rows


class Bench:
    """Where the executables are, how long a measurement takes, and how often it is repeated."""

    # A server with one thread and the load each keep to a core of their own, where there are two:
    # both stay what they are, but the figures of one workload lie closer together.
    CORES = sorted(os.sched_getaffinity(0))
    SERVER_PREFIX = ["taskset", "-c", str(CORES[0])] if len(CORES) > 1 else []
    LOAD_PREFIX = ["taskset", "-c", str(CORES[1])] if len(CORES) > 1 else []

    def __init__(self, binaries, servers, repetitions, seconds, warm_up):
        self.sojourn = os.path.join(binaries, "sojourn")
        self.servers, self.repetitions = servers, repetitions
        self.seconds, self.warm_up = seconds, warm_up

    def extent(self, workload):
        longer = workload.patience()
        return ["--duration", str(self.seconds * longer), "--warm-up", str(self.warm_up * longer)]

    def load(self, node, args, extent, prefix=()):
        """Puts a load and returns its result. A wrong reply ends the benchmark."""
        with tempfile.NamedTemporaryFile("r") as result:
            # As in all records: a session's keys, that never expire unless the workload says so.
            lasting = [] if {"--ttl", "--workload"} & {*args} else ["--ttl", "0"]
            command = [*prefix, self.sojourn, "load", "--server", f"127.0.0.1:{node.port}",
                       "--key-prefix", "session:", *lasting, "--json", result.name, "--server-pid", str(node.process.pid),
                       *extent, *args]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"bench: {' '.join(command)}: status {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
            return json.load(result)

    def node(self, name, server, workload, threads=1, extra=(), prefix=()):
        if name == "echo":
            return Echo(self.sojourn, prefix=prefix)
        return Node(server, megabytes=1024, threads=threads,
                    extra=[*workload.node_flags(), *extra], prefix=prefix)

    def measure(self, name, server, workload, threads=1, extra=(), is_pinned=False, prefix=()):
        before, beside = (self.SERVER_PREFIX, self.LOAD_PREFIX) if is_pinned else (prefix, ())
        args = workload.echo_args() if name == "echo" else workload.load_args()
        with self.node(name, server, workload, threads, extra, before) as node:
            return self.load(node, args, self.extent(workload), prefix=beside)

    def calls_per_request(self, name, server, workload, threads=1):
        counts = []
        asked = (workload.connections, workload.connections + workload.calls)
        for count in asked:
            node = self.node(name, server, workload, threads)
            with node, tempfile.NamedTemporaryFile("r") as report:
                tracer = subprocess.Popen(["strace", "-f", "-c", "-o", report.name, "-p",
                                           str(node.process.pid)], stderr=subprocess.PIPE,
                                          text=True)
                while "attached" not in (line := tracer.stderr.readline()):
                    if not line:
                        raise SystemExit("bench: strace does not attach to the server")
                args = workload.echo_args() if name == "echo" else workload.load_args()
                self.load(node, args, ["--requests", str(count), "--warm-up", "0"])
                tracer.terminate()
                tracer.wait()
                rows = [line.split() for line in report.read().splitlines()]
                counts.append(sum(int(row[3]) for row in rows
                                  if len(row) >= 5 and row[3].isdigit() and row[-1] != "total"))
        return (counts[1] - counts[0]) / (asked[1] - asked[0])

    def rounds(self, names):
        """Names in turns; every repetition begins with another one."""
        for repetition in range(self.repetitions):
            for place in range(len(names)):
                yield names[(place + repetition) % len(names)]


def median(results, *path):
    def value(result):
        for name in path:
            result = result[name]
        return result
    return statistics.median(value(result) for result in results)


def ratios_of_cpu(ours, others):
    """The ratios of CPU time between neighbours in time."""
    return [mine["serverCPU"]["total"] / other["serverCPU"]["total"]
            for mine, other in zip(ours, others)]


def interval(values):
    """Where the median of many more values would lie in 19 of 20 cases: between these two of them (the
    sign test's interval)."""
    ordered = sorted(values)
    place = max(0, math.floor(len(ordered) / 2 - 0.98 * math.sqrt(len(ordered))))
    return ordered[place], ordered[-1 - place]


HEADINGS = (f"{'per second':>12}{'CPU':>9}{'user':>8}{'system':>8}{'calls':>8}{'p50':>9}{'p99':>9}"
            f"{'p99.9':>9}")


def figures(results, calls):
    """What `HEADINGS` announces; `calls` may be none."""
    shown = f"{calls:8.2f}" if calls is not None else f"{'-':>8}"
    return (f"{median(results, 'perSecond'):12,.0f}{median(results, 'serverCPU', 'total'):9.2f}"
            f"{median(results, 'serverCPU', 'user'):8.2f}"
            f"{median(results, 'serverCPU', 'system'):8.2f}{shown}"
            + "".join(f"{median(results, 'latency', which) / 1e3:9.3f}"
                      for which in ("p50", "p99", "p99.9")))


def bench_speed(bench, match, has_calls):
    """Returns, for a plot, the ratios of CPU time by workload and server."""
    say("Closed loop, the node with one thread, 10,000 keys of 40 bytes (1 MB: 100). CPU time of the "
        "node per request in us")
    say("(user + system: the sum is exact, its parts are sampled by the kernel's timer), system calls "
        "(strace), latency in ms,")
    say("medians; ratio: sojournd's CPU time by the other's, the median of those of each round, and "
        "where that of many more rounds")
    say("would lie in 19 of 20 cases. echo: as many bytes on the same event loop, the floor. Values of "
        "1 MB are warmed up and")
    say("measured three times as long.")
    if bench.SERVER_PREFIX:
        say("Each server keeps to one core, and the load to another (taskset).")
    say(f"{'':34}{HEADINGS}{'ratio':>8}{'95 %':>9}")
    ratios, ours_by_title = {}, {}
    for workload in workloads():
        if match and not re.search(match, workload.title):
            continue
        servers = bench.servers | ({"echo": None} if workload.bytes_each_way else {})
        results = {name: [] for name in servers}
        for name in bench.rounds(list(servers)):
            results[name].append(bench.measure(name, servers[name], workload, is_pinned=True))
        say(workload.title)
        ours = median(results["sojournd"], "serverCPU", "total")
        ours_by_title[workload.title] = ours
        for name, server in servers.items():
            calls = bench.calls_per_request(name, server, workload) if has_calls else None
            one = results[name]
            text = f"  {name:32}{figures(one, calls)}"
            if name != "sojournd":
                of_rounds = ratios_of_cpu(results["sojournd"], one)
                ratio = statistics.median(of_rounds)
                ratios.setdefault(workload.title, {})[name] = ratio
                low, high = interval(of_rounds)
                text += f"{ratio:8.2f}   {low:.2f}-{high:.2f}"
                limit = workload.target(name)
                if limit is not None:
                    text += f"  <= {limit:.2f}" + ("" if ratio <= limit else " missed")
            say(text)
    say()
    compare_meta(ours_by_title)
    return ratios


def compare_meta(ours):
    """`ours`: sojournd's CPU time by workload."""
    rows = [(f"{meta} {size}", f"{classic} {size}")
            for meta, classic in (("mg v", "get"), ("ms", "set"), ("mg v T1800", "gat"))
            for size in ("100 B", "1 KB", "4 KB")]
    rows = [(meta, classic) for meta, classic in rows if meta in ours and classic in ours]
    quiet = ours.get(QUIET_SETS)
    if not rows and not quiet:
        return
    if rows:
        say("CPU time of sojournd's meta commands by that of their classic counterparts (aimed at: "
            "at most 1.05)")
    for meta, classic in rows:
        say(f"  {meta + ' / ' + classic:32}{ours[meta] / ours[classic]:9.2f}")
    if quiet:
        say(f"{QUIET_SETS}: {quiet:.2f} us per set (aimed at: at most 1.5)")
    say()


THREADED = (Workload("get 100 B, 50 connections", ["--mix", "get", "--threads", "2"]),
            Workload("set 100 B, 50 connections", ["--mix", "set", "--threads", "2"]),
            Workload("get 100 B, pipelined 16", ["--mix", "get", "--threads", "2", "--depth", "16"],
                     calls=50_000))


class Quota:
    """A quarter of a processor for each thread of a server, by the kernel's bandwidth control (a cgroup
    of version 1 or 2). So the load finds as much as it needs, however few cores there are."""
    PERIOD_US, THREAD_US = 20_000, 5_000

    def __init__(self, threads):
        controller = "/sys/fs/cgroup/cpu"
        self.is_first = os.path.isdir(controller)
        self.directory = os.path.join(controller if self.is_first else "/sys/fs/cgroup",
                                      f"sojourn-bench-{os.getpid()}")
        self.quota_us = threads * self.THREAD_US

    def __enter__(self):
        os.mkdir(self.directory)
        if self.is_first:
            self.write("cpu.cfs_period_us", self.PERIOD_US)
            self.write("cpu.cfs_quota_us", self.quota_us)
        else:
            self.write("cpu.max", f"{self.quota_us} {self.PERIOD_US}")
        return ["sh", "-c", f'echo $$ > {self.directory}/cgroup.procs && exec "$@"', "sh"]

    def __exit__(self, *_):
        os.rmdir(self.directory)

    def write(self, name, value):
        with open(os.path.join(self.directory, name), "w") as file:
            file.write(str(value))


def bench_quotas(bench):
    say("One and two threads of the node, each with a quarter of a processor (cgroup), so that the load "
        "is no limit: requests per")
    say("second; gain: the median of the rounds', and where that of many more would lie in 19 of 20 "
        "cases")
    try:
        with Quota(1):
            pass
    except OSError as error:
        return say(f"not measured: it takes root and the cgroup controller cpu ({error})\n")
    say(f"{'':34}{'1 thread':>12}{'2 threads':>12}{'gain':>8}{'95 %':>9}")
    for workload in THREADED:
        say(workload.title)
        results = {(name, threads): [] for name in bench.servers for threads in (1, 2)}
        for name in bench.rounds(list(bench.servers)):
            for threads in (1, 2):
                with Quota(threads) as prefix:
                    results[name, threads].append(bench.measure(
                        name, bench.servers[name], workload, threads=threads, prefix=prefix))
        for name in bench.servers:
            gains = [two["perSecond"] / one["perSecond"]
                     for one, two in zip(results[name, 1], results[name, 2])]
            low, high = interval(gains)
            say(f"  {name:32}" + "".join(f"{median(results[name, threads], 'perSecond'):12,.0f}"
                                         for threads in (1, 2))
                + f"{statistics.median(gains):8.2f}   {low:.2f}-{high:.2f}")
    say()


def bench_threads(bench, has_calls):
    cores = len(bench.CORES)
    say("One and two threads of the node; the load has two threads, too, and takes its share of the "
        f"{cores} cores.")
    say("CPU time per request in us and system calls (strace): the node's; latency in ms; growth: of the "
        "CPU time with the second")
    say("thread, the median of the rounds'. possible: the gain if both threads' work and the load's "
        "filled all cores: the less a")
    say("node takes, the less a second thread can gain here")
    say(f"{'':34}{HEADINGS}{'gain':>8}{'possible':>10}{'growth':>8}")
    for workload in THREADED:
        say(workload.title)
        results = {(name, threads): [] for name in bench.servers for threads in (1, 2)}
        for name in bench.rounds(list(bench.servers)):
            for threads in (1, 2):
                results[name, threads].append(
                    bench.measure(name, bench.servers[name], workload, threads=threads))
        for name, server in bench.servers.items():
            for threads in (1, 2):
                calls = (bench.calls_per_request(name, server, workload, threads)
                         if has_calls else None)
                each = results[name, threads]
                text = f"  {name + (', 2 threads' if threads == 2 else ''):32}{figures(each, calls)}"
                if threads == 2:
                    before = median(results[name, 1], "perSecond")
                    taken = median(each, "serverCPU", "total") + median(each, "loadCPU", "total")
                    text += (f"{median(each, 'perSecond') / before:8.2f}"
                             f"{cores * 1e6 / taken / before:10.2f}"
                             f"{statistics.median(ratios_of_cpu(each, results[name, 1])):8.2f}")
                say(text)
    say()


def bench_latency(bench):
    say("Open loop at 70 % of what each memcached takes in a closed one; latency in ms from the moment "
        "a request was due, medians;")
    say("late: p99.9 of how late the load itself came to a request (a part of the latency); ratio: the "
        "median of the rounds', and")
    say("where that of many more would lie in 19 of 20 cases")
    if bench.SERVER_PREFIX:
        say("The server keeps to one core, and the load, which polls, to another (taskset).")
    say(f"{'':34}{'per second':>12}{'p50':>9}{'p99':>9}{'p99.9':>9}{'max':>9}{'late':>9}"
        f"{'p99.9 ratio':>13}{'95 %':>9}")
    cases = (Workload("get 100 B", ["--mix", "get"]),
             Workload("set 1 KB", ["--mix", "set", "--value-bytes", "1000"]),
             Workload("sessions: people and bots", ["--workload", "sessions"]))
    for workload in cases:
        for other in list(bench.servers)[1:]:
            closed = [bench.measure(other, bench.servers[other], workload, is_pinned=True)
                      for _ in range(min(bench.repetitions, 7))]
            rate = 0.7 * median(closed, "perSecond")
            opened = Workload(workload.title, [*workload.args, "--rate", f"{rate:.0f}"])
            results = {"sojournd": [], other: []}
            for name in bench.rounds(list(results)):
                results[name].append(
                    bench.measure(name, bench.servers[name], opened, is_pinned=True))
            say(f"{workload.title}, {rate:,.0f} per second")
            for name, one in results.items():
                text = f"  {name:32}{median(one, 'perSecond'):12,.0f}" + "".join(
                    f"{median(one, 'latency', which) / 1e3:9.3f}"
                    for which in ("p50", "p99", "p99.9", "max"))
                text += f"{median(one, 'loadLateness', 'p99.9') / 1e3:9.3f}"
                if name != "sojournd":
                    of_rounds = [mine["latency"]["p99.9"] / its["latency"]["p99.9"]
                                 for mine, its in zip(results["sojournd"], one)]
                    ratio = statistics.median(of_rounds)
                    low, high = interval(of_rounds)
                    text += (f"{ratio:13.2f}   {low:.2f}-{high:.2f}  <= 1.00"
                             + ("" if ratio <= 1 else " missed"))
                say(text)
    say()


def bench_modes(bench):
    say("What eviction with probation and a memory file cost: CPU time per request, microseconds")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        file = os.path.join(directory, "arena")
        modes = {"-o eviction=lru": ["-o", "eviction=lru"], "default": [],
                 "-e FILE (tmpfs)": ["-e", file]}
        say(f"{'':34}" + "".join(f"{name:>18}" for name in modes)
            + "".join(f"{'to lru':>10}" for _ in range(2)))
        for title, mix in (("get 1,660 B, 50 connections", "get"),
                           ("set 1,660 B, 50 connections", "set")):
            workload = Workload(title, ["--mix", mix, "--value-bytes", "1660"])
            results = {name: [] for name in modes}
            for name in bench.rounds(list(modes)):
                if os.path.exists(file):
                    os.unlink(file)
                results[name].append(bench.measure(
                    name, bench.servers["sojournd"], workload, extra=modes[name]))
            medians = [median(results[name], "serverCPU", "total") for name in modes]
            say(f"{title:34}" + "".join(f"{each:18.2f}" for each in medians)
                + "".join(f"{each / medians[0]:10.2f}" for each in medians[1:]))
    say()


def falsify(node, process):
    """Changes a byte of the value that the load reads, which goes on reading it."""
    wait_until("the load's first hit", lambda: int(node.stats()["get_hits"]) > 0, process)
    with node.connect() as peer:
        key = b"session:%032d" % 0
        peer.sendall(b"get %s\r\n" % key)
        data = b""
        while not data.endswith(b"END\r\n"):
            data += received(peer)
        value = bytearray(data[data.index(b"\r\n") + 2:][:100])
        value[50] ^= 1
        peer.sendall(b"set %s 0 0 100\r\n%s\r\n" % (key, value))
        received(peer)
    hits = int(node.stats()["get_hits"])
    wait_until("ten more hits", lambda: int(node.stats()["get_hits"]) >= hits + 10, process)


def self_check(bench):
    """The load must see a wrong reply: one byte of a stored value is changed behind its back."""
    with Node(bench.servers["sojournd"]) as node:
        command = [bench.sojourn, "load", "--server", f"127.0.0.1:{node.port}", "--keys", "1",
                   "--key-prefix", "session:", "--connections", "1", "--duration", "30", "--warm-up", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            falsify(node, process)
            node.process.kill()
            output = process.communicate()[0]
        finally:
            process.kill()
        if process.returncode != 1 or "wrong value" not in output:
            raise SystemExit(f"bench: the load did not see a wrong byte: {output}")
    print("bench: the load sees a wrong byte", file=sys.stderr)
