"""The members and fronts of scripts/cluster-kill and scripts/headline, and what lies between them.

Members are at three addresses and one port. Their links can be cut, by one of two networks:
  namespaces  each member has a network namespace of its own on a bridge; needs root. Two members are kept apart by
              isolating their ports of the bridge, one is cut off from everybody by taking its port down: packets are
              lost, and nobody is told. All of it belongs to this process and ends with it.
  relays      what members send each other goes through scripts/cluster_relay.py, which can stop passing on. One member
              cannot be cut off from its clients.
"""
import ctypes, os, random, secrets, signal, socket, subprocess, sys, tempfile, time

from support import Node, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = "abc"
PORT, PEER_PORT = 23001, 33001
# The name of all members, where there is one.
NAME = "sojourn-members"


class Relays:
    """Loopback: each member's definition has a relay's address for every other one."""

    name = "relays"
    cuts = ("pair",)
    # Nobody but root can give the name to all programs that are started here.
    list_name = None

    def __init__(self, names=NAMES):
        source = random.SystemRandom()
        net = f"127.{source.randrange(1, 255)}.{source.randrange(1, 255)}"
        self.hosts = {name: f"{net}.{number}" for number, name in enumerate(names, 11)}
        self.prefix = {name: [] for name in names}
        # What `one` dials to reach `other`.
        self.dialled = {(one, other): PEER_PORT + 10 * names.index(one) + names.index(other) + 1
                        for one in names for other in names if one != other}
        self.process = None

    def start(self):
        ways = [f"{one},{other},{self.hosts[other]},{port},{PEER_PORT}"
                for (one, other), port in self.dialled.items()]
        self.process = subprocess.Popen(
            [sys.executable, f"{HERE}/cluster_relay.py", *ways], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        self.answered()

    def answered(self):
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("the relays do not start")

    def peers_address(self, reader, name):
        if name == reader:
            return f", peer_port: {PEER_PORT}"
        # A front knows nobody's relay: it goes straight.
        return f", peer_port: {self.dialled.get((reader, name), PEER_PORT)}"

    secret = ""

    def cut(self, kind, one, other):
        self.tell(f"cut {one} {other}")

    def mend(self, kind, one, other):
        self.tell(f"mend {one} {other}")

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self.answered()

    def end(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


class Namespaces:
    """A bridge, and for each member a namespace that has a port of it."""

    name = "namespaces"
    cuts = ("pair", "alone")
    list_name = NAME
    client_host = "10.77.0.254"

    def __init__(self, names=NAMES):
        self.hosts = {name: f"10.77.0.{number}" for number, name in enumerate(names, 11)}
        self.holders = []
        self.prefix = {}
        self.secret = ""

    @staticmethod
    def run(*command):
        subprocess.run(command, check=True)

    @staticmethod
    def enter():
        """Takes this process, and all that it starts, out of the machine's network. Once; false if it may not."""
        new_mounts, new_network = 0x20000, 0x40000000
        if ctypes.CDLL(None, use_errno=True).unshare(new_mounts | new_network) != 0:
            return False
        try:
            Namespaces.run("mount", "--make-rprivate", "/")
            Namespaces.run("ip", "link", "set", "lo", "up")
            Namespaces.run("ip", "link", "add", "members", "type", "bridge")
            Namespaces.run("ip", "address", "add", f"{Namespaces.client_host}/24", "dev", "members")
            Namespaces.run("ip", "link", "set", "members", "up")
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def start(self):
        for name, host in self.hosts.items():
            # It ends when this process does, however that ends.
            holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
            self.holders.append(holder)
            own = os.readlink("/proc/self/ns/net")
            wait_until("a namespace", lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != own, holder)
            self.run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
            self.run("ip", "link", "set", f"to-{name}", "master", "members", "up")
            self.prefix[name] = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
            self.run(*self.prefix[name], "ip", "link", "set", "lo", "up")
            self.run(*self.prefix[name], "ip", "address", "add", f"{host}/24", "dev", "eth0")
            self.run(*self.prefix[name], "ip", "link", "set", "eth0", "up")
        descriptor, self.secret = tempfile.mkstemp(prefix="sojourn-secret.")
        os.write(descriptor, secrets.token_hex(32).encode())
        os.close(descriptor)
        with tempfile.NamedTemporaryFile("w") as hosts:
            hosts.write("127.0.0.1 localhost\n" + "".join(f"{host} {NAME}\n" for host in self.hosts.values()))
            hosts.flush()
            # For programs that are started here alone.
            self.run("mount", "--bind", hosts.name, "/etc/hosts")

    def peers_address(self, reader, name):
        return f", peer_port: {PEER_PORT}"

    def cut(self, kind, one, other):
        if kind == "alone":
            self.run("ip", "link", "set", f"to-{one}", "down")
        else:
            for name in (one, other):
                self.run("bridge", "link", "set", "dev", f"to-{name}", "isolated", "on")

    def mend(self, kind, one, other):
        if kind == "alone":
            self.run("ip", "link", "set", f"to-{one}", "up")
        else:
            for name in (one, other):
                self.run("bridge", "link", "set", "dev", f"to-{name}", "isolated", "off")

    def end(self):
        if self.secret:
            self.run("umount", "/etc/hosts")
            os.unlink(self.secret)
        for name, holder in zip(self.hosts, self.holders):
            # It would go with its namespace, but later.
            subprocess.run(["ip", "link", "delete", f"to-{name}"], stderr=subprocess.DEVNULL)
            holder.stdin.close()
            holder.wait()


class Fault:
    """One fault of one member. `begin` and `end`: between them a client that asks this member itself may suffer."""

    def __init__(self, kind, victim, neighbour):
        self.kind, self.victim, self.neighbour = kind, victim, neighbour
        self.begin = self.end = self.recovery = 0.0


class Cluster:
    # Between kill(2) and the end of all the node's threads.
    dying_seconds = 0.02

    def __init__(self, network, binary, folder, megabytes, is_supervised=False, options=()):
        """`options` are for members and fronts, besides those that they have."""
        self.network, self.binary, self.folder, self.is_supervised = network, binary, folder, is_supervised
        network.start()
        self.options = [*options, *(["-u", "root"] if os.geteuid() == 0 else [])]
        for reader in [*network.hosts, "front"]:
            with open(self.definition(reader), "w") as file:
                secret = f"secret_file: {network.secret}" if network.secret else ""
                file.write(f"name: killed\ncopies: 2\npeers: {{{secret}}}\nnodes:\n")
                for name in NAMES:
                    file.write(f"- {{name: {name}, host: {network.hosts[name]}, port: {PORT}, memory: {megabytes}, "
                               f"memory_file: {self.memory_file(name)}{network.peers_address(reader, name)}}}\n")
        self.members = {}
        self.log = open(f"{folder}/log", "a")

    def definition(self, reader):
        return f"{self.folder}/cluster-{reader}.yaml"

    def memory_file(self, name):
        return f"{self.folder}/memory-{name}"

    def start(self, name, program=(), definition=None):
        """`program`: another one, with what is to be in front of it."""
        member = Node.__new__(Node)
        member.connect = lambda: socket.create_connection((self.network.hosts[name], PORT), timeout=60)
        member.start_command(lambda _: [
            *self.network.prefix[name], *(program or [self.binary]), "--cluster", definition or self.definition(name),
            "--name", name, "-t", "2", "-v", *(["--supervise"] if self.is_supervised else []), *self.options], self.log)
        member.wait(60)
        self.members[name] = member

    def start_front(self, program=()):
        front = Node.__new__(Node)
        front.start_command(lambda port: [
            *(program or [self.binary]), "--cluster", self.definition("front"), "--front", "-l", "127.0.0.1", "-p",
            str(port), "-t", "2", *self.options], self.log)
        front.wait(60)
        return front

    def is_well(self):
        try:
            return all(member.stats().get("members_current") == str(len(self.members))
                       for member in self.members.values())
        except (OSError, SystemExit):
            return False

    def serving(self, name):
        """The process of a member that serves: under a supervisor, its child."""
        process = self.members[name].process.pid
        if not self.is_supervised:
            return process
        return int(open(f"/proc/{process}/task/{process}/children").read().split()[0])

    def hurt(self, fault):
        """One fault, until it is over and all are well again."""
        kind, _, seconds = fault.kind.partition(" ")
        {"stop": self.stop, "pair": self.part, "alone": self.part}.get(kind, self.kill)(fault, float(seconds or 0))
        begin = time.monotonic()
        wait_until(f"{fault.kind} of {fault.victim}: members are not current again", self.is_well, seconds=120)
        fault.recovery = time.monotonic() - begin

    def stop(self, fault, seconds):
        process = self.serving(fault.victim)
        fault.begin = time.monotonic()
        os.kill(process, signal.SIGSTOP)
        time.sleep(seconds)
        try:
            os.kill(process, signal.SIGCONT)
        except ProcessLookupError:
            # Its supervisor has taken it for hung, as it should, and has started another one.
            pass
        fault.end = time.monotonic() + self.dying_seconds

    def part(self, fault, seconds):
        kind = fault.kind.split()[0]
        fault.begin = time.monotonic()
        self.network.cut(kind, fault.victim, fault.neighbour)
        time.sleep(seconds)
        self.network.mend(kind, fault.victim, fault.neighbour)
        # Who waits for it sends once more after twice as long as before. Clients still reach both of a pair.
        fault.end = time.monotonic() + seconds if kind == "alone" else fault.begin

    def kill(self, fault, _):
        member = self.members[fault.victim]
        away = random.choice([0.1, 0.5, 2])
        if self.is_supervised and fault.kind == "lose":
            # It has to be away for as long as it takes to remove its file.
            member.process.send_signal(signal.SIGSTOP)
        process = self.serving(fault.victim)
        fault.begin = time.monotonic()
        os.kill(process, signal.SIGKILL)
        fault.end = time.monotonic() + self.dying_seconds
        if not self.is_supervised:
            member.process.wait()
        if fault.kind == "lose":
            # Of a supervised node, when it has ended: until then it may make it anew.
            time.sleep(self.dying_seconds)
            os.unlink(self.memory_file(fault.victim))
        if not self.is_supervised:
            time.sleep(away)
            self.start(fault.victim)
        elif fault.kind == "lose":
            time.sleep(away)
            member.process.send_signal(signal.SIGCONT)
        if self.is_supervised:
            with member.connect() as peer:
                peer.settimeout(60)
                member.answers(peer)

    def end(self):
        for member in self.members.values():
            # Of a supervisor that is killed, the kernel kills the child.
            member.process.kill()
            member.process.wait()
        Node.end_all()
        self.network.end()
