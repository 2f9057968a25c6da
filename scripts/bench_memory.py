"""The part of scripts/bench that asks for memory and time: bytes per item and per idle connection,
shifts of sizes, expiry, restart."""
import math, os, random, resource, signal, statistics, tempfile, time

from support import Node, say


class Filler:
    """Stores unique keys of 40 bytes, and counts what was not answered STORED."""

    def __init__(self, node):
        self.peer = node.connect()
        self.next = 0
        self.stored = []
        self.refused = 0

    def fill(self, sizes, exptime=0):
        block = os.urandom(1 << 20).hex().encode()
        pending = []
        for size in sizes:
            key = b"session:%032d" % self.next
            self.next += 1
            pending.append(b"set %s 0 %d %d\r\n%s\r\n" % (key, exptime, size, block[:size]))
            self.stored.append(len(key) + size)
            if len(pending) * (size + 80) > 1 << 16 or len(pending) == 200:
                self.flush(pending)
        self.flush(pending)

    def flush(self, pending):
        if not pending:
            return
        self.peer.sendall(b"".join(pending))
        want, data = len(pending), b""
        while data.count(b"\n") < want:
            part = self.peer.recv(65536)
            if not part:
                raise SystemExit("bench: the node closed the connection while it was filled")
            data += part
        self.refused += want - data.count(b"STORED\r\n")
        pending.clear()


def lognormal(random_source):
    return min(200_000, max(1, int(random_source.lognormvariate(math.log(600), 1))))


def bench_item_bytes(servers, megabytes):
    say(f"Bytes per item beyond key (40) and value, {megabytes} MB full, index included: of -m, and of "
        "all memory that is resident,")
    say("the program's files left out")
    source = random.Random(1)
    shapes = [(f"{size:,} B", lambda size=size: size)
              for size in (100, 300, 600, 1_000, 4_000, 60_000)]
    shapes.append(("log-normal, median 600", lambda: lognormal(source)))
    limit = megabytes << 20
    say(f"{'':26}" + "".join(f"{name:>26}" for name in servers)
        + "".join(f"{'ratio':>9}{'':9}" for _ in list(servers)[1:]))
    for title, size in shapes:
        cells, notes = [], []
        for name, server in servers.items():
            with Node(server, megabytes=megabytes) as node:
                filler = Filler(node)
                written = 0
                while written < 2.5 * limit:
                    sizes = [size() for _ in range(2_000)]
                    filler.fill(sizes)
                    written += sum(sizes) + 100 * len(sizes)
                items = int(node.stats()["curr_items"])
                # What is there are the last ones stored.
                payload = sum(filler.stored[-items:])
                cells.append(((limit - payload) / items,
                              (node.private_bytes() - payload) / items))
                if filler.refused:
                    # A memcached whose maintenance thread gets no processor does this.
                    notes.append(f"  {name} refused {filler.refused} stores")
        text = "".join(f"{of_limit:13,.1f}{resident:13,.1f}" for of_limit, resident in cells)
        for other in cells[1:]:
            ratio = cells[0][0] / other[0]
            text += f"{ratio:9.2f}"
            if title.startswith("log-normal"):
                text += "  <= 0.35" + ("" if ratio <= 0.35 else " missed")
            else:
                text += f"{'':9}"
        say(f"{title:26}" + text.rstrip())
        for note in notes:
            say(note)
    say()


def bench_shifts(servers):
    say("Stores refused / memory used after a shift of sizes, 64 MB")
    limit = 64 << 20
    rows = {size: [] for size in (300, 3_000, 60_000, 100)}
    for server in servers.values():
        with Node(server, megabytes=64) as node:
            filler = Filler(node)
            for size in rows:
                before = filler.refused
                filler.fill([size] * int(2.5 * limit / (size + 100)))
                stats = node.stats()
                used = int(stats["bytes"]) + int(stats["hash_bytes"])
                items = int(stats["curr_items"])
                rows[size].append(f"{filler.refused - before} / {100 * used / limit:.1f} % "
                                  f"({items} items)")
    say(f"{'':20}" + "".join(f"{name:>32}" for name in servers))
    for size, cells in rows.items():
        say(f"{'then ' if size != 300 else ''}{size:,} B".ljust(20)
            + "".join(f"{cell:>32}" for cell in cells))
    say()


