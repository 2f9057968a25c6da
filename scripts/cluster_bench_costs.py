"""The part of scripts/cluster-bench that asks what requests cost: instructions, CPU time, waiting, memory."""
import contextlib, glob, os, re, statistics, subprocess, tempfile

from bench_memory import Filler
from bench_speed import Echo, interval
from cluster_bench_servers import KEYS, NAME, Asker, Disturbed, Members, Proxy, Redis, cpu_seconds, load, requests_of
from support import Node, say, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
CORES = sorted(os.sched_getaffinity(0))


class Costs:
    """What is measured with, how long, and how often."""

    def __init__(self, options, sojournd, sojourn):
        self.sojournd, self.sojourn, self.base = sojournd, sojourn, options.base
        self.memcached, self.python = options.memcached, options.python
        self.parts, self.seconds, self.exchanges = (2, 0.1, 200) if options.short else (15, 1, 3_000)
        self.counted = 200 if options.short else 3_000
        self.items = 2_000 if options.short else 20_000
        self.many_sessions = 5_000 if options.short else 100_000
        is_pinned = len(CORES) > 1 and not options.no_pinning
        self.servers_prefix = ["taskset", "-c", str(CORES[0])] if is_pinned else []
        self.load_prefix = ["taskset", "-c", str(CORES[-1])] if is_pinned else []
        if is_pinned:
            os.sched_setaffinity(0, CORES[-1:])

    def alone(self, binary=None):
        return Node(binary or self.sojournd, 64, prefix=self.servers_prefix)

    def members(self, folder, **more):
        return Members(self.sojournd, folder, prefix=self.servers_prefix, **more)

    def load(self, node, watched, *args):
        return load(self.sojourn, self.load_prefix, node, watched, self.seconds, args)

    def in_turns(self, cases):
        """What each case returns, part by part. The first part warms up, and each begins with another case."""
        found = {name: [] for name in cases}
        names = list(cases)
        part, disturbed = 0, 0
        while part <= self.parts:
            turn = names[part % len(names):] + names[:part % len(names)]
            try:
                values = {name: cases[name]() for name in turn}
            except Disturbed:
                # All of its cases once more: they are compared with each other.
                disturbed += 1
                if disturbed > self.parts + 3:
                    raise SystemExit(f"{NAME}: most measurements are disturbed: connections are closed, or nothing is "
                                     "answered")
                continue
            if part:
                for name, value in values.items():
                    found[name].append(value)
            part += 1
        if disturbed:
            say(f"  disturbed, and repeated: {disturbed} of the next one's parts, whose connections were closed or in which "
                "nothing was answered")
        return found


def head(ours, other, unit):
    say(f"{'':58}{ours:>14}{other:>22}   ratio      95 %     aimed at   ({unit})")


def show(title, ours, others, goal, digits=2):
    ratios = [one / other for one, other in zip(ours, others) if other]
    ratio = statistics.median(ratios)
    low, high = interval(ratios)
    missed = "" if goal is None else f"  <= {goal:.2f}" + ("" if ratio <= goal else " missed")
    say(f"{title:58}{statistics.median(ours):14,.{digits}f}{statistics.median(others):22,.{digits}f}{ratio:8.2f}"
        f"   {low:.2f}-{high:.2f}{missed}")


def of_cpu(results):
    return [result["serverCPU"]["total"] for result in results]


def of_latency(results):
    return [result["latency"]["p50"] for result in results]


# MARK: instructions

def callgrind(counts):
    return ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
            f"--callgrind-out-file={counts}"]


