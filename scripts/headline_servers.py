"""The servers of scripts/headline: nodes that keep copies behind fronts, or memcacheds. Both are hurt by the same calls."""
import mmap, os, re, signal, socket, struct, subprocess, tempfile, threading, time

from cluster_members import NAMES, PORT, Cluster
from support import ROOT, Node, wait_until

# The one that is added.
ADDED = "d"
DAY_SECONDS = 86_400
# Within which all have to be well again, whatever was done to one.
WELL_SECONDS = 120


# In front of a program: it ends with the thread that has started it, however that ends.
MORTAL = ["setpriv", "--pdeathsig", "KILL"]


class Folder:
    """A folder in memory, which goes when this process does, however that ends."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="sojourn-headline.", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        # Its input ends with this process.
        self.keeper = subprocess.Popen(
            ["sh", "-c", 'cat; sleep 0.2; rm -rf "$1"', "sh", self.path], stdin=subprocess.PIPE, start_new_session=True)

    def end(self):
        self.keeper.stdin.close()
        self.keeper.wait()


class Clocks:
    """The clocks on the wall of several processes, each of which may be set (scripts/wall_clock.c)."""

    def __init__(self, folder, names):
        self.folder = folder
        self.library = f"{folder}/wall_clock.so"
        subprocess.run(["clang", "-shared", "-fPIC", "-O1", "-o", self.library, f"{ROOT}/scripts/wall_clock.c", "-ldl"],
                       check=True)
        for name in names:
            self.set(name, 0)

    def file(self, name):
        return f"{self.folder}/clock-{name}"

    def set(self, name, seconds):
        with open(self.file(name), "a+b") as file:
            file.truncate(8)
            with mmap.mmap(file.fileno(), 8) as place:
                place[:] = struct.pack("q", seconds)

    def program(self, name, binary):
        """To be started with that clock."""
        return [*MORTAL, "env", f"LD_PRELOAD={self.library}",
                f"SOJOURN_CLOCK={self.file(name)}", binary]


class Servers:
    """What both kinds share."""

    def __init__(self, network, folder):
        self.network = network
        self.clocks = Clocks(folder, network.hosts)
        # By name, those that there are.
        self.members = {}

    def place(self, name):
        return f"{self.network.hosts[name]}:{PORT}"

    def kill(self, name):
        self.members[name].process.kill()
        self.members[name].process.wait()

    def stop(self, name):
        """As an operator does; how long it took."""
        begin = time.monotonic()
        process = self.members[name].process
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"headline: node {name} does not end within 30 s of SIGTERM") from None
        return time.monotonic() - begin

    def clock_ahead(self, name):
        """By how many seconds it says that it is ahead."""
        # It tells whole seconds.
        return round(int(self.members[name].stats()["time"]) + 0.5 - time.time())

    def flush(self):
        """What a neighbour is answered who tells everybody to forget all."""
        answers = {}
        for name, place in self.all_places().items():
            with socket.create_connection(place, timeout=10) as peer:
                peer.settimeout(10)
                peer.sendall(b"flush_all\r\n")
                answers[name] = peer.recv(200).decode(errors="replace").strip() or "closed"
        return answers

    def all_places(self):
        return {f"node {name}": (self.network.hosts[name], PORT) for name in self.members}

    def evictions(self):
        """What was pushed out of each since its last start."""
        return {name: int(member.stats()["evictions"]) for name, member in self.members.items()}

    def is_alive(self):
        for name, member in self.members.items():
            if member.process.poll() is not None:
                raise SystemExit(f"headline: node {name} has ended by itself, status {member.process.returncode}")

    def end(self):
        Node.end_all()
        self.network.end()


class Sojourn(Servers):
    """Three nodes that keep copies, and a front for each application and for bots."""

    title = "three nodes that keep copies"
    follows_clock = True
    # A neighbour could send flush_all: so says cluster/copies.md.
    OPTIONS = ["-F"]

    def __init__(self, network, programs, folder, megabytes):
        super().__init__(network, folder)
        self.binary, self.operator, self.next_binary = programs
        self.megabytes = megabytes
        self.cluster = Cluster(network, self.binary, folder, megabytes, options=self.OPTIONS)
        self.members = self.cluster.members
        self.fronts = {}

    def start(self, clients):
        for name in NAMES:
            self.start_member(name)
        self.wait_until_well("the start")
        for client in clients:
            self.fronts[client] = self.cluster.start_front([*MORTAL, self.binary])

    def start_member(self, name, binary=None, definition=None):
        self.cluster.start(name, self.clocks.program(name, binary or self.binary), definition)

    def addresses(self, client):
        return [f"127.0.0.1:{self.fronts[client].port}"]

    def all_places(self):
        fronts = {f"the front of {name}": ("127.0.0.1", front.port) for name, front in self.fronts.items()}
        return super().all_places() | fronts

    def wait_until_well(self, after):
        """Until all have the same; how long it took."""
        begin = time.monotonic()

        def is_well():
            self.is_alive()
            return self.cluster.is_well()

        wait_until(f"after {after} the nodes do not become current", is_well, seconds=WELL_SECONDS)
        return time.monotonic() - begin

    def cut(self, one, other):
        self.network.cut("pair", one, other)

    def mend(self, one, other):
        self.network.mend("pair", one, other)

    def upgrade(self, name):
        self.stop(name)
        self.start_member(name, self.next_binary)

    # The operator's file is that of the fronts: in it nodes have the addresses that they are reached at.

    @staticmethod
    def can_change_members(operator):
        result = subprocess.run([operator, "cluster", "--help"], capture_output=True, text=True)
        return all(word in result.stdout for word in ("sojourn cluster", "add", "remove"))

    def change(self, *arguments):
        command = [*MORTAL, self.operator, "cluster", *arguments, "--cluster", self.cluster.definition("front")]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def followed(self, process, what):
        """What it says, as it says it. It may take as long as a node takes to have everything."""
        watch = threading.Timer(WELL_SECONDS, process.kill)
        watch.start()
        last = "nothing"
        for line in process.stdout:
            last = line.rstrip()
            yield last
        watch.cancel()
        if process.wait():
            raise SystemExit(f"headline: sojourn cluster {what}: status {process.returncode} after {last!r}")

    def wait_until_settled(self):
        """One change at a time; and who has just come back looks at first whether all that it has is its own."""
        wait_until("nodes are at work on a change still", lambda: all(
            member.stats().get("cluster_change") == "settled" for member in self.members.values()), seconds=WELL_SECONDS)

    def add(self, name):
        """What the operator's tool says."""
        self.wait_until_settled()
        definition = self.cluster.definition("front")
        process = self.change(
            "add", name, "--host", self.network.hosts[name], "--port", str(PORT), "--memory", f"{self.megabytes}m",
            "--memory-file", self.cluster.memory_file(name))
        # It writes the definition down first: then the new node can be started by it.
        wait_until("sojourn cluster add does not write the definition", lambda: process.poll() is not None
                   or re.search(rf"name: *\W?{name}\b", open(definition).read()), seconds=WELL_SECONDS)
        if process.poll() in (None, 0):
            self.start_member(name, definition=definition)
        yield from self.followed(process, f"add {name}")

    def remove(self, name):
        self.wait_until_settled()
        yield from self.followed(self.change("remove", name), f"remove {name}")
        self.stop(name)
        del self.members[name]


