"""The part of scripts/cluster-bench about nodes that are added and removed: how long it takes, and what others notice of it."""
import os, shutil, subprocess, tempfile, time

from cluster_bench_faults import Watchers, percentile
from cluster_bench_servers import NAME
from support import Node, say, wait_until

NAMES = "abc"
# Theirs for each other is 10,000 above, and below those that clients come from.
PORT = 13101
# Requests in a second, beside those whose latency is looked at.
LOAD_RATE = 19_000


class Growing:
    """Three nodes with one definition file, on this machine, and those that are added to it."""

    def __init__(self, sojournd, sojourn, folder, megabytes):
        self.sojournd, self.sojourn, self.folder, self.megabytes = sojournd, sojourn, folder, megabytes
        self.definition = f"{folder}/cluster.yaml"
        self.nodes = {}
        lines = "".join(
            f"  - {{name: {name}, host: 127.0.0.1, port: {self.port(name)}, memory_file: {folder}/{name}}}\n" for name in NAMES)
        with open(self.definition, "w") as file:
            file.write(f"name: growing\npeers: {{}}\ndefaults: {{memory: {megabytes}m}}\nnodes:\n{lines}")

    @staticmethod
    def port(name):
        return PORT + "abcdef".index(name)

    def start(self, name):
        user = ["-u", "root"] if os.geteuid() == 0 else []
        node = Node.__new__(Node)
        node.start_command(lambda _: [self.sojournd, "--cluster", self.definition, "--name", name, *user])
        node.port = self.port(name)
        node.wait(60)
        self.nodes[name] = node

    def change(self, *words):
        """Begins it; returns the process, which ends with it."""
        return subprocess.Popen([self.sojourn, "cluster", *words, "--cluster", self.definition],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self):
        for node in self.nodes.values():
            node.process.kill()
            node.process.wait()


def bench_change(options, sojournd, sojourn):
    megabytes = 32 if options.short else 1024
    quiet = 2 if options.short else 10
    say(f"A node of -m {megabytes} is added to three that are full of sessions of 1 KB, and drained again; seconds until all "
        "nodes go by the new")
    say(f"definition, and p99 in ms of 1,000 requests a second beside {LOAD_RATE:,} others (a tenth of all are sets); aimed at "
        "<= 60 s and <= 2 times")
    folder = tempfile.mkdtemp(prefix="sojourn-cluster.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    cluster, load = Growing(sojournd, sojourn, folder, megabytes), None
    try:
        for name in NAMES:
            cluster.start(name)
        wait_until("the nodes do not become current", lambda: all(
            node.stats().get("members_current") == "3" for node in cluster.nodes.values()))
        items = int(3 * (megabytes << 20) / 2 / 1_150)
        subprocess.run(
            [sojourn, "load", "--cluster", cluster.definition, "--key-prefix", "session:", "--keys", str(items),
             "--value-bytes", "1000", "--ttl", "86400", "--connections", "48", "--requests", "48", "--warm-up", "0"],
            check=True, stdout=subprocess.DEVNULL)
        stats = cluster.nodes["a"].stats()
        say(f"  {items:,} sessions; node a has {int(stats['bytes']) >> 20:,} MB, evictions {stats['evictions']}")
        servers = [word for name in NAMES for word in ("--server", f"127.0.0.1:{cluster.port(name)}")]
        load = subprocess.Popen(
            [sojourn, "load", *servers, "--key-prefix", "load:", "--keys", "2000", "--value-bytes", "300", "--mix",
             "get=90,set=10", "--connections", "48", "--rate", str(LOAD_RATE), "--duration", "3600", "--allow-misses"],
            stdout=subprocess.DEVNULL)
        places = [("127.0.0.1", cluster.port(name)) for name in NAMES]
        with Watchers(places, 8, 1_000, items, 0.1) as watchers:
            time.sleep(3)
            times = {"before": (time.monotonic(), None)}
            time.sleep(quiet)
            times["before"] = (times["before"][0], time.monotonic())
            times["add"] = timed(cluster, "add", "d", "--host", "127.0.0.1", "--port", str(cluster.port("d")),
                                 "--memory-file", f"{folder}/d")
            moved = int(cluster.nodes["d"].stats()["catchup_items"])
            own = int(cluster.nodes["d"].stats()["curr_items"])
            time.sleep(3)
            times["drain"] = timed(cluster, "drain", "d")
            if load.poll() is not None:
                raise SystemExit(f"{NAME}: the load has ended early")
            seen = watchers.results()
        before = within(seen, *times["before"])
        for change in ("add", "drain"):
            begin, end = times[change]
            during = within(seen, begin, end)
            ratio = percentile(during, 0.99) / percentile(before, 0.99)
            say(f"  {change:6} {end - begin:6.2f} s{'' if end - begin <= 60 else ' missed'}; p99 {percentile(before, 0.99):.2f} ms "
                f"before, {percentile(during, 0.99):.2f} meanwhile: {ratio:.2f} times{'' if ratio <= 2 else ' missed'}; p50 "
                f"{percentile(before, 0.5):.2f} and {percentile(during, 0.5):.2f}; slowest {max(during) * 1e3:.0f} ms; errors "
                f"{sum(error for first, _, error in seen if begin <= first <= end)}")
        say(f"  the new node received {moved:,} states and had {own:,} sessions")
    finally:
        if load:
            load.kill()
            load.wait()
        cluster.end()
        shutil.rmtree(folder)
    say()


def timed(cluster, *words):
    begin = time.monotonic()
    change = cluster.change(*words)
    if words[0] == "add":
        wait_until("the definition is not written", lambda: f"name: {words[1]}" in open(cluster.definition).read())
        cluster.start(words[1])
    if change.wait() != 0:
        raise SystemExit(f"{NAME}: sojourn cluster {' '.join(words)} has failed")
    return begin, time.monotonic()


def within(seen, begin, end):
    return [later - first for first, later, _ in seen if begin <= first < end]