def count(node, verb, exchanges, counts, end):
    """Instructions of an exchange in the thread that has most of them: the beats of another one, for the members, depend
    on time alone. `end` ends the processes."""
    value = b"x" * 1024
    asker = Asker(node)
    asker.ask(*requests_of("set", value), len(KEYS))
    if verb != "set":
        asker.ask(*requests_of(verb, value), len(KEYS))
    for state in ("on", "off"):
        subprocess.run(["callgrind_control", "-i", state, str(node.process.pid)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        if state == "on":
            asker.ask(*requests_of(verb, value), exchanges)
    asker.close()
    end()
    totals = [int(found) for file in glob.glob(f"{glob.escape(counts)}*")
              for found in re.findall(r"^(?:summary|totals): (\d+)", open(file).read(), re.MULTILINE)]
    if not totals or not max(totals):
        raise SystemExit(f"{NAME}: callgrind has counted nothing")
    return max(totals) / exchanges


def count_alone(costs, binary, verb):
    with tempfile.TemporaryDirectory() as folder:
        counts = f"{folder}/counts"
        node = Node(bare(binary, folder), 64, prefix=callgrind(counts))
        node.wait(120)
        return count(node, verb, costs.counted, counts, node.__exit__)


def count_owner(costs, verb):
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        counts = f"{folder}/counts"
        members = stack.enter_context(Members(bare(costs.sojournd, folder), folder, is_uneven=True, is_patient=True,
                                              before_a=callgrind(counts)))
        return count(members.nodes[0], verb, costs.counted, counts, stack.close)


def bare(binary, folder):
    """valgrind cannot read the debug information of a Swift program."""
    stripped = f"{folder}/{os.path.basename(binary)}"
    subprocess.run(["objcopy", "--strip-debug", binary, stripped], check=True)
    return stripped


# MARK: parts

def bench_single(costs):
    """One node without a definition beside one of an earlier build."""
    if not costs.base:
        say("single: left out: a node without a definition is compared with one of an earlier build, --base BINARY")
        say()
        return
    say("One node without a definition beside an earlier build: instructions of an exchange, 1 KB, counted once")
    head("this", "earlier", "instructions")
    for verb in ("get", "gat", "set"):
        show(verb, [count_alone(costs, costs.sojournd, verb)], [count_alone(costs, costs.base, verb)], 1.01, 0)
    say()


def bench_owner(costs):
    say("At an owner, beside a node by itself: instructions of an exchange of 1 KB, counted once in the thread that "
        "answers; CPU time")
    say("of the node that is asked in us, 100 B")
    head("owner", "node by itself", "instructions, us")
    for verb, goal in (("get", 1.03), ("gat", None), ("set", None)):
        show(f"{verb}, instructions", [count_owner(costs, verb)], [count_alone(costs, costs.sojournd, verb)], goal, 0)
    with tempfile.TemporaryDirectory() as folder, costs.members(folder) as members, costs.alone() as alone:
        asked = members.nodes[0]
        for connections in (50, 1):
            args = ["--mix", "get", "--connections", str(connections)]
            found = costs.in_turns({"owner": lambda: costs.load(asked, [asked], *args),
                                    "alone": lambda: costs.load(alone, [alone], *args)})
            show(f"get, CPU time, {connections} connection{'s' * (connections > 1)}", of_cpu(found["owner"]),
                 of_cpu(found["alone"]), 1.03)
    say()


def bench_writes(costs):
    say("Replicated sets at the first owner of the keys, and sliding reads: CPU time of both members per request, beside that "
        "of a node by")
    say("itself; 100 B")
    head("both members", "node by itself", "us")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        members = stack.enter_context(costs.members(folder, is_uneven=True))
        alone = stack.enter_context(costs.alone())
        echo = stack.enter_context(Echo(costs.sojourn, prefix=costs.servers_prefix))
        first = members.nodes[0]
        passed_on = int(first.stats()["cmd_forwarded"])
        for title, verb, args, goal in (
                ("set, 50 connections", "set", ["--connections", "50"], 1.7),
                ("set, 1 connection", "set", ["--connections", "1"], 2.6),
                ("set, 1 connection, 16 at a time", "set", ["--connections", "1", "--depth", "16"], 2.0),
                ("set, 50 connections, 16 at a time", "set", ["--connections", "50", "--depth", "16"], None),
                ("gat, 50 connections, 1,000 sessions", "gat", ["--connections", "50", "--ttl", "1800"], 1.10),
                # Each of them about once a second: then its deadline is another one each time.
                (f"gat, 50 connections, {costs.many_sessions:,} sessions", "gat",
                 ["--connections", "50", "--ttl", "1800", "--keys", str(costs.many_sessions)], 1.10),
                ("gat, 1 connection, 1,000 sessions", "gat", ["--connections", "1", "--ttl", "1800"], 1.10)):
            args = ["--mix", verb, *args]
            cases = {"members": lambda: costs.load(first, members.nodes, *args),
                     "alone": lambda: costs.load(alone, [alone], *args)}
            is_slow = title == "set, 1 connection"
            if is_slow:
                echoed = ["--protocol", "echo", "--connections", "1", "--value-bytes", "100"]
                cases["echo"] = lambda: costs.load(echo, [echo], *echoed)
            found = costs.in_turns(cases)
            show(title, of_cpu(found["members"]), of_cpu(found["alone"]), goal)
            if is_slow:
                median = {name: statistics.median(of_latency(results)) for name, results in found.items()}
                limit = median["alone"] + median["echo"] + 40
                say(f"  p50 {median['members']:.0f} us; of a node by itself {median['alone']:.0f}, of an echo "
                    f"{median['echo']:.0f}; aimed at both and 40: <= {limit:.0f}"
                    + ("" if median["members"] <= limit else " missed"))
        passed_on = int(first.stats()["cmd_forwarded"]) - passed_on
        stored = int(first.stats()["cmd_set"])
        say(f"  of all sets {100 * passed_on / max(1, stored):.1f} % were passed on: their first owner was the other one")
    say()


def bench_front(costs):
    say("Gets through a front, 50 connections, 100 B: CPU time of all processes per request. The front has two members, "
        "nutcracker two")
    say("memcacheds")
    head("front + members", "other", "us")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        members = stack.enter_context(costs.members(folder, has_front=True))
        alone = stack.enter_context(costs.alone())
        args = ["--mix", "get", "--connections", "50"]
        cases = {"front": lambda: costs.load(members.nodes[2], members.nodes, *args),
                 "alone": lambda: costs.load(alone, [alone], *args)}
        if costs.proxy:
            behind = [stack.enter_context(costs.alone(costs.memcached)) for _ in range(2)]
            proxy = stack.enter_context(Proxy(costs.servers_prefix, folder, behind))
            cases["proxy"] = lambda: costs.load(proxy, [proxy, *behind], *args)
        found = costs.in_turns(cases)
        show("beside a node by itself", of_cpu(found["front"]), of_cpu(found["alone"]), 1.9)
        if "proxy" in found:
            show("beside nutcracker and memcached", of_cpu(found["front"]), of_cpu(found["proxy"]), 0.75)
    say()


def timed(asker, watched, requests, reply_for, rounds):
    """CPU time of an exchange, and the median of a round, in us."""
    before = cpu_seconds(watched)
    taken = asker.ask(requests, reply_for, rounds)
    cpu = (cpu_seconds(watched) - before) / rounds / len(asker.peers)
    return cpu * 1e6, statistics.median(taken) * 1e6


def bench_redis(costs):
    say("Replicated sets beside redis-server with one replica, SET and WAIT 1 in one write: CPU time of both processes, 100 B. "
        "Connections")
    say("send together and wait for all")
    head("both members", "redis + replica", "us")
    value = b"x" * 100
    waits = [b"*5\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$100\r\n%s\r\n$2\r\nEX\r\n$4\r\n3600\r\n*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n"
             b"$4\r\n5000\r\n" % (len(key), key, value) for key in KEYS]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        members = stack.enter_context(costs.members(folder, is_uneven=True))
        redis = stack.enter_context(Redis(costs.servers_prefix, folder))
        replica = stack.enter_context(
            Redis(costs.servers_prefix, folder, "--replicaof", "127.0.0.1", str(redis.port)))
        wait_until("the replica is not there", redis.has_replica)
        for connections in (1, 50):
            askers = [Asker(node, connections) for node in (members.nodes[0], redis)]
            rounds = max(5, costs.exchanges // connections)
            found = costs.in_turns({
                "members": lambda: timed(askers[0], members.nodes, *requests_of("set", value), rounds),
                "redis": lambda: timed(askers[1], [redis, replica], waits, lambda _: b"+OK\r\n:1\r\n", rounds)})
            columns = {name: list(zip(*results)) for name, results in found.items()}
            show(f"{connections} connection{'s' * (connections > 1)}, CPU time", columns["members"][0],
                 columns["redis"][0], 0.8)
            if connections == 1:
                show("1 connection, p50", columns["members"][1], columns["redis"][1], 0.8)
            for asker in askers:
                asker.close()
    say()


class Replicas:
    """A process of a client that stores by libmemcached, in the binary protocol: see cluster_bench_replicas.py."""

    def __init__(self, costs, nodes, count):
        self.process = subprocess.Popen(
            [*costs.load_prefix, costs.python, f"{HERE}/cluster_bench_replicas.py", str(count),
             *(f"127.0.0.1:{node.port}" for node in nodes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.store(1_000)

    def store(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            raise SystemExit(f"{NAME}: libmemcached does not store")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def bench_replicas(costs):
    say("Replicated sets beside libmemcached's own replicas (pylibmc, binary, number_of_replicas 1): CPU time of both nodes, "
        "100 B, one")
    say("connection; the members are asked by the same client at one of them, without replicas of its own")
    head("both members", "two memcacheds", "us")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        members = stack.enter_context(costs.members(folder, is_uneven=True))
        memcacheds = [stack.enter_context(costs.alone(costs.memcached)) for _ in range(2)]
        clients = [stack.enter_context(contextlib.closing(Replicas(costs, nodes, count)))
                   for nodes, count in ((members.nodes[:1], 0), (memcacheds, 1))]
        # libmemcached keeps the last ones back until it reads from that memcached again.
        wait_until("the memcacheds do not have both copies", lambda: all(
            int(node.stats()["curr_items"]) >= 990 for node in memcacheds), seconds=5)

        def cost(client, nodes):
            before = cpu_seconds(nodes)
            client.store(costs.exchanges)
            return (cpu_seconds(nodes) - before) / costs.exchanges * 1e6

        found = costs.in_turns({"members": lambda: cost(clients[0], members.nodes),
                                "memcacheds": lambda: cost(clients[1], memcacheds)})
        show("set, CPU time", found["members"], found["memcacheds"], 1.0)
    say()


def bench_item(costs):
    say(f"Memory of an item, {costs.items:,} of 100 to 107 B stored: `bytes` in stats by `curr_items`")
    with tempfile.TemporaryDirectory() as folder, costs.members(folder) as members, costs.alone() as alone:
        found = {}
        for name, node in (("alone", alone), ("member", members.nodes[0])):
            # What an item takes is a multiple of 8.
            Filler(node).fill([100 + number % 8 for number in range(costs.items)], exptime=3600)
            stats = node.stats()
            if int(stats["curr_items"]) != costs.items:
                raise SystemExit(f"{NAME}: {stats['curr_items']} of {costs.items} items are there")
            found[name] = int(stats["bytes"]) / costs.items
    more = found["member"] - found["alone"]
    say(f"a member {found['member']:.1f} B, a node by itself {found['alone']:.1f} B: {more:+.1f} B; aimed at: at most +4"
        + ("" if more <= 4 else " missed"))
    say()