class Memcached(Servers):
    """Three memcacheds, which know nothing of each other: clients have the list."""

    title = "three memcacheds"
    # It reads the clock on the wall at its start alone.
    follows_clock = False
    # protocol.txt and memcached(1): -F disables flush_all.
    OPTIONS = ["-F"]

    def __init__(self, network, binary, folder, megabytes):
        super().__init__(network, folder)
        self.binary, self.megabytes = binary, megabytes
        # What tells applications of another list, and waits until they use it.
        self.move = None

    def start(self, _):
        for name in NAMES:
            self.start_member(name)

    def start_member(self, name):
        member = Node.__new__(Node)
        place = self.network.hosts[name]
        member.connect = lambda: socket.create_connection((place, PORT), timeout=60)
        member.start_command(lambda _: [
            *self.clocks.program(name, self.binary), "-l", place, "-p", str(PORT), "-U", "0", "-m",
            str(self.megabytes), "-t", "2", *self.OPTIONS, *(["-u", "root"] if os.geteuid() == 0 else [])])
        member.wait()
        self.members[name] = member

    def addresses(self, _):
        return [self.place(name) for name in self.members]

    def wait_until_well(self, _):
        self.is_alive()
        return 0

    def upgrade(self, name):
        self.stop(name)
        self.start_member(name)

    def add(self, name):
        self.start_member(name)
        yield self.move()

    def remove(self, name):
        member = self.members.pop(name)
        yield self.move()
        member.process.terminate()
        member.process.wait()


class Loopback:
    """Addresses of one's own, and nothing between them."""

    name = "loopback"

    def __init__(self, names):
        source = os.urandom(2)
        self.hosts = {name: f"127.{source[0] % 254 + 1}.{source[1]}.{number}" for number, name in enumerate(names, 11)}

    def end(self):
        pass