def bench_expiry(servers, items):
    say(f"Seconds after their deadline until 100,000 expired items are gone, {items:,} others there")
    for name, server in servers.items():
        with Node(server, megabytes=512) as node:
            filler = Filler(node)
            filler.fill([100] * items, exptime=86_400)
            exptime = 6
            filler.fill([100] * 100_000, exptime=exptime)
            deadline = time.monotonic() + exptime
            while time.monotonic() < deadline + 120:
                if int(node.stats()["curr_items"]) <= items:
                    break
                time.sleep(0.05)
            say(f"{name:34}{time.monotonic() - deadline:14.2f}")
    say()


def bench_expiry_latency(servers, items):
    say(f"Gets while {items:,} sessions expire in the same second: p50, p99 and slowest, ms")
    for name, server in servers.items():
        with Node(server, megabytes=512) as node, node.connect() as peer:
            peer.sendall(b"set k 0 0 100\r\n" + b"x" * 100 + b"\r\n")
            peer.recv(100)
            filler = Filler(node)
            deadline = time.time() + 30
            # A date, so that all have the same deadline however long storing takes.
            filler.fill([100] * items, exptime=int(deadline))
            while time.time() < int(deadline) - 1:
                time.sleep(0.05)
            latencies = []
            while time.time() < int(deadline) + 4:
                start = time.monotonic()
                peer.sendall(b"get k\r\n")
                if not peer.recv(1000).endswith(b"END\r\n"):
                    raise SystemExit("bench: a wrong reply")
                latencies.append((time.monotonic() - start) * 1e3)
            latencies.sort()
            left = int(node.stats()["curr_items"])
            say(f"{name:34}{statistics.median(latencies):14.3f}"
                f"{latencies[int(len(latencies) * 0.99)]:14.3f}{latencies[-1]:14.3f}"
                f"   ({left:,} items left)")
    say()


def bench_idle(servers, connections):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, connections + 500), hard))
    say(f"Resident bytes per idle connection, {connections:,} of them, each has stored and read once "
        "(aimed at: at most 1,024)")
    for name, server in servers.items():
        with Node(server, extra=["-c", str(connections + 300)]) as node:
            with node.connect() as first:
                first.sendall(b"set k 0 0 100\r\n" + b"x" * 100 + b"\r\n")
                first.recv(100)
            before = node.resident_bytes()
            peers = []
            for _ in range(connections):
                peer = node.connect()
                peer.sendall(b"get k\r\n")
                if not peer.recv(1000).endswith(b"END\r\n"):
                    raise SystemExit("bench: a wrong reply")
                peers.append(peer)
            say(f"{name:34}{(node.resident_bytes() - before) / connections:14.0f}")
            for peer in peers:
                peer.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    say()


def bench_restart(servers, megabytes, repetitions):
    say(f"Restart with -e on tmpfs and -t 4, {megabytes:,} MB full of log-normal sessions: seconds from the "
        "start to the first answer, median, and items kept;")
    say("sojournd after SIGKILL; memcached after SIGUSR1 and two seconds, the only death it survives")
    source = random.Random(1)
    for name, server in servers.items():
        seconds, kept = [], []
        for _ in range(repetitions):
            with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
                extra = ["-e", os.path.join(directory, "arena")]
                with Node(server, megabytes=megabytes, threads=4, extra=extra) as node:
                    filler = Filler(node)
                    written = 0
                    while written < megabytes << 20:
                        sizes = [lognormal(source) for _ in range(2_000)]
                        filler.fill(sizes)
                        written += sum(sizes) + 100 * len(sizes)
                    before = int(node.stats()["curr_items"])
                    is_ours = name == "sojournd"
                    node.process.send_signal(signal.SIGKILL if is_ours else signal.SIGUSR1)
                    node.process.wait()
                    if not is_ours:
                        time.sleep(2)
                again = Node(server, megabytes=megabytes, threads=4, extra=extra)
                seconds.append(again.wait(60))
                with again:
                    kept.append(int(again.stats()["curr_items"]) / before)
        say(f"{name:34}{statistics.median(seconds):14.2f}{100 * min(kept):12.2f} % kept at least")
    say()
