"""The part of scripts/cluster-bench about members that fail and return: how long clients wait, and how long a return takes."""
import contextlib, multiprocessing, os, random, shutil, signal, socket, statistics, subprocess, tempfile, threading, time

from bench_memory import Filler
from cluster_bench_servers import NAME
from cluster_members import NAMES, PORT, Cluster, Fault, Namespaces, Relays
from support import Node, say, wait_until

# A reply that has not come by then is an error.
PATIENCE_SECONDS = 5


class Loopback(Relays):
    """Members that reach each other straight, where no link is cut. `apart`, one of them, has a core of its own, as on a
    machine of its own; all others, and this script, share another one."""

    def __init__(self, apart=None):
        super().__init__()
        cores = sorted(os.sched_getaffinity(0))
        if apart and len(cores) > 1:
            os.sched_setaffinity(0, cores[-1:])
            self.prefix = {name: ["taskset", "-c", str(cores[0])] if name == apart else [] for name in NAMES}

    def start(self):
        self.dialled = {}


class Watchers:
    """A process of some connections that ask nodes for sessions in turn, each at its own times, and note how long each
    request took. One that ends is made anew."""

    def __init__(self, places, connections, rate, key_count, write_share):
        self.places, self.rate = places, rate / connections
        self.key_count, self.write_share = key_count, write_share
        self.pipe, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=self.work, args=(other, connections), daemon=True)
        self.process.start()
        if self.pipe.recv() != "ready":
            raise SystemExit(f"{NAME}: the watchers do not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """It also holds open what ends others when this script closes it."""
        self.process.kill()
        self.process.join()

    def results(self):
        """(begin, end, is an error) of each request."""
        self.pipe.send("end")
        seen = self.pipe.recv()
        self.process.join()
        return seen

    def work(self, pipe, connections):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ended, seen = threading.Event(), [[] for _ in range(connections)]
        threads = [threading.Thread(target=self.watch, args=(number, seen[number], ended))
                   for number in range(connections)]
        for thread in threads:
            thread.start()
        pipe.send("ready")
        pipe.recv()
        ended.set()
        for thread in threads:
            thread.join()
        pipe.send([one for requests in seen for one in requests])

    def watch(self, number, seen, ended):
        source = random.Random(number)
        place, peer = self.places[number % len(self.places)], None
        first, asked = time.monotonic(), 0
        while not ended.is_set():
            due = first + asked / self.rate
            asked += 1
            early = due - time.monotonic()
            if early > 0:
                time.sleep(early)
            key = b"session:%032d" % source.randrange(self.key_count)
            is_write = source.random() < self.write_share
            begin, is_error = time.monotonic(), False
            try:
                if peer is None:
                    peer = socket.create_connection(place, timeout=PATIENCE_SECONDS)
                peer.sendall(b"set %s 0 3600 100\r\n%s\r\n" % (key, b"w" * 100) if is_write else b"get %s\r\n" % key)
                reply, whole = b"", (b"STORED\r\n" if is_write else b"END\r\n")
                while not reply.endswith((whole, b"ERROR\r\n")):
                    part = peer.recv(65536)
                    if not part:
                        raise OSError("closed")
                    reply += part
                is_error = not reply.endswith(whole)
            except OSError:
                is_error = True
                if peer:
                    peer.close()
                peer = None
                # A request that was refused is no reason to ask for ever.
                time.sleep(0.001)
            end = time.monotonic()
            seen.append((begin, end, is_error))
            # What it missed while it waited is not asked at once.
            asked = max(asked, int((end - first) * self.rate))


@contextlib.contextmanager
def three_members(network, binary, megabytes):
    folder = tempfile.mkdtemp(prefix="sojourn-cluster.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    cluster = None
    try:
        cluster = Cluster(network, binary, folder, megabytes, False)
        for name in NAMES:
            cluster.start(name)
        wait_until("the members do not become current", cluster.is_well)
        yield cluster
    finally:
        if cluster:
            cluster.end()
        shutil.rmtree(folder)


def linked_front(cluster):
    front = cluster.start_front()
    wait_until("the front does not reach the members", lambda: all(
        front.stats().get(f"member_{name}") == "linked" for name in NAMES))
    return front


def bench_stalls(options, binary):
    """The longest request of a client of a front in each trial."""
    is_apart = (options.network != "relays" and os.geteuid() == 0 and shutil.which("ip") is not None
                and Namespaces.enter())
    if options.network == "namespaces" and not is_apart:
        raise SystemExit(f"{NAME}: this process may not make network namespaces")
    trials = 1 if options.short else 10
    say("The longest request of 8 connections to a front of three members, 250 requests a second each, half of them sets, "
        "in ms:")
    say("median and longest of the trials. Links are cut in " + ("network namespaces" if is_apart else
        "relays: of two members, the front reaches both"))
    say(f"{'':34}{'trials':>8}{'median':>9}{'longest':>9}{'errors':>8}   aimed at")
    with three_members(Namespaces() if is_apart else Relays(), binary, 64) as cluster:
        front = linked_front(cluster)
        Filler(front).fill([100] * 1_000, exptime=3600)
        for title, kind, goal in (("kill -9", "kill", 300), ("SIGSTOP, 1 s", "stop 1", 500),
                                  ("its link is cut, 1 s", "alone 1" if is_apart else "pair 1", 500)):
            longest, errors = [], 0
            for trial in range(trials):
                with Watchers([("127.0.0.1", front.port)], 8, 2_000, 1_000, 0.5) as watchers:
                    time.sleep(0.3)
                    fault = Fault(kind, NAMES[trial % 3], NAMES[(trial + 1) % 3])
                    cluster.hurt(fault)
                    seen = [one for one in watchers.results() if one[1] >= fault.begin]
                longest.append(max(end - begin for begin, end, _ in seen) * 1e3)
                errors += sum(is_error for *_, is_error in seen)
            # Every one of them is what a client waits.
            missed = "" if max(longest) <= goal else " missed"
            say(f"{title:34}{trials:8}{statistics.median(longest):9.0f}{max(longest):9.0f}{errors:8}   <= {goal}{missed}")
    say()


def seconds_to_current(cluster, name):
    begin = time.monotonic()
    wait_until(f"{name} does not become current", cluster.is_well, seconds=180)
    return time.monotonic() - begin


def bench_returns(options, binary, sojourn):
    short_return(options, binary, sojourn)
    empty_return(options, binary, sojourn)


def short_return(options, binary, sojourn):
    trials = 1 if options.short else 9
    say("A member that was away for 0.5 s of 2,000 sets a second through a front: seconds until all are current again, median "
        "and longest")
    with three_members(Loopback(), binary, 64) as cluster:
        front = linked_front(cluster)
        seconds = {"kill -9, its memory file is there": [], "SIGSTOP": []}
        for title, found in seconds.items():
            for trial in range(trials):
                name = NAMES[trial % 3]
                watched = subprocess.Popen(
                    [sojourn, "load", "--server", f"127.0.0.1:{front.port}", "--mix", "set", "--rate", "2000", "--keys",
                     "5000", "--connections", "20", "--warm-up", "0", "--duration", "30"], stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL)
                try:
                    time.sleep(1)
                    member = cluster.members[name]
                    if title == "SIGSTOP":
                        member.process.send_signal(signal.SIGSTOP)
                        time.sleep(0.5)
                        member.process.send_signal(signal.SIGCONT)
                        found.append(seconds_to_current(cluster, name))
                    else:
                        member.process.kill()
                        member.process.wait()
                        time.sleep(0.5)
                        begin = time.monotonic()
                        cluster.start(name)
                        seconds_to_current(cluster, name)
                        found.append(time.monotonic() - begin)
                    if watched.poll() is not None:
                        raise SystemExit(f"{NAME}: the load has ended early")
                finally:
                    watched.kill()
                    watched.wait()
            missed = "" if max(found) <= 1.5 else " missed"
            say(f"{title:34}{trials:8}{statistics.median(found):9.2f}{max(found):9.2f}   <= 1.50{missed}")
    say()


def percentile(latencies, share):
    ordered = sorted(latencies)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3


def empty_return(options, binary, sojourn):
    megabytes = 32 if options.short else 1024
    quiet = 1 if options.short else 10
    say(f"A member of -m {megabytes} that was full of sessions of 1 KB and has lost its memory file, in a cluster of three that "
        "asks on:")
    say("seconds from its start until all are current, and p99 in ms of 1,000 requests a second (a tenth of them sets) to the "
        "other two")
    cores = os.sched_getaffinity(0)
    with three_members(Loopback(None if options.no_pinning else "b"), binary, megabytes) as cluster:
        # Each session is on two of three. What is full, evicts.
        items = int(3 * (megabytes << 20) / 2 / 1_150)
        subprocess.run(
            [sojourn, "load", "--cluster", cluster.definition("a"), "--key-prefix", "session:", "--keys", str(items),
             "--value-bytes", "1000", "--ttl", "86400", "--connections", "48", "--requests", "48", "--warm-up", "0"],
            check=True, stdout=subprocess.DEVNULL)
        stats = cluster.members["b"].stats()
        say(f"  {items:,} sessions; member b has {int(stats['bytes']) >> 20:,} MB, evictions {stats['evictions']}")
        places = [(cluster.network.hosts[name], PORT) for name in "ac"]
        with Watchers(places, 8, 1_000, items, 0.1) as watchers:
            # The watchers' own first requests are no one's latency.
            time.sleep(1)
            quiet_begin = time.monotonic()
            time.sleep(quiet)
            quiet_end = time.monotonic()
            member = cluster.members["b"]
            member.process.kill()
            member.process.wait()
            os.unlink(f"{cluster.folder}/memory-b")
            time.sleep(1)
            begin = time.monotonic()
            cluster.start("b")
            seconds_to_current(cluster, "b")
            end = time.monotonic()
            seen = watchers.results()
        before = [later - first for first, later, _ in seen if quiet_begin <= first and later < quiet_end]
        during = [later - first for first, later, _ in seen if begin <= first <= end]
        ratio = percentile(during, 0.99) / percentile(before, 0.99)
        caught = cluster.members["b"].stats()
        say(f"  current after {end - begin:.2f} s, with {int(caught['curr_items']):,} sessions ({caught['catchup_items']} states "
            f"received); aimed at <= 25" + ("" if end - begin <= 25 else " missed"))
        say(f"  p99 {percentile(before, 0.99):.2f} ms before, {percentile(during, 0.99):.2f} meanwhile: {ratio:.2f} times; "
            f"aimed at <= 2" + ("" if ratio <= 2 else " missed"))
        say(f"  p50 {percentile(before, 0.5):.2f} ms before, {percentile(during, 0.5):.2f} meanwhile; slowest "
            f"{max(during) * 1e3:.0f} ms; errors {sum(one[2] for one in seen)}")
    os.sched_setaffinity(0, cores)
    say()
